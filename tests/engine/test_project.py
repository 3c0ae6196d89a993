"""Projections: whole or not there, never outside the run root, and a cursor that survives a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from campaign.engine.host import describe_host
from campaign.engine.project import EVENTS, RUN, Projector
from campaign.records import Decision, Directories, Verdict
from campaign.records.event import EventView

from .conftest import AT, make_exit, make_order


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "demo-1"


@pytest.fixture
def projector(folder: Path) -> Projector:
    return Projector(str(folder), "demo-1", "host")


def public(folder: Path, attempt: int = 1) -> str:
    return str(folder / "i" / "c0" / "seed-0" / f"attempt-{attempt}")


def project(projector: Projector, folder: Path, attempt: int = 1, cause: str = "plan") -> None:
    order = make_order(0, attempt)
    where = Directories(public=public(folder, attempt), private="/p", work=public(folder, attempt) + "/work")
    order = msgspec.structs.replace(order, directories=where)
    view = projector.view(order, make_exit(order), (), Decision(Verdict.PASS), cause=cause)
    projector.run(order.directories.public, view)


def event(seq: int) -> EventView:
    return EventView(seq=seq, at=AT, campaign="demo-1", key="c0#0", attempt=1, to_state="done")


def test_the_deciding_attempt_is_the_runs_own_record(projector: Projector, folder: Path) -> None:
    project(projector, folder, 1)
    project(projector, folder, 2, "policy")
    seed = folder / "i" / "c0" / "seed-0"
    assert json.loads((seed / RUN).read_text())["attempt"] == 2
    assert json.loads((seed / RUN).read_text())["flaky"]
    assert json.loads((seed / "attempt-1" / RUN).read_text())["attempt"] == 1
    assert sorted(path.name for path in seed.iterdir()) == ["attempt-1", "attempt-2", RUN]


def test_written_twice_without_harm(projector: Projector, folder: Path) -> None:
    project(projector, folder)
    before = (folder / "i" / "c0" / "seed-0" / RUN).read_text()
    project(projector, folder)
    assert (folder / "i" / "c0" / "seed-0" / RUN).read_text() == before


def test_a_link_is_not_followed_out_of_the_run_root(projector: Projector, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "i").mkdir(parents=True)
    (folder / "i" / "c0").symlink_to(outside)
    with pytest.raises(OSError, match="Not a directory"):
        project(projector, folder)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("level", ["attempt-1", ""])
def test_a_planted_link_in_place_of_the_file_is_replaced(
    projector: Projector, folder: Path, level: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    seed = folder / "i" / "c0" / "seed-0"
    (seed / "attempt-1").mkdir(parents=True)
    (seed / level / RUN).symlink_to(victim)
    (seed / level / f".{RUN}.part").symlink_to(victim)
    project(projector, folder)
    assert victim.read_text() == "precious"
    assert json.loads((seed / RUN).read_text())["key"] == "c0#0"


def test_the_events_say_how_far_it_came(projector: Projector, folder: Path) -> None:
    assert projector.last_event() == 0
    projector.append([event(1), event(2)])
    assert projector.last_event() == 2
    with open(folder / EVENTS, "ab") as file:
        file.write(b'{"schema":"campaign.event/1","seq":3,"at":"20')
    again = Projector(str(folder), "demo-1", "host")
    assert again.last_event() == 2
    again.append([event(3)])
    assert [json.loads(line)["seq"] for line in (folder / EVENTS).read_text().splitlines()] == [1, 2, 3]


def test_a_very_long_last_line_is_read(projector: Projector) -> None:
    projector.append([event(n) for n in range(1, 2000)])
    assert projector.last_event() == 1999


def test_events_that_someone_else_wrote_over_are_all_projected_again(projector: Projector, folder: Path) -> None:
    (folder / EVENTS).write_text("hello\n")
    assert projector.last_event() == 0


def test_whole_files(projector: Projector, folder: Path) -> None:
    projector.file("x.json", event(1))
    projector.file("x.json", event(2))
    assert json.loads((folder / "x.json").read_text())["seq"] == 2
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]


def test_after_a_restart_of_the_machine_everything_is_projected_again(projector: Projector, folder: Path) -> None:
    assert projector.host_before() is None
    host = describe_host()
    projector.file("host.json", host)
    assert projector.host_before() == host
    projector.append([event(1)])
    projector.start_over()
    assert projector.last_event() == 0
    (folder / "host.json").write_text("torn")
    assert projector.host_before() is None
