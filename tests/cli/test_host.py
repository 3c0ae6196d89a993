"""``campaign host``: this machine, a recorded one, and what differs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campaign.engine.host import describe_host


@pytest.fixture
def nightly(recorded: Any) -> Path:
    """A recorded campaign's folder, with a host that is this one but for its kernel."""
    folder = Path(recorded([("a", 0, ["pass"])], name="nightly").run_root)
    host = msgspec.structs.replace(describe_host(), release="1.0-\x1b[31m", cores=3)
    (folder / "host.json").write_bytes(msgspec.json.encode(host))
    return folder


def test_this_machine_as_a_table_and_as_json(in_process: Any) -> None:
    told = json.loads(in_process("host", "--format", "json").stdout)
    assert told["schema"] == "campaign.host/1"
    shown = in_process("host").stdout
    assert told["architecture"] in shown
    assert all(why in shown for why in told["missing"].values())


def test_the_machine_that_a_campaign_ran_on(in_process: Any, nightly: Path) -> None:
    assert json.loads(in_process("host", "nightly", "--format", "json").stdout)["cores"] == 3
    shown = in_process("host", "nightly").stdout
    assert r"\u{1b}[31m" in shown
    assert "\x1b" not in shown


def test_what_differs(in_process: Any, nightly: Path) -> None:
    found = json.loads(in_process("host", "--diff", "nightly", "--format", "json").stdout)
    assert [each["what"] for each in found] == ["release", "cores"]
    assert found[1] == {"what": "cores", "before": "3", "after": str(describe_host().cores)}
    assert "cores" in in_process("host", "--diff", "nightly").stdout
    assert "do not differ" in in_process("host", "nightly", "--diff", "nightly").stdout


@pytest.mark.parametrize("damage", ["missing", "torn", "pipe"])
def test_a_host_that_is_not_known(in_process: Any, nightly: Path, damage: str) -> None:
    file = nightly / "host.json"
    file.unlink()
    if damage == "torn":
        file.write_text('{"schema": "campaign.host/1", ')
    elif damage == "pipe":
        os.mkfifo(file)
    done = in_process("host", "nightly")
    assert done.exit_code == 2
    assert "CAMP583" in done.stderr


def test_no_such_campaign(in_process: Any, nightly: Path) -> None:
    done = in_process("host", "--diff", "other")
    assert done.exit_code == 2
    assert "CAMP580" in done.stderr


RULES = {
    "here": "name: here\nmatch:\n  min_cores: 1\n  architecture_contains: [%s]\n",
    "elsewhere": "name: elsewhere\nmatch:\n  min_cores: 100000\n",
    "base": "name: base\n",
    "broken": "name: [\n",
}


def test_which_rule_sets_are_for_this_host_and_why(in_process: Any, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    for name, text in RULES.items():
        (tmp_path / "rules" / f"{name}.yaml").write_text(text % os.uname().machine if "%s" in text else text)
    told = json.loads(in_process("host", "--format", "json").stdout)
    found = {each["rule_set"]: each for each in told["rule_sets"]}
    assert {name: found[name]["matches"] for name in RULES} == {
        "here": True,
        "elsewhere": False,
        "base": False,
        "broken": None,
    }
    assert found["elsewhere"]["why"][0].startswith("fails: min_cores: 100000 (this host: ")
    assert found["here"]["why"][0].startswith("holds: min_cores: 1 ")
    shown = in_process("host").stdout
    assert "it has no match: name it" in shown
    assert "cannot be told" in shown
