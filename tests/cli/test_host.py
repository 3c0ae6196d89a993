"""``campaign host``: this machine, a recorded one, and what differs."""

from __future__ import annotations

import json
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
        import os

        os.mkfifo(file)
    done = in_process("host", "nightly")
    assert done.exit_code == 2
    assert "CAMP583" in done.stderr


def test_no_such_campaign(in_process: Any, nightly: Path) -> None:
    done = in_process("host", "--diff", "other")
    assert done.exit_code == 2
    assert "CAMP580" in done.stderr
