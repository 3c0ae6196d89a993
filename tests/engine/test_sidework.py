"""Attempts beside the plan: where they are, what they are called, and how a work that began anew knows them again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine import protocol
from campaign.engine.sidework import Ground, Sidework, Trial, Work, addressed
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Admission, AttemptRecord, Ending, Move, Requested, RequestEnded, RequestRow
from campaign.ledger.store import Ledger
from campaign.records import Decision, Directories, Order, Reason, StepOrder, Verdict, order_digest

from .conftest import AT, make_campaign, make_order

NAMES = st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1, max_size=10)
REQUEST = RequestRow(id="asked", campaign="demo-1", kind="minimize", parent="t0-1-0", instance="i", at=AT)
FAIL, PASS = Decision(Verdict.FAIL, "exit 3"), Decision(Verdict.PASS)


@given(NAMES, NAMES, NAMES)
def test_what_is_said_of_the_old_folder_is_said_of_the_new_one(root: str, cell: str, text: str) -> None:
    old, new = f"/r {root}/{cell}/attempt-1", f"/r {root}/{cell}/attempt-1/replay-1"
    argv = (f"--log={old}/work/{text}", f"{old}", f"{old}/chain", text)
    places = Directories(public=old, private="/w/attempts/t", work=f"{old}/work", chain=f"/r {root}/{cell}/chain")
    steps = (StepOrder(label="s", tool="t", argv=(*argv, places.chain or ""), env={"X": f"{old}/work"}),)
    moved = addressed(make_order(0, directories=places, steps=steps), new, private="/w/attempts/u", token="u")
    assert moved.directories == Directories(
        public=new, private="/w/attempts/u", work=f"{new}/work", chain=f"{new}/chain"
    )
    assert moved.steps[0].argv == (f"--log={new}/work/{text}", new, f"{new}/chain", text, f"{new}/chain")
    assert moved.steps[0].env == {"X": f"{new}/work"}
    assert (moved.token, moved.digest) == ("u", order_digest(moved))


class Bench:
    """A ledger with a failed attempt, and whoever drives a work; what it sends is kept."""

    def __init__(self, path: str, work: Callable[[Ground], Work]) -> None:
        self.ledger, self.path, self.work = Ledger(path), path, work
        self.ledger.begin_campaign(make_campaign(), {})
        self.sent: list[protocol.ToEngine] = []
        self.count = 0
        self.attempt(make_order(0), FAIL)
        self.ledger.commit([Requested(REQUEST)])

    def attempt(self, order: Order, decision: Decision | None) -> None:
        """One that was carried out, or, without a decision, is under way."""
        changes: list[Any] = [Admission(order=order, data=msgspec.json.encode(order), cause="request", at=AT)]
        states = ("admitted", "starting", "running", "judging")
        for source, target in pairwise(states):
            changes.append(Move(order=order, source=source, target=target, cause="request", at=AT))
        if decision is not None:
            changes.append(Ending(order=order, source="judging", cause="request", at=AT, decision=decision))
        self.ledger.commit(changes)

    def begin(self) -> Sidework:
        """A planner, the first or another one."""
        self.sent.clear()

        def ground(request: RequestRow, parent: Any) -> Ground:
            nothing: Any = None
            common = {"ledger": self.path, "find": nothing, "render": nothing, "note": nothing, "show": nothing}
            return Ground(request=request, parent=parent, campaign=make_campaign(), **common)

        makers = dict.fromkeys(("minimize", "replay"), self.work)
        side = Sidework(ground, makers, self.path, self.keep)
        side.ready(1, "/w/attempts", self.token, [0, 1])
        with LedgerReader(self.path) as reader:
            side.start(reader.requests(state="open"))
        return side

    def keep(self, message: protocol.ToEngine) -> None:
        self.sent.append(message)

    def token(self) -> str:
        self.count += 1
        return f"new-{self.count}"

    def ordered(self) -> list[Order]:
        """The orders that were sent, and forget them."""
        found = [each for each in self.sent if isinstance(each, protocol.Beside)]
        self.sent = [each for each in self.sent if each not in found]
        return [msgspec.json.decode(bytes(raw), type=Order) for each in found for raw in each.orders]

    def ended(self, side: Sidework, order: Order, decision: Decision) -> None:
        self.attempt(order, decision)
        side.finished(order, None, (), decision)


@pytest.fixture
def bench(tmp_path: Any) -> Iterator[Callable[[Callable[[Ground], Work]], Bench]]:
    benches: list[Bench] = []

    def make(work: Callable[[Ground], Work]) -> Bench:
        benches.append(Bench(str(tmp_path / "ledger.sqlite"), work))
        return benches[-1]

    yield make
    for each in benches:
        each.ledger.close()


def trial(ground: Ground, size: int) -> Trial:
    assert ground.parent is not None
    return Trial(order=msgspec.structs.replace(ground.parent.order, tags=(str(size),)), parent=ground.parent, tag=size)


def two_sizes(ground: Ground) -> Work:
    """Two at once, the smaller one that failed a second time."""
    asked = [trial(ground, 1), trial(ground, 2)]
    failed = []
    for number in range(2):
        came = yield asked if number == 0 else []
        assert came is not None
        failed += [came.trial.tag] if came.decision.verdict is Verdict.FAIL else []
    came = yield [trial(ground, min(failed, default=2))]
    assert came is not None
    return {"failed": sorted(failed), "again": came.decision.verdict}


def test_a_works_trials_are_told_apart_and_its_result_is_sent(bench: Any) -> None:
    made = bench(two_sizes)
    side = made.begin()
    first, second = made.ordered()
    names = [(each.origin, each.attempt, each.parent, each.request) for each in (first, second)]
    assert names == [("minimize/001", 1, "c0#0@1", "asked"), ("minimize/002", 1, "c0#0@1", "asked")]
    assert first.directories.public.endswith("/attempt-1/minimize/001/attempt-1")
    made.ended(side, second, FAIL)
    assert not made.ordered()
    made.ended(side, first, FAIL)
    (again,) = made.ordered()
    assert (again.origin, again.attempt, again.tags) == ("minimize/001", 2, ("1",))
    made.ended(side, again, PASS)
    assert made.sent == [protocol.Settled("asked", "done", {"failed": [1, 2], "again": "pass"})]
    assert not side.open


@pytest.mark.parametrize("known", [0, 1, 2, 3])
def test_another_planner_goes_on_with_what_the_ledger_knows(bench: Any, known: int) -> None:
    made = bench(two_sizes)
    side, pending, ended = made.begin(), list[Order](), list[Order]()
    for _ in range(known):
        pending += made.ordered()
        ended.append(pending.pop(0))
        made.ended(side, ended[-1], FAIL)
    executed = [order.tags for order in ended]
    side = made.begin()
    while side.open:
        orders = made.ordered()
        assert orders, "it waits for nothing"
        for order in orders:
            executed.append(order.tags)
            made.ended(side, order, FAIL)
    assert sorted(executed) == [("1",), ("1",), ("2",)]
    assert made.sent[-1] == protocol.Settled("asked", "done", {"failed": [1, 2], "again": "fail"})


def test_what_an_earlier_planner_had_carried_out_is_read_one_by_one(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, most = 30, 0
    read = LedgerReader.record

    def watched(self: LedgerReader, token: str) -> AttemptRecord | None:
        nonlocal most
        gc.collect()
        most = max(most, sum(isinstance(each, AttemptRecord) for each in gc.get_objects()))
        return read(self, token)

    def repeats(ground: Ground) -> Work:
        failed = 0
        asked = [trial(ground, 1) for _ in range(many)]
        for number in range(many):
            came = yield asked if number == 0 else []
            assert came is not None
            failed += came.decision.verdict is Verdict.FAIL
        return {"failed": failed}

    made = bench(repeats)
    side = made.begin()
    for order in made.ordered():
        made.ended(side, order, FAIL)
    monkeypatch.setattr(LedgerReader, "record", watched)
    made.begin()
    assert made.sent == [protocol.Settled("asked", "done", {"failed": many})]
    assert most <= 4


def test_one_that_is_under_way_is_waited_for_and_not_ordered_again(bench: Any) -> None:
    made = bench(two_sizes)
    made.begin()
    first, second = made.ordered()
    made.attempt(first, None)
    side = made.begin()
    (order,) = made.ordered()
    assert order.tags == second.tags
    assert order.origin == "minimize/002"
    made.ended(side, order, PASS)
    side.finished(first, None, (), FAIL)
    (again,) = made.ordered()
    assert (again.origin, again.attempt) == ("minimize/001", 2)


def test_an_interrupted_one_is_ordered_anew_and_the_work_does_not_hear_of_it(bench: Any) -> None:
    made = bench(two_sizes)
    side = made.begin()
    first, _ = made.ordered()
    made.ended(side, first, Decision(Verdict.CANCELED, Reason.INTERRUPTED))
    assert side.open
    made.begin()
    orders = made.ordered()
    assert [(each.origin, each.attempt) for each in orders] == [("minimize/001", 2), ("minimize/002", 1)]


def test_one_that_never_ran_comes_again_under_another_token(bench: Any) -> None:
    made = bench(two_sizes)
    side = made.begin()
    first, _ = made.ordered()
    side.again(protocol.Again(first.key, first.attempt, "request", first.parent, first.origin))
    repeat = made.sent[-1]
    assert isinstance(repeat, protocol.Repeat)
    again = msgspec.json.decode(bytes(repeat.orders[0]), type=Order)
    assert again.token != first.token
    assert again.directories.private == f"/w/attempts/{again.token}"
    assert again.digest == order_digest(again)
    side.dismissed(["asked"])
    side.again(protocol.Again(first.key, first.attempt, "request", first.parent, first.origin))
    assert made.sent[-1] == protocol.Repeat(0, "request", run=(first.origin, first.key))


def test_lost_and_canceled_ones_are_told(bench: Any) -> None:
    told = []

    def work(ground: Ground) -> Work:
        for number in range(2):
            came = yield [trial(ground, 1), trial(ground, 2)] if number == 0 else []
            assert came is not None
            told.append((came.decision.verdict, came.decision.reason))
        return {}

    made = bench(work)
    side = made.begin()
    first, second = made.ordered()
    side.unwanted([first.token, "stranger"])
    made.attempt(second, None)
    (moved,) = made.ledger.commit([Move(order=second, source="judging", target="lost", cause="request", at=AT)])
    side.lost(moved)
    assert told == [(Verdict.CANCELED, "canceled"), (Verdict.ERROR, "lost")]
    assert made.sent[-1] == protocol.Settled("asked", "done", {})


def test_a_work_may_wait_for_the_plan_but_not_for_nothing(bench: Any) -> None:
    def work(ground: Ground) -> Work:
        assert (yield []) is None
        yield []
        raise AssertionError

    made = bench(work)
    side = made.begin()
    assert side.open
    side.plan_over()
    assert made.sent == [protocol.Settled("asked", "failed", {"why": "it waits for nothing"})]


def test_only_a_new_failure_asks(bench: Any) -> None:
    made = bench(two_sizes)
    made.ledger.commit([RequestEnded(request="asked", state="done", at=AT)])
    failure = msgspec.structs.replace(FAIL, failure=None)
    assert failure.failure is None
    other = msgspec.structs.replace(REQUEST, id="other")
    made.ledger.commit([Requested(other, fresh="f")])
    made.ledger.commit([Requested(msgspec.structs.replace(REQUEST, id="third", kind="replay"), fresh="")])
    with LedgerReader(made.path) as reader:
        assert [row.id for row in reader.requests(state="open")] == ["other", "third"]


def test_one_that_no_work_has_asked_for_yet_comes_again_too(bench: Any) -> None:
    def work(ground: Ground) -> Work:
        yield []
        came = yield [trial(ground, 1)]
        assert came is not None
        return {"verdict": came.decision.verdict}

    made = bench(work)
    side = made.begin()
    side.plan_over()
    (first,) = made.ordered()
    made.ledger.commit([Admission(order=first, data=msgspec.json.encode(first), cause="request", at=AT)])
    made.ledger.commit([Move(order=first, source="admitted", target="queued", cause="revoked", at=AT)])
    side = made.begin()
    side.again(protocol.Again(first.key, first.attempt, "request", first.parent, first.origin))
    repeat = made.sent[-1]
    assert isinstance(repeat, protocol.Repeat)
    again = msgspec.json.decode(bytes(repeat.orders[0]), type=Order)
    made.ended(side, again, PASS)
    side.plan_over()
    assert made.sent[-1] == protocol.Settled("asked", "done", {"verdict": "pass"})


def test_two_minimizations_of_one_attempt_are_carried_out_one_after_the_other(bench: Any) -> None:
    made = bench(two_sizes)
    made.ledger.commit([Requested(msgspec.structs.replace(REQUEST, id="second", settings={"attempts": 9}))])
    side = made.begin()
    first = made.ordered()
    assert {each.request for each in first} == {"asked"}
    for each in first:
        made.ended(side, each, PASS)
    (again,) = made.ordered()
    made.ended(side, again, PASS)
    assert [each.request for each in made.sent if isinstance(each, protocol.Settled)] == ["asked"]
    assert {each.request for each in made.ordered()} == {"second"}
    assert side.open


@pytest.mark.parametrize("kind", ["minimize", "replay"])
def test_who_asks_for_the_same_meanwhile_is_told_the_same(bench: Any, kind: str) -> None:
    def work(ground: Ground) -> Work:
        came = yield [trial(ground, 1)]
        assert came is not None
        return {"verdict": came.decision.verdict}

    made = bench(work)
    made.ledger.commit([RequestEnded(request="asked", state="canceled", at=AT)])
    wanted = msgspec.structs.replace(REQUEST, kind=kind, settings={"order": ["a"], "unasked": True})
    same = msgspec.structs.replace(wanted, id="same", settings={"order": ("a",), "unasked": False})
    other = msgspec.structs.replace(wanted, id="other", settings={"order": ["b"]})
    side = made.begin()
    side.start([msgspec.structs.replace(wanted, id="first"), same, other])
    first = made.ordered()
    assert [each.request for each in first] == (["first"] if kind == "minimize" else ["first", "other"])
    made.ended(side, first[0], FAIL)
    told = [each for each in made.sent if isinstance(each, protocol.Settled)]
    assert told == [protocol.Settled(name, "done", {"verdict": "fail"}) for name in ("first", "same")]
    assert side.open


def test_who_waits_for_one_that_comes_to_nothing_is_carried_out_by_itself(bench: Any) -> None:
    def work(ground: Ground) -> Work:
        if ground.request.id == "asked":
            raise CampaignError([Diagnostic("CAMP591", "no")])
        yield [trial(ground, 1)]
        raise AssertionError

    made = bench(work)
    made.ledger.commit([Requested(msgspec.structs.replace(REQUEST, id="second"))])
    made.begin()
    assert [each.request for each in made.ordered()] == ["second"]
    assert made.sent == [protocol.Settled("asked", "failed", {"why": "no"})]
