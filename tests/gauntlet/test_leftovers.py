"""What a crash leaves on the machine is named, with what takes it back, by commands that only look."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from campaign.cli import health

from .processes import children, ended, kill
from .yard import Yard

pytestmark = pytest.mark.gauntlet
BODY = """instance i {{
  hold rails.sysfs {{ path = "{rail}"; value = "850" }}
  fault process.stop {{ at = 0s }}
  run t
}}"""


def test_what_is_left_of_a_crash_is_named_until_it_is_taken_back(yard: Yard) -> None:
    rail = yard.folder / "rail"
    rail.write_text("1000\n")
    spec = yard.gated("a", BODY.format(rail=rail), clauses="; orphans fail")
    with subprocess.Popen(
        [sys.executable, "-m", "campaign", "exec", spec], cwd=yard.folder, env=yard.environ, stderr=subprocess.DEVNULL
    ) as command:
        journals = yard.folder.glob
        yard.until(lambda: len(list(journals(".campaign/attempts/*/undo/*.json"))) == 2 and rail.read_text() == "850\n")
        (engine,) = children(command.pid)
        nurseries = children(engine)
        pids = [command.pid, engine, *nurseries, *(each for one in nurseries for each in children(one))]
        kill(*pids)
    yard.until(lambda: all(map(ended, pids)))

    (left,) = yard.status()["left_behind"]
    assert left["run"].endswith("/i#0@1")
    in_force = [each.partition(":")[0] for each in left["in_force"]]
    assert in_force == ["process.stop (process.stop)", "rails.sysfs (rails.sysfs)"]
    assert any(Path(f"/proc/{pid}").exists() for pid in left["processes"])  # its sleep may be over
    ledger = str(yard.folder / ".campaign/ledger.sqlite")
    (noted,) = health.left(ledger, served=False)
    for told in (noted.found, yard.call("status"), yard.call("show", "i#0")):
        assert "in force: rails.sysfs (rails.sysfs)" in told
    assert noted.advice == "campaign daemon, or the next campaign exec here, ends and takes back what is left"
    assert list(health.left(ledger, served=True)) == [], "whoever serves it sees to it"
    assert rail.read_text() == "850\n", "looking changes nothing"

    yard.call("exec", "--resume", status=1)
    assert rail.read_text() == "1000\n"
    assert list(health.left(ledger, served=False)) == []
