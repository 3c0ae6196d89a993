"""Turns at devices: who waits goes before whoever had one just now, and nobody waits for ever for a turn not taken."""

from __future__ import annotations

import fcntl
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from campaign.engine.turns import Turns
from campaign.supervise.devices import is_taken, turn_file


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at


class Workspace:
    """One that wants devices, and its runs that hold some."""

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self.folder, self.name, self.turns = folder, name, Turns(clock.now)
        self.held: dict[str, int] = {}

    def path(self, device: str) -> str:
        return str(self.folder / f"gpu-{device}.lock")

    def begin(self, *devices: str) -> bool:
        """As a supervisor does it; where it cannot, its engine waits."""
        paths = frozenset(map(self.path, devices))
        if any(is_taken(path, self.name) for path in paths):
            self.turns.want(self.name, paths)
            return False
        for path in paths:
            self.held[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self.held[path], fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.turns.had(paths)
        return True

    def end(self) -> None:
        while self.held:
            os.close(self.held.popitem()[1])

    def has_turn(self, device: str) -> bool:
        try:
            with open(turn_file(self.path(device)), "rb") as file:
                return file.read() == self.name.encode() and is_taken(self.path(device), "nobody")
        except FileNotFoundError:
            return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def three(tmp_path: Path, clock: Clock) -> tuple[Workspace, Workspace, Workspace]:
    a, b, c = (Workspace(tmp_path, name, clock) for name in "abc")
    return a, b, c


def test_a_long_queue_does_not_keep_the_other_one_out(three: tuple[Workspace, ...]) -> None:
    long, short, _ = three
    assert long.begin("0")
    assert not short.begin("0")
    long.end()
    assert not long.begin("0"), "it was the other one's turn"
    assert short.begin("0")
    assert not short.turns.wanted
    long.turns.look()
    short.end()
    assert not short.begin("0"), "and now this one's"
    assert long.begin("0")


def test_of_three_whoever_looks_first_is_next(three: tuple[Workspace, ...]) -> None:
    """They look now and then, each at its own time, so that none is left out for long."""
    served, chance = [], random.Random(1)
    for each in three:
        each.begin("0")
    for _ in range(90):
        for each in chance.sample(three, 3):
            each.turns.look()
        holder = next(each for each in three if each.held)
        holder.end()
        served.append(holder.name)
        next(each for each in (holder, *three) if each.begin("0"))
    assert min(served.count(name) for name in "abc") > 20
    assert all(first != second for first, second in pairwise(served))


def test_a_turn_that_is_not_taken_lapses(three: tuple[Workspace, ...], clock: Clock) -> None:
    long, short, _ = three
    long.begin("0")
    short.begin("0")
    clock.at += 1000
    short.turns.look()
    assert short.has_turn("0"), "the device is in use all the while"
    long.end()
    short.turns.look()
    assert not long.begin("0")
    clock.at += 6
    short.turns.look()
    assert not short.turns.wanted
    assert long.begin("0")


def test_one_that_was_stopped_is_passed_over(three: tuple[Workspace, ...]) -> None:
    long, short, _ = three
    long.begin("0")
    short.begin("0")
    long.end()
    assert is_taken(long.path("0"), long.name)
    os.utime(turn_file(long.path("0")), (0, 0))
    assert not is_taken(long.path("0"), long.name)


def test_all_turns_or_none(three: tuple[Workspace, ...]) -> None:
    """So that two that want both never wait for each other; and what is free first is kept for who wants both."""
    a, b, c = three
    c.begin("0", "1")
    a.begin("0")
    b.begin("1", "0")
    assert not b.has_turn("1")
    c.end()
    assert a.begin("0")
    b.turns.look()
    assert b.has_turn("0")
    assert b.has_turn("1")
    assert not c.begin("1"), "it is free, and kept"
    a.end()
    assert b.begin("0", "1")
