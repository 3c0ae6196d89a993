"""An inverse is asked for again where the provider host that was asked is gone, or silent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign.supervise import undo
from campaign.supervise.hostclient import Answer
from campaign.supervise.hostmessages import Clear, Done, Failed, Load, Reply, Request
from campaign.supervise.station import Station
from campaign.supervise.takeback import SILENT, Outcome, take_back

ENTRY = undo.UndoEntry(label="v", fault="rails.sysfs", undo={})


class Silent:
    """A host that fails as it is told, and does what it is asked once nothing is left to fail with."""

    def __init__(self, *failures: dict[str, bool]) -> None:
        self.failures, self.asked = list(failures), 0

    def next_id(self) -> int:
        return 1

    def ask(self, request: Request, deadline_s: float, answer: Answer) -> None:
        self.asked += 1
        answer(Failed(1, "no", **self.failures.pop(0)) if self.failures else Done(1, "it is gone"))


def outcome(host: Any) -> list[Outcome]:
    said = list[Outcome]()
    take_back(host, ENTRY, said.append)
    return said


def test_a_host_that_was_silent_has_a_new_one_asked() -> None:
    host = Silent({"overdue": True}, {"gone": True})
    assert outcome(host) == [Outcome()], "what died with the first host did not lapse before"
    assert host.asked == 3


def test_what_had_lapsed_is_told() -> None:
    assert outcome(Silent()) == [Outcome(lapsed="it is gone")]


def test_it_is_given_up_after_a_few_silent_hosts() -> None:
    host = Silent(*[{"overdue": True}] * 100)
    assert outcome(host) == [Outcome("no")]
    assert host.asked == SILENT


def test_a_provider_that_failed_has_had_its_chance() -> None:
    host = Silent({})
    assert outcome(host) == [Outcome("no")]
    assert host.asked == 1


@pytest.fixture
def station() -> Iterator[Station]:
    before = signal.getsignal(signal.SIGCHLD)
    made = Station()
    yield made
    made.host.kill("the test is over")
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)


def test_a_hung_host_is_killed_and_a_new_one_puts_the_rail_back(station: Station, tmp_path: Path) -> None:
    rail = tmp_path / "rail"
    rail.write_text("850\n")
    host, replies = station.host, list[Reply]()

    def answer_to(request: Request, deadline_s: float) -> Reply:
        host.ask(request, deadline_s, replies.append)
        while not replies:
            station.loop.run_once()
        return replies.pop()

    answer_to(Load(host.next_id(), ()), 60.0)
    hung = host.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    inverse = {"path": str(rail), "old": "777", "tolerance": "0", "settle": 0}
    late = answer_to(Clear(host.next_id(), "rails.sysfs", inverse, str(tmp_path)), 0.1)
    assert isinstance(late, Failed)
    assert late.overdue

    said = list[Outcome]()
    entry = undo.UndoEntry(label="v", fault="rails.sysfs", undo=inverse, workdir=str(tmp_path))
    take_back(host, entry, said.append)
    while not said:
        station.loop.run_once()
    assert said == [Outcome()]
    assert host.pid not in {None, hung}
    assert rail.read_text() == "777\n"
