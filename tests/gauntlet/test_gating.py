"""What a campaign cannot do without is asked for before anything starts, and all that is missing is told at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from .conftest import Arena
from .yard import Yard

MISSING = """
campaign "gate" { parallel 2; slots board = 1 }
tool one { command "no-such-tool" }
tool two { command "./no/such/tool" }
tool three { command "/bin/true" "{env.NOT_THERE}" }
instance a {
  run one { }
  oracle command { argv = ["no-such-oracle", "x"] }
}
instance b {
  run two { }
  needs board = 3
}
instance c { run three { } }
instance d {
  hold rails.command { rail = "V"; set = ["no-such-setter", "1"]; read = ["no-such-setter"]; restore = ["no-such-setter", "0"]; value = "1" }
  fault gate.fault { at = 1s }
  oracle gate.oracle
  oracle gate.hangs
  oracle gate.fault { required = false }
  run one { }
}
"""
PLUGIN = """
import os, time
from campaign.plugins.api import Fault, Injected, Judgement, Oracle, hookimpl

api = 1


class Broken(Fault):
    name = "fault"
    about = "has no device"

    def available(self):
        return "install the fault injector"

    def inject(self, injection, undo):
        return Injected()


class Mute(Oracle):
    name = "oracle"
    about = "is not there"

    def available(self):
        raise OSError("its library is gone")

    def judge(self, evidence, settings):
        return Judgement(True)


class Hangs(Mute):
    name = "hangs"

    def available(self):
        time.sleep(1000)


class Optional(Mute):
    name = "fault"


class Odd(Oracle):
    name = "odd"
    about = "misbehaves"
    parameters = {"how": {"type": "string"}}

    def judge(self, evidence, settings):
        match settings["how"]:
            case "raise":
                raise RuntimeError("no idea")
            case "crash":
                os.abort()
            case "hang":
                time.sleep(1000)
            case "nonsense":
                return Judgement(ok="yes")
            case "exit":
                raise SystemExit(0)


@hookimpl
def campaign_faults():
    return [Broken()]


@hookimpl
def campaign_oracles():
    return [Mute(), Hangs(), Optional(), Odd()]
"""
#: What each complaint must name.
TOLD = [
    "b needs 3 board, this machine has 1 (the spec)",
    "the environment variable NOT_THERE is not set",
    "no-such-tool was not found",
    "no/such/tool does not exist",
    "no-such-oracle was not found",
    "no-such-setter was not found",
    "install the fault injector",
    "its library is gone",
    "did not come out within 5 s",
]


@pytest.fixture
def plugin(arena: Arena) -> dict[str, str]:
    """A plugin that is found on the path; gives the variables that a process needs to find it."""
    site = arena.folder / "site"
    info = site / "campaign_gate-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "campaign_gate.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: campaign-gate\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[campaign.plugins]\ngate = campaign_gate\n")
    (info / "RECORD").write_text("")
    return {"PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}"}


def test_everything_that_is_missing_is_told_at_once(arena: Arena, plugin: dict[str, str]) -> None:
    path = arena.folder / "a.camp"
    path.write_text("use gate\n" + MISSING)
    done = arena.call("exec", path, env=plugin)
    assert done.returncode == 3, done.stderr
    assert [each for each in TOLD if each not in done.stderr] == []
    assert not (arena.workspace / "runs").exists()
    path.write_text(path.read_text().replace("  oracle gate.hangs\n", ""))  # which takes its time
    asked = arena.call("submit", path, env=plugin)
    assert asked.returncode == 3
    assert [each for each in TOLD[:-1] if each not in asked.stderr] == []
    assert not (arena.workspace / "ledger.sqlite").exists()


def test_an_oracle_that_says_nothing_is_an_error_and_never_a_pass(arena: Arena, plugin: dict[str, str]) -> None:
    """Also where nothing else objects, and an ``expect`` speaks of the oracle; what it left is kept, empty or not."""
    path = arena.folder / "a.camp"
    path.write_text(
        'use gate\ncampaign "odd" { parallel 2 }\ntool t { command "/bin/true" }\n'
        'instance i.{how} {\n  sweep how = ["raise", "crash", "hang", "nonsense", "exit", "nothing"]\n  run t\n'
        "  oracle gate.odd { how = how; timeout = 700ms }\n  expect oracle.ok\n}\n"
    )
    done = arena.call("exec", path, env=plugin)
    assert done.returncode == 1, done.stderr
    runs = arena.runs()
    assert {run["verdict"] for run in runs.values()} == {"error"}
    assert len(runs) == 6
    said = {run["axes"]["how"]: run["oracles"][0]["error"] for run in runs.values()}
    told = {"raise": "no idea", "crash": "signal 6", "hang": "within 0.7 s", "nonsense": "cannot be read"}
    told |= {"exit": "SystemExit", "nothing": "NoneType"}
    assert all(told[how] in why for how, why in said.items()), said
    for folder in (arena.workspace / "runs").rglob("oracle"):
        assert sorted(each.name for each in folder.iterdir()) == [
            "gate.odd.json",
            "gate.odd.stderr",
            "gate.odd.stdout",
        ]


def test_what_is_gone_by_then_stops_whoever_goes_on(arena: Arena) -> None:
    """An interrupted campaign, and one that is begun anew: nothing of them starts."""
    tool = arena.folder / "tool"
    tool.write_text(f"#!/bin/sh\necho ran >> {arena.folder}/effects\n")
    tool.chmod(0o755)
    path = arena.folder / "a.camp"
    path.write_text(
        'campaign "gone" { parallel 1 }\ntool t { command "./tool" }\n'
        f'instance i {{\n  seeds 1..3\n  run t\n  oracle command {{ argv = ["{sys.executable}", "-c", "pass"] }}\n}}\n'
    )
    environ = {**arena._environ, "CAMPAIGN_FAILPOINT": "planner.news=kill@2"}
    command = [sys.executable, "-m", "campaign", "exec", str(path)]
    assert subprocess.run(command, cwd=arena.folder, env=environ, check=False, capture_output=True).returncode == -9
    before = (arena.folder / "effects").read_text()
    tool.unlink()
    for arguments in (("exec", path, "--resume"), ("rerun",)):
        done = arena.call(*arguments)
        assert done.returncode == 3, done.stderr
        assert "does not exist" in done.stderr
    assert (arena.folder / "effects").read_text() == before


def test_a_daemon_starts_nothing_of_what_lacks_its_tool(yard: Yard) -> None:
    tool = yard.folder / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    path = yard.folder / "a.camp"
    path.write_text('campaign "gone" { parallel 1 }\ntool t { command "./tool" }\ninstance i { run t }\n')
    campaign = yard.submit(str(path))
    tool.unlink()
    yard.daemon()
    yard.until(lambda: bool(yard.status()["queue"][0].get("waiting")))
    assert "does not exist" in json.dumps(yard.status())
    yard.call("wait", campaign, status=3)
    assert yard.verdicts(campaign) == {}
