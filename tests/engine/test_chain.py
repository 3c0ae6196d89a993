"""Chains in the engine's core: one placement for all their runs, one end, and one repetition."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw
from tests.engine.conftest import Stage, make_exit, make_order

from campaign.engine import protocol
from campaign.engine.findings import Exited, Finding, Gone, NeverStarted, Running
from campaign.engine.protocol import Lane
from campaign.ledger.queries import LedgerReader
from campaign.records import LinkOrder, Order, RetryOrder, Stop

CHAINED = (Lane(number=0, group="g", label="i", needs={"gpu": 1}, chained=True),)


def make_chain(length: int = 3, attempt: int = 1, again: int = 0, **what: Any) -> list[Order]:
    """The seeds of one cell."""
    orders = [
        make_order(0, attempt, key=f"c0#{seed}", seed=seed, token=f"t{seed}-{attempt}-{again}", **what)
        for seed in range(length)
    ]
    links = [LinkOrder(orders[0].token, number, length) for number in range(1, length + 1)]
    return [msgspec.structs.replace(order, link=link) for order, link in zip(orders, links, strict=True)]


def opened(path: str, *chain: Order, **what: Any) -> Stage:
    stage = Stage(path, lanes=CHAINED, slots={"gpu": 1}, **what)
    stage.begin()
    if chain:
        stage.offer(*chain)
    return stage


def carry_out(stage: Stage, order: Order, code: int = 0, **what: Any) -> None:
    stage.start(order)
    stage.end(order, code, **what)


def repeat(stage: Stage, chain: list[Order], cause: str) -> None:
    raws = tuple(Raw(msgspec.json.encode(order)) for order in chain)
    stage.core.repeat(stage.campaign, protocol.Repeat(0, cause, raws))
    stage.settle()


def rows(path: str) -> list[tuple[str, int, str, str | None, str | None]]:
    """Key, attempt, cause, verdict and what follows, in the order of admission."""
    with LedgerReader(path) as reader:
        found = sorted(reader.attempts("demo-1"), key=lambda each: (each.attempt, each.key))
        return [(each.key, each.attempt, each.cause, each.verdict, each.again) for each in found]


def test_all_runs_are_admitted_at_once_and_hold_one_set_of_slots_to_the_end(ledger_path: str) -> None:
    chain = make_chain()
    stage = opened(ledger_path, *chain)
    assert [order.key for order in stage.begun] == ["c0#0", "c0#1", "c0#2"]
    assert [order.granted for order in stage.begun] == [{"gpu": (0,)}] * 3
    for order in stage.begun:
        assert stage.core.slots == {"gpu": (0, 1)}
        assert stage.idle is None
        carry_out(stage, order)
    assert stage.core.slots == {"gpu": (1, 1)}
    assert stage.idle is not None
    assert stage.verdicts == ["pass"] * 3


def test_a_failed_run_does_not_keep_the_others_from_running(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain())
    for order in stage.begun:
        carry_out(stage, order, int(order.seed == 1))
    assert stage.verdicts == ["pass", "fail", "pass"]
    assert stage.again == []


def test_what_follows_a_run_that_could_not_be_set_up_is_skipped(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain())
    first, *others = stage.begun
    carry_out(stage, first, setup_error="no such program")
    for order in others:
        stage.core.refused(order.token, "an earlier run of its chain did not come to its end")
        stage.settle()
    assert stage.verdicts == ["error", "skipped", "skipped"]
    assert {each.decision.reason for each in stage.endings[1:]} == {"an earlier link of its chain broke"}
    assert stage.again == []
    assert stage.idle is not None


def test_a_retry_repeats_the_chain_once_and_only_what_failed_is_flaky(ledger_path: str) -> None:
    retry = RetryOrder(attempts=2, first_s=3.0, last_s=9.0)
    stage = opened(ledger_path, *make_chain(retry=retry))
    for order in stage.begun:
        assert stage.again == []
        carry_out(stage, order, int(order.seed < 2))
    [(after_s, again)] = stage.again
    assert (after_s, again.attempt, again.cause) == (3.0, 2, "policy")
    assert stage.idle is None
    second = make_chain(attempt=2, retry=retry)
    repeat(stage, second, "policy")
    for order in stage.begun[3:]:
        carry_out(stage, order, int(order.seed == 2))
    assert rows(ledger_path) == [
        ("c0#0", 1, "plan", "fail", "policy"),
        ("c0#1", 1, "plan", "fail", "policy"),
        ("c0#2", 1, "plan", "pass", None),
        ("c0#0", 2, "policy", "pass", None),
        ("c0#1", 2, "policy", "pass", None),
        ("c0#2", 2, "chain", "fail", None),  # two attempts is what there may be, whoever wanted the second
    ]
    with LedgerReader(ledger_path) as reader:
        assert [each.flaky for each in reader.deciding_attempts("demo-1")] == [True, True, False]
    assert stage.idle is not None


def test_a_chain_that_has_not_begun_is_taken_back_whole(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain())
    stage.core.pause(frozenset({("", "")}))
    stage.settle()
    assert stage.again == [(0.0, protocol.Again("c0#0", 1, "plan"))]
    assert stage.core.slots == {"gpu": (1, 1)}
    stage.core.pause(frozenset())
    repeat(stage, make_chain(again=1), "plan")
    assert [order.token for order in stage.begun[3:]] == ["t0-1-1", "t1-1-1", "t2-1-1"]
    assert [each[:3] for each in rows(ledger_path)] == [(f"c0#{seed}", 1, "plan") for seed in range(3)]


def test_a_chain_that_has_begun_goes_on_when_nothing_more_is_to_start(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain())
    stage.start(stage.begun[0])
    stage.core.wind_down(stage.campaign)
    stage.settle()
    assert stage.again == []
    stage.end(stage.begun[0])
    for order in stage.begun[1:]:
        carry_out(stage, order)
    assert stage.verdicts == ["pass"] * 3


def test_an_interrupted_chain_is_gone_on_with_as_a_whole(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain())
    first, second, third = stage.begun
    carry_out(stage, first)
    stage.start(second)
    stage.core.halt_all(stage.campaign)
    stage.settle()
    stage.end(second, stopped=Stop.INTERRUPT)
    stage.core.refused(third.token, "given back before it was started")
    stage.settle()
    assert [each[3:] for each in rows(ledger_path)] == [("pass", None), ("canceled", "verb"), ("skipped", "verb")]


def test_cancel_ends_what_runs_and_drops_the_rest_once_nothing_serves_it(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain())
    stage.start(stage.begun[0])
    stage.core.cancel(stage.campaign, "")
    stage.settle()
    assert [order.key for order in stage.halted] == ["c0#0", "c0#1", "c0#2"]
    stage.end(stage.begun[0], stopped=Stop.CANCEL)
    assert stage.core.slots == {"gpu": (0, 1)}
    for order in stage.begun[1:]:
        stage.core.refused(order.token, "given back before it was started")
        stage.settle()
    assert stage.verdicts == ["canceled"] * 3
    assert stage.core.slots == {"gpu": (1, 1)}


def test_a_chain_that_broke_rests_before_its_slots_are_free(ledger_path: str) -> None:
    stage = opened(ledger_path, *make_chain(cooldown_s=5.0))
    first, *others = stage.begun
    carry_out(stage, first, stopped=Stop.SERVICE)
    for order in others:
        stage.core.refused(order.token, "an earlier run of its chain did not come to its end")
        stage.settle()
    assert stage.core.slots == {"gpu": (0, 1)}
    stage.core.rested(others[-1].token)
    stage.settle()
    assert stage.core.slots == {"gpu": (1, 1)}


def taken_over(path: str, *found: tuple[str, Finding]) -> Stage:
    """A chain of three that an earlier owner left in these states, with what became of each."""
    old = opened(path, *make_chain(), campaign={"orphans": "adopt"})
    for order, (state, _) in zip(list(old.begun), found, strict=True):
        if state != "admitted":
            old.start(order)
        if state == "done":
            old.end(order)
    old.ledger.close()
    stage = Stage(path, campaign={"id": "other"}, lanes=CHAINED)
    stage.core.expect("demo-1", "adopt")
    with LedgerReader(path) as reader:
        left = {record.order.token: record for row in reader.unfinished() if (record := reader.record(row.token))}
    findings = {f"t{seed}-1-0": finding for seed, (_, finding) in enumerate(found)}
    stage.core.take_over(
        [(each.row, each.order, msgspec.json.encode(each.order), findings[name]) for name, each in left.items()]
    )
    stage.settle()
    return stage


def exited(seed: int, **what: Any) -> Exited:
    exit_ = make_exit(make_chain()[seed], **what)
    return Exited(exit_, msgspec.json.encode(exit_))


def test_a_chain_cut_short_by_a_crash_is_due_again(ledger_path: str) -> None:
    taken_over(ledger_path, ("done", Gone()), ("running", exited(1)), ("admitted", NeverStarted()))
    assert [each[3:] for each in rows(ledger_path)] == [("pass", None), ("pass", None), ("skipped", "orphan")]


def test_a_chain_that_broke_before_the_crash_is_not_due_again(ledger_path: str) -> None:
    taken_over(ledger_path, ("done", Gone()), ("running", Gone()), ("admitted", NeverStarted()))
    assert [each[3:] for each in rows(ledger_path)] == [("pass", None), ("error", None), ("skipped", None)]


def test_a_chain_of_which_nothing_began_is_queued_as_it_was(ledger_path: str) -> None:
    taken_over(ledger_path, *[("admitted", NeverStarted())] * 3)
    assert [each[2:] for each in rows(ledger_path)] == [("plan", None, None)] * 3
    with LedgerReader(ledger_path) as reader:
        assert {row.state for row in reader.unfinished()} == {"queued"}


def test_a_chain_that_goes_on_is_followed(ledger_path: str) -> None:
    stage = taken_over(ledger_path, ("done", Gone()), ("running", Running()), ("admitted", Running()))
    for seed in (1, 2):
        stage.core.found(f"t{seed}-1-0", exited(seed))
        stage.settle()
    assert [each[3:] for each in rows(ledger_path)] == [("pass", None)] * 3


def test_one_repetition_is_asked_for_however_many_runs_want_it(ledger_path: str) -> None:
    stage = opened(ledger_path)
    for key in ("c0#0", "c0#2"):
        stage.core.resume(stage.campaign, protocol.Again(key, 2, "verb"), {"plan": 1, "verb": 1}, "i")
    stage.settle()
    assert stage.again == [(0.0, protocol.Again("c0#0", 2, "verb"))]
    repeat(stage, make_chain(attempt=2), "verb")
    assert [each[:3] for each in rows(ledger_path)] == [("c0#0", 2, "verb"), ("c0#1", 2, "chain"), ("c0#2", 2, "verb")]
