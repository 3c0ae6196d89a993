"""What a crash leaves on the machine is named, with what takes it back, by commands that only look."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    first = yard.daemon()
    campaign = yard.submit(yard.gated("a", BODY.format(rail=rail), clauses="; orphans fail"))
    undo = yard.folder.glob
    yard.until(lambda: len(list(undo(".campaign/attempts/*/undo/*.json"))) == 2 and rail.read_text() == "850\n")
    assert yard.status()["left_behind"] == []
    yard.kill(first)
    yard.until(lambda: yard.status()["holder"] is None)

    (left,) = yard.status()["left_behind"]
    assert left["run"] == f"{campaign}/i#0@1"
    assert [each.partition(":")[0] for each in left["in_force"]] == [
        "process.stop (process.stop)",
        "rails.sysfs (rails.sysfs)",
    ]
    assert left["processes"]
    assert all(Path(f"/proc/{pid}").exists() for pid in left["processes"])
    said = yard.call("status")
    assert "campaign daemon, or the next campaign exec here, ends and takes back what is left" in said
    for told in (said, yard.call("show", "i#0"), yard.call("doctor")):
        assert "in force: rails.sysfs (rails.sysfs)" in told
    assert rail.read_text() == "850\n", "looking changes nothing"

    yard.daemon()
    yard.call("wait", campaign, status=1)
    assert rail.read_text() == "1000\n"
