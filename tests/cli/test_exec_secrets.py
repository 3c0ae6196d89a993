"""What is secret, and what a caller never passed on, is in no file for people, no report and no message."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
HIDDEN, TOKEN, UNPASSED, CALLERS = "hunter2-hidden", "t0ken-of-api", "never-passed-on", "callers-credential"
PEM = "-----BEGIN-----\nbody-of-the-pem\n12\n"
ENV = {
    "HIDDEN": HIDDEN,
    "API_TOKEN": TOKEN,
    "OTHER_SECRET": UNPASSED,
    "AWS_CREDENTIALS": CALLERS,
    "PEM": PEM,
    "PLAIN": "in-clear",
}
SPEC = """
campaign "secrets" {{ parallel 1 }}
report junit {{ }}
report markdown {{ }}
report csv {{ }}
tool t {{
  command "/bin/sh" "-c" "{{script}}"
  param script: string = "true"
}}
instance i {{
  pass-env secret HIDDEN, secret PEM, API_TOKEN, PLAIN
  {body}
}}
"""


def run(campaign: Campaign, tmp_path: Path, body: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "a.camp"
    path.write_text(SPEC.format(body=body))
    return campaign("exec", path, env=ENV | env)


def record(tmp_path: Path) -> dict[str, Any]:
    (found,) = (tmp_path / ".campaign/runs").glob("*/i/i/seed-0/run.json")
    loaded: dict[str, Any] = json.loads(found.read_text())
    return loaded


def files_for_people(tmp_path: Path) -> str:
    """All that is written for people; a tool's own folder is its own."""
    found = (each for each in (tmp_path / ".campaign/runs").rglob("*") if each.is_file() and each.parent.name != "work")
    return "\n".join(each.read_text(errors="replace") for each in found)


ORACLES = {
    "text": 'oracle o: text.contains { text = "{env.HIDDEN}" }',
    "not passed on": 'oracle o: text.contains { text = "{env.OTHER_SECRET}" }',
    "found": 'script = "echo {env.API_TOKEN} > f"; oracle o: text.contains { file = "f"; text = "t0"; absent = true }',
    "json": 'script = "printf \'[\\"%s\\"]\' {env.HIDDEN} > f.json"\n'
    '  oracle o: json.value { file = "f.json"; pointer = "0"; equals = "x" }',
    "gone": 'oracle o: command { argv = ["/bin/sh", "-c", "{env.HIDDEN}"] }',
    "environment": 'oracle o: command { argv = ["/bin/sh", "-c", "env; env >&2; exit 1"] }',
    "author": 'script = "exit 1"; expect exit.ok: "{env.HIDDEN} does not work"',
    "step": 'script = "exit 1; {env.HIDDEN} {env.OTHER_SECRET}"',
}


@pytest.mark.parametrize("body", ORACLES.values(), ids=ORACLES)
def test_no_secret_leaves_the_house(campaign: Campaign, tmp_path: Path, body: str) -> None:
    done = run(campaign, tmp_path, f"{body}\n  run t")
    assert done.returncode == 1, done.stderr
    said = [done.stdout, done.stderr, files_for_people(tmp_path)]
    said += [campaign(*verb).stdout for verb in (("show",), ("list",), ("failures",), ("report", "--format", "junit"))]
    for secret in (HIDDEN, TOKEN, UNPASSED, CALLERS, "body-of-the-pem"):
        assert not any(secret in each for each in said), secret


def test_an_oracles_program_has_the_environment_of_the_tools(campaign: Campaign, tmp_path: Path) -> None:
    body = 'needs gpu = 1; run t { script = "env > tool.env" }\n'
    body += 'oracle o: command { argv = ["/bin/sh", "-c", "env; test $HIDDEN = hunter2-hidden"] }'
    path = tmp_path / "a.camp"
    path.write_text(SPEC.format(body=body).replace("parallel 1", "parallel 1; slots gpu = 1"))
    done = campaign("exec", path, env=ENV | {"LC_TIME": "C"})
    assert done.returncode == 0, done.stderr
    (seen,) = (tmp_path / ".campaign/runs").rglob("oracle/o.stdout")
    oracle = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
    (own,) = (tmp_path / ".campaign/runs").rglob("work/tool.env")
    tool = dict(line.split("=", 1) for line in own.read_text().splitlines() if "=" in line)
    shared = {name: value for name, value in tool.items() if name not in ("PWD", "_") and "PARAM" not in name}
    assert shared.pop("CUDA_VISIBLE_DEVICES") == "0"
    assert oracle["CUDA_VISIBLE_DEVICES"] == "", "who judges holds no device any more"
    secret = dict.fromkeys(("HIDDEN", "API_TOKEN", "PEM"), "***")
    assert {name: oracle.get(name) for name in shared} == {**shared, **secret}
    assert (oracle["PLAIN"], oracle["CAMPAIGN_SLOT_GPU"], oracle["LC_TIME"]) == ("in-clear", "0", "C")
    assert not [name for name in oracle if name.startswith("PYTHON") or name == "AWS_CREDENTIALS"]
    (step,) = record(tmp_path)["steps"]
    assert step["env"]["CAMPAIGN_SLOT_GPU"] == "0"
    (line,) = (tmp_path / ".campaign/runs").rglob("steps.ldjson")
    assert json.loads(line.read_text())["env"] == step["env"]
    assert step["env"]["PATH"] == "***"


GONE = {
    "in the path": "no-such-checker",
    "absolute": "/no/such/checker",
    "not executable": "/etc/passwd",
    "secret": "/bin/{env.HIDDEN}",
}


@pytest.mark.parametrize("program", GONE.values(), ids=GONE)
def test_an_oracle_without_its_program_stops_before_anything_runs(
    campaign: Campaign, tmp_path: Path, program: str
) -> None:
    body = f'run t {{ script = "touch {tmp_path}/ran" }}\n  oracle o: command {{ argv = ["{program}"] }}'
    done = run(campaign, tmp_path, body)
    assert done.returncode == 3
    assert "error[CAMP408]" in done.stderr
    assert "a.camp:" in done.stderr
    assert HIDDEN not in done.stderr
    assert not (tmp_path / "ran").exists()


def test_an_oracle_that_may_be_missing_is_not_judged(campaign: Campaign, tmp_path: Path) -> None:
    body = 'run t\n  oracle o: command { required = false; argv = ["no-such-checker"] }'
    done = run(campaign, tmp_path, body)
    assert done.returncode == 0, done.stderr
    (oracle,) = record(tmp_path)["oracles"]
    assert "no-such-checker was not found in PATH" in oracle["skipped"]


def test_a_program_that_the_run_makes_need_not_be_there_before(campaign: Campaign, tmp_path: Path) -> None:
    body = "run t { script = \"printf '#!/bin/sh\\n' > c; chmod +x c\" }\n"
    for program in ("./c", "{workdir}/c"):
        done = run(campaign, tmp_path, f'{body}oracle o: command {{ argv = ["{program}"] }}')
        assert done.returncode == 0, done.stderr


def test_the_search_path_is_that_of_the_campaign(campaign: Campaign, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "my-checker").symlink_to("/bin/true")
    body = 'run t\n  oracle o: command { argv = ["my-checker"] }'
    assert run(campaign, tmp_path, body, PATH=f"{tools}:{os.environ['PATH']}").returncode == 0
