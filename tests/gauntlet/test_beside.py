"""Beside the plan, with a daemon: replays and repeats, whoever dies meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from .processes import kill
from .yard import Yard

pytestmark = pytest.mark.gauntlet
FAILING = 'tool f { command "/bin/sh" "-c" "echo start >> {log}; {sleep}; exit 3" }\ninstance i {{ run f }}'


def failed(yard: Yard, sleep: str = "true") -> str:
    """A daemon and a finished campaign with a failure."""
    yard.daemon()
    body = FAILING.replace("{log}", str(yard.log)).replace("{sleep}", sleep).replace("{{", "{").replace("}}", "}")
    campaign = yard.submit(yard.spec("q", body))
    yard.call("wait", campaign, status=1)
    return campaign


def gate(yard: Yard) -> str:
    return f"test -e {yard.folder}/again && until test -e {yard.folder}/go; do sleep 0.05; done"


def replaying(yard: Yard, campaign: str, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "campaign", "replay", f"{campaign}/i#0", "--times", str(times), "--format", "json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=yard.folder, env=yard.environ, text=True, **streams)  # type: ignore[call-overload,no-any-return]


def test_a_replay_goes_on_where_a_killed_daemon_left_it(yard: Yard) -> None:
    campaign = failed(yard, gate(yard))
    (yard.folder / "again").touch()
    before = yard.call("show", campaign, "--format", "json")
    client = replaying(yard, campaign, 3)
    yard.until(lambda: yard.started() == 3)  # its own, and two places
    yard.kill(yard.pids[-1])
    _, errors = client.communicate(timeout=60)
    assert (client.returncode, "CAMP526" in errors) == (3, True), errors
    yard.daemon()
    yard.release()
    yard.until(lambda: len(list(yard.folder.glob(".campaign/runs/*/i/i/*/attempt-1/replay-3/run.json"))) == 1)
    yard.until(lambda: yard.status()["holder"] is not None and not yard.status()["holder"].get("campaigns"))
    assert yard.started() == 4
    assert yard.call("show", campaign, "--format", "json") == before
    told = json.loads(yard.call("replay", f"{campaign}/i#0", "--format", "json", status=1))
    assert [each["name"] for each in told["runs"]] == ["i#0@replay-4"]


def test_what_is_asked_for_beside_a_plan_is_canceled(yard: Yard) -> None:
    campaign = failed(yard, gate(yard))
    (yard.folder / "again").touch()
    client = replaying(yard, campaign, 3)
    yard.until(lambda: yard.started() == 3)
    yard.call("cancel", campaign)
    output, errors = client.communicate(timeout=60)
    assert client.returncode == 5, output + errors
    (row,) = json.loads(yard.call("list", "--format", "json"))
    assert (row["state"], row["exit_status"]) == ("finished", 1)
    looked_at(yard, campaign)


def looked_at(yard: Yard, campaign: str) -> None:
    """Another replay, on which its client looks for a while; the daemon stays at work."""
    before = yard.started()
    client = replaying(yard, campaign, 1)
    yard.until(lambda: yard.started() == before + 1)
    (asked,) = yard.status()["beside"]
    assert (asked["kind"], asked["run"], asked["attempts"]) == ("replay", "i#0@1", 0)
    assert f"beside the plan: replay {campaign}/i#0@1" in yard.call("status")
    kill(client.pid, number=signal.SIGINT)
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 130
    assert "goes on" in errors
    yard.release()
    yard.until(lambda: not yard.status()["beside"])
    told = json.loads(yard.call("show", f"{campaign}/i#0@replay-4", "--format", "json"))
    assert told["verdict"] == "fail"


def test_until_fail_by_a_daemon(yard: Yard) -> None:
    yard.daemon()
    count = f"echo x >> {yard.folder}/count; test $(wc -l < {yard.folder}/count) -lt 6"
    spec = yard.spec("u", f'tool c {{ command "/bin/sh" "-c" "{count}" }}\ninstance i {{ run c }}')
    told = json.loads(yard.call("exec", spec, "--until-fail", "--format", "json", status=1))
    assert told["verdicts"]["pass"] == told["total"] == 1
    assert told["repeats"]["runs"] >= 6
    assert told["repeats"]["failed"].startswith("i#0@repeat-")
    view = json.loads(
        (yard.folder / ".campaign/runs" / told["campaign"] / told["repeats"]["evidence"] / "run.json").read_text()
    )
    assert (view["verdict"], view["origin"]) == ("fail", "repeat")


MINIMIZED = """minimize {{ order = [keys]; attempts = 40 }}
tool f {{ command "/bin/sh" "-c" "echo start {keys} >> {log}; test {keys} -lt 37"; param keys: int = 900 in 1.. }}
instance i {{ run f }}"""


def test_a_minimization_goes_on_where_a_killed_daemon_left_it(yard: Yard) -> None:
    """The clause of the spec asks for it; the daemon dies amid it, supervisors and all, and the next one goes on."""
    yard.daemon()
    clause, body = MINIMIZED.replace("{{", "{").replace("}}", "}").replace("{log}", str(yard.log)).split("\n", 1)
    campaign = yard.submit(yard.spec("q", body, clauses=f"; {clause}"))
    yard.until(lambda: yard.started() >= 9)
    yard.kill(yard.pids[-1])
    yard.daemon()
    yard.call("wait", campaign, status=1)
    told = yard.run_files()["i#0"]["minimized"]
    assert told["result"] == {"keys": 37}
    (folder,) = yard.folder.glob(".campaign/runs/*/i/i/seed-0/attempt-1/minimize")
    views = [json.loads(path.read_text()) for path in folder.glob("*/*/run.json")]
    assert sum(each["verdict"] in {"pass", "fail"} for each in views) <= told["attempts"] <= len(views)
    assert yard.verdicts(campaign)["fail"] == 1
    told = json.loads(yard.call("minimize", f"{campaign}/i#0", "--attempts", "9", "--format", "json"))["minimized"]
    assert told["attempts"] == 9


def test_until_fail_goes_on_where_a_killed_exec_left_it(yard: Yard) -> None:
    tool = f"echo {{workdir}} >> {yard.log}; sleep 0.1; test ! -e {yard.folder}/stop"
    spec = yard.spec("u", f'tool c {{ command "/bin/sh" "-c" "{tool}" }}\ninstance i {{ run c }}')
    command = [sys.executable, "-m", "campaign", "exec", spec, "--until-fail"]
    client = subprocess.Popen(command, cwd=yard.folder, env=yard.environ, stderr=subprocess.DEVNULL)
    yard.until(lambda: len(yard.lines()) >= 6)
    kill(client.pid)
    client.wait()
    yard.until(lambda: yard.status()["holder"] is None)
    before = len(yard.lines())
    (row,) = json.loads(yard.call("list", "--format", "json"))
    assert row["state"] == "interrupted"
    client = subprocess.Popen([*command[:4], "--resume"], cwd=yard.folder, env=yard.environ, stdout=subprocess.PIPE)
    yard.until(lambda: len(yard.lines()) >= before + 4)
    (yard.folder / "stop").touch()
    client.communicate(timeout=60)
    assert client.returncode == 1
    lines = yard.lines()
    assert len(lines) == len(set(lines)), "no attempt was executed twice"
    (row,) = json.loads(yard.call("list", "--format", "json"))
    assert (row["state"], row["exit_status"], row["verdicts"]) == ("finished", 1, {"pass": 1})


def test_an_interrupted_replay_of_ones_own_is_over(yard: Yard) -> None:
    body = FAILING.replace("{log}", str(yard.log)).replace("{sleep}", gate(yard)).replace("{{", "{").replace("}}", "}")
    yard.call("exec", yard.spec("q", body), status=1)
    (yard.folder / "again").touch()
    (row,) = json.loads(yard.call("list", "--format", "json"))
    client = replaying(yard, row["campaign"], 3)
    yard.until(lambda: yard.started() == 3)
    kill(client.pid, number=signal.SIGINT)
    yard.release()
    _, errors = client.communicate(timeout=60)
    assert client.returncode == 130, errors
    assert yard.status()["beside"] == []
    assert yard.started() == 3
