"""The engine's core over a real ledger: admission, judgement, retries, takeover, interrupts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from campaign.engine import protocol
from campaign.engine.findings import Damaged, Exited, Finding, Gone, NeverStarted, Running, Unasked, Unknown
from campaign.engine.protocol import Lane
from campaign.engine.releasing import waiting_for_a_person
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Admission, Change, Move, Requested
from campaign.records import FaultExit, MinimizeOrder, OracleRecord, Order, RetryOrder, Stop

from .conftest import AT, Stage, make_campaign, make_exit, make_order


def row(stage: Stage, number: int = 0) -> tuple[str, str | None, str | None, str | None]:
    with LedgerReader(stage.path) as reader:
        last = list(reader.attempts("demo-1", f"c{number}#0"))[-1]
    return last.state, last.verdict, last.reason, last.again


def events(stage: Stage, number: int = 0) -> list[str]:
    with LedgerReader(stage.path) as reader:
        return [event.to_state for event in reader.events() if event.key == f"c{number}#0"]


def opened(path: str, *orders: int, places: int = 2, **what: object) -> Stage:
    stage = Stage(path, places, **what)
    stage.begin()
    stage.offer(*(make_order(number) for number in orders))
    return stage


def test_a_run_from_queue_to_verdict(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    (order,) = stage.begun
    assert row(stage)[0] == "admitted"
    stage.start(order)
    assert row(stage)[0] == "running"
    stage.end(order)
    assert row(stage)[:2] == ("done", "pass")
    assert events(stage) == ["admitted", "starting", "running", "judging", "done"]
    assert stage.idle == protocol.Idle(complete=True, lost=0, places=2)


def test_the_order_is_stored_and_handed_on_as_it_came(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    with LedgerReader(ledger_path) as reader:
        record = reader.record("t0-1-0")
    assert record is not None
    assert record.order == stage.begun[0] == make_order(0)


def test_oracles_are_waited_for(ledger_path: str) -> None:
    stage = Stage(ledger_path)
    stage.begin()
    order = make_order(0, oracle=True)
    stage.offer(order)
    stage.start(order)
    stage.end(order)
    assert row(stage)[0] == "judging"
    stage.core.judged(order.token, (OracleRecord("o", "text.contains", ok=False, message="not there"),), None)
    stage.settle()
    assert row(stage)[:2] == ("done", "fail")


def test_who_knows_failures_is_waited_for(ledger_path: str) -> None:
    stage = Stage(ledger_path)
    stage.begin()
    order = make_order(0, signed_by=("strangers",))
    stage.offer(order)
    stage.start(order)
    stage.end(order, code=3)
    assert row(stage)[0] == "judging"
    stage.core.judged(order.token, (), "signed")
    stage.settle()
    assert row(stage)[:3] == ("done", "fail", "exit 3 of step true")
    with LedgerReader(stage.path) as reader:
        record = reader.record(order.token)
    assert record is not None
    assert record.decision is not None
    assert record.decision.failure is not None
    assert record.decision.failure.grounds is not None
    assert record.decision.failure.grounds.lines == ("signed",)


def test_a_setup_error_has_nothing_to_judge(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    stage.end(stage.begun[0], setup_error="no such tool")
    assert row(stage)[:3] == ("done", "error", "no such tool")
    assert events(stage) == ["admitted", "starting", "done"]


def test_the_ledger_is_asked_once_whether_a_failure_is_new(ledger_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(ledger_path)
    commit, asked = stage.ledger.commit, []

    def committed(changes: Sequence[Change]) -> None:
        asked.extend([each.fresh for each in changes if isinstance(each, Requested)])
        commit(changes)

    monkeypatch.setattr(stage.ledger, "commit", committed)
    stage.begin()
    stage.offer(*(make_order(number, minimize=MinimizeOrder()) for number in range(4)))
    for code in (1, 1, 2, 1):
        order = stage.begun[len(stage.endings)]
        stage.start(order)
        stage.end(order, code=code)
    assert len(asked) == len(set(asked)) == 2
    with LedgerReader(stage.path) as reader:
        assert [each.parent for each in reader.requests()] == ["t0-1-0", "t2-1-0"]


def test_an_exit_record_that_comes_twice_counts_once(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    stage.start(stage.begun[0])
    stage.end(stage.begun[0])
    stage.end(stage.begun[0], code=1)
    assert stage.verdicts == ["pass"]


def test_a_failed_undo_keeps_its_slots_until_a_person_gives_them_back(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}),)
    stage = opened(ledger_path, 0, 1, lanes=lanes, slots={"gpu": 1})
    (order,) = stage.begun
    stage.start(order)
    fault = FaultExit(label="f", fault="x.y", planned_at_s=0.0, undo_failed="it would not")
    stage.end(order, faults=(fault,))
    assert stage.begun == [order], "the slot is not free"
    with LedgerReader(stage.path) as reader:
        assert reader.held() == {"gpu": 1}
        (found,) = waiting_for_a_person(reader)
    assert (found.row.state, found.units) == ("done", {"gpu": (0,)})
    stage.core.release(found)
    stage.settle()
    assert [each.key for each in stage.begun] == ["c0#0", "c1#0"]
    with LedgerReader(stage.path) as reader:
        assert (reader.held(), waiting_for_a_person(reader)) == ({}, [])


def test_a_failed_undo_without_slots_waits_for_a_person_too(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    (order,) = stage.begun
    stage.start(order)
    stage.end(order, faults=(FaultExit(label="f", fault="x.y", planned_at_s=0.0, undo_failed="it would not"),))
    with LedgerReader(stage.path) as reader:
        (found,) = waiting_for_a_person(reader)
        assert (reader.held(), found.units) == ({}, {})


def test_a_lost_run_that_is_released_is_an_error(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    (order,) = stage.begun
    stage.core.found(order.token, Unknown("nobody knows"))
    stage.settle()
    assert row(stage)[0] == "lost"
    with LedgerReader(stage.path) as reader:
        (found,) = waiting_for_a_person(reader)
    stage.core.release(found)
    stage.settle()
    assert row(stage)[:3] == ("done", "error", "lost")
    assert stage.verdicts == ["error"]


def test_a_device_that_is_busy_elsewhere_gives_its_place_to_what_can_run(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}), Lane(number=1, group="h"))
    stage = Stage(ledger_path, 1, lanes=lanes, slots={"gpu": 1})
    stage.begin()
    stage.offer(make_order(0), exhausted=False)
    stage.offer(make_order(1), lane=1)
    (order,) = stage.begun
    stage.core.busy(order.token, {"gpu": (0,)})
    stage.settle()
    assert [each.key for each in stage.begun] == ["c0#0", "c1#0"]
    assert stage.halted == [order]
    assert row(stage)[0] == "queued"
    ((_, again),) = stage.again
    assert (again.key, again.attempt) == ("c0#0", 1), "the same attempt, uncharged"
    stage.repeat(make_order(0, try_number=1), "plan")
    assert stage.core.waits_for("demo-1") == ("gpu",)
    stage.core.free({"gpu": (0,)})
    stage.start(stage.begun[1])
    stage.end(stage.begun[1])
    assert [each.key for each in stage.begun] == ["c0#0", "c1#0", "c0#0"]


def test_one_that_has_started_after_all_is_left_alone(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}),)
    stage = opened(ledger_path, 0, lanes=lanes, slots={"gpu": 1})
    (order,) = stage.begun
    stage.start(order)
    stage.core.busy(order.token, {"gpu": (0,)})
    stage.settle()
    assert (stage.halted, row(stage)[0]) == ([], "running")


def test_granted_slots_reach_the_order(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}),)
    stage = opened(ledger_path, 0, lanes=lanes, slots={"gpu": 2})
    assert stage.begun[0].granted == {"gpu": (0,)}


def test_a_retry_is_asked_for_and_passes_flaky(ledger_path: str) -> None:
    stage = Stage(ledger_path)
    stage.begin()
    first = make_order(0, retry=RetryOrder(attempts=2, first_s=3.0, last_s=9.0))
    stage.offer(first)
    stage.start(first)
    stage.end(first, code=1)
    assert stage.again == [(3.0, protocol.Again("c0#0", 2, "policy"))]
    assert row(stage) == ("done", "fail", "exit 1 of step true", "policy")
    assert stage.idle is None
    second = make_order(0, 2, retry=first.retry)
    stage.repeat(second, "policy")
    stage.start(second)
    stage.end(second)
    assert row(stage) == ("done", "pass", "", None)
    assert stage.idle is not None
    with LedgerReader(ledger_path) as reader:
        (decides,) = reader.deciding_attempts("demo-1")
    assert decides.flaky


def test_retries_come_to_an_end(ledger_path: str) -> None:
    stage = Stage(ledger_path)
    stage.begin()
    for attempt in (1, 2):
        order = make_order(0, attempt, retry=RetryOrder(attempts=2))
        stage.offer(order) if attempt == 1 else stage.repeat(order, "policy")
        stage.start(order)
        stage.end(order, code=1)
    assert len(stage.again) == 1
    assert [each.again for each in stage.endings] == ["policy", None]


def test_a_campaign_is_held_back_while_it_is_paused_as_a_whole(ledger_path: str) -> None:
    core = opened(ledger_path, 0).core
    assert not core.held_back("demo-1")
    for prefixes, held in (({("demo-1", "c0")}, False), ({("demo-1", "")}, True), ({("", "")}, True)):
        core.pause(frozenset(prefixes))
        assert core.held_back("demo-1") == held
    core.cancel("demo-1", "")
    assert not core.held_back("demo-1")  # it is to come to its end


def test_the_first_failure_stops_the_campaign(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1, 2, 3, 4, places=1, stop_on_fail=True)
    (first,) = stage.begun  # and none ahead, which would start before anyone has looked at this one
    stage.start(first)
    stage.end(first, code=1)
    assert len(stage.begun) == 1
    assert stage.idle == protocol.Idle(complete=False, lost=0, places=1)


def test_winding_down_lets_what_runs_end(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1, 2, places=1)
    stage.start(stage.begun[0])
    stage.core.wind_down("demo-1")
    stage.settle()
    assert stage.idle is None
    stage.end(stage.begun[0])
    assert stage.verdicts == ["pass"]
    assert stage.idle is not None
    assert not stage.idle.complete
    assert stage.halted == []


def test_winding_down_in_the_moment_between_claim_and_word_of_it(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    stage.claimed.add(stage.begun[0].token)  # its supervisor was quicker, and we have not heard of it yet
    stage.core.wind_down("demo-1")
    stage.settle()
    assert row(stage)[0] == "admitted"
    stage.start(stage.begun[0])
    stage.end(stage.begun[0])
    assert row(stage)[:2] == ("done", "pass")


def test_what_was_interrupted_is_to_be_run_again(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1)
    for order in list(stage.begun):
        stage.start(order)
    stage.core.halt_all("demo-1")
    stage.settle()
    assert stage.halted == stage.begun
    for order in list(stage.begun):
        stage.end(order, stopped=Stop.INTERRUPT)
    assert row(stage) == ("done", "canceled", "interrupted", "verb")
    assert stage.idle == protocol.Idle(complete=False, lost=0, places=2)


def test_a_planner_that_is_gone_leaves_the_campaign_interrupted(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1, 2, places=1)
    stage.start(stage.begun[0])
    stage.core.abandon("demo-1")
    stage.settle()
    assert stage.over == []
    stage.end(stage.begun[0])
    assert stage.over == ["demo-1"]
    with LedgerReader(ledger_path) as reader:
        campaign = reader.campaign("demo-1")
    assert campaign is not None
    assert campaign.state == "interrupted"


def test_a_planner_that_dies_after_the_last_run_leaves_no_engine_behind(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    stage.start(stage.begun[0])
    stage.end(stage.begun[0])
    assert stage.idle is not None
    stage.core.abandon("demo-1")
    stage.settle()
    assert stage.over == ["demo-1"]


def test_a_refused_order_goes_to_another_supervisor_a_few_times(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    for number in range(1, 5):
        stage.core.refused(stage.begun[-1].token, "the supervisor had to go")
        stage.settle()
        if number <= 3:
            assert row(stage)[0] == "queued"
            stage.repeat(make_order(0, try_number=number), "plan")
    assert row(stage)[:3] == ("done", "error", "the supervisor had to go")


def test_an_order_that_waits_behind_a_long_run_is_queued_anew_when_a_place_is_free(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1, places=1)
    stage.start(stage.begun[0])
    stage.core.rebalance([stage.begun[1].token])
    stage.settle()
    assert row(stage, 1)[0] == "queued"
    assert stage.again == [(0.0, protocol.Again("c1#0", 1, "plan"))]


def test_without_supervisors_nothing_more_can_be_done(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1, 2, places=1)
    stage.start(stage.begun[0])
    stage.core.found(stage.begun[0].token, Gone())
    stage.core.found(stage.begun[1].token, NeverStarted())
    stage.core.crippled()
    stage.settle()
    assert stage.idle == protocol.Idle(complete=False, lost=0, places=0)


def test_what_nobody_is_left_to_judge_is_left_to_the_next_owner(ledger_path: str) -> None:
    stage = Stage(ledger_path, 1)
    stage.begin()
    stage.offer(make_order(0, oracle=True))
    stage.start(stage.begun[0])
    stage.end(stage.begun[0])
    stage.core.crippled()
    stage.core.found(stage.begun[0].token, Unasked())
    stage.settle()
    assert row(stage)[0] == "judging"
    assert stage.idle is not None
    assert stage.idle.places == 0


def test_a_run_whose_judging_kills_supervisor_after_supervisor_is_given_up(ledger_path: str) -> None:
    stage = Stage(ledger_path, 1)
    stage.begin()
    stage.offer(make_order(0, oracle=True))
    stage.start(stage.begun[0])
    stage.end(stage.begun[0])
    exit_ = make_exit(stage.begun[0])
    found = Exited(exit_, msgspec.json.encode(exit_))
    for _ in range(3):
        stage.core.found(stage.begun[0].token, found)
        stage.settle()
        assert row(stage)[0] == "judging"
    stage.core.found(stage.begun[0].token, found)
    stage.settle()
    assert row(stage)[:3] == ("done", "error", "poison")


# --- the takeover table -----------------------------------------------------------------------------------------

POLICIES = ("fail", "cancel", "requeue", "adopt")


def left_behind(path: str, policy: str, state: str, finding: Finding, *, resume: bool = True) -> Stage:
    """An earlier owner left a run in ``state``; another one finds ``finding``."""
    old = opened(path, 0, campaign={"orphans": policy})
    if state in {"running", "judging"}:
        old.start(old.begun[0])
    if state == "judging":
        old.core._flights["t0-1-0"].order = msgspec.structs.replace(
            old.begun[0], oracles=make_order(0, oracle=True).oracles
        )
        old.end(old.begun[0])
    old.ledger.close()
    stage = Stage(path, campaign={"id": "other", "orphans": policy})
    stage.core.expect("demo-1", policy)
    if resume:
        stage.campaign = "demo-1"
        stage.opening = protocol.Open(campaign=make_campaign(orphans=policy), lanes=stage.lanes)
        stage.core.open(stage.opening)
    with LedgerReader(path) as reader:
        (left,) = reader.unfinished()
        record = reader.record(left.token)
    assert record is not None
    assert left.state == state
    stage.core.take_over([(left, record.order, msgspec.json.encode(record.order), finding)])
    stage.settle()
    return stage


def exit_found(code: int = 0, **what: object) -> Exited:
    exit_ = make_exit(make_order(0), code, **what)
    return Exited(exit_, msgspec.json.encode(exit_))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", ["admitted", "running"])
def test_an_exit_record_is_judged_whatever_the_policy(ledger_path: str, policy: str, state: str) -> None:
    stage = left_behind(ledger_path, policy, state, exit_found(code=1))
    assert row(stage)[:2] == ("done", "fail")
    assert events(stage) == ["admitted", "starting", "running", "judging", "done"]


def test_evidence_that_was_being_judged_is_judged_again(ledger_path: str) -> None:
    old = Stage(ledger_path)
    old.begin()
    order = make_order(0, oracle=True)
    old.offer(order)
    old.start(order)
    old.end(order)
    old.ledger.close()
    stage = Stage(ledger_path, campaign={"id": "other"})
    with LedgerReader(ledger_path) as reader:
        (left,) = reader.unfinished()
    exit_ = make_exit(order)
    stage.core.take_over([(left, order, msgspec.json.encode(order), Exited(exit_, msgspec.json.encode(exit_)))])
    stage.settle()
    assert stage.asked == [order]
    stage.core.judged(order.token, (OracleRecord("o", "text.contains", ok=True),), None)
    stage.settle()
    assert row(stage)[:2] == ("done", "pass")


@pytest.mark.parametrize("policy", POLICIES)
def test_what_never_started_is_queued_again_uncharged(ledger_path: str, policy: str) -> None:
    stage = left_behind(ledger_path, policy, "admitted", NeverStarted())
    assert row(stage)[0] == "queued"
    assert stage.again == [(0.0, protocol.Again("c0#0", 1, "plan"))]


@pytest.mark.parametrize(
    ("policy", "verdict", "again"),
    [("fail", "error", None), ("cancel", "canceled", None), ("requeue", "error", "orphan"), ("adopt", "error", None)],
)
@pytest.mark.parametrize("state", ["admitted", "running"])
def test_dead_and_nothing_left(ledger_path: str, policy: str, verdict: str, again: str | None, state: str) -> None:
    stage = left_behind(ledger_path, policy, state, Gone())
    assert row(stage) == ("done", verdict, "orphaned", again)
    assert [each.cause for _, each in stage.again] == ([again] if again else [])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", ["admitted", "running", "judging"])
def test_what_left_a_damaged_record_was_carried_out(ledger_path: str, policy: str, state: str) -> None:
    why = "its exit record /w/attempts/t0-1-0/exit.json is damaged"
    stage = left_behind(ledger_path, policy, state, Damaged(why))
    assert row(stage) == ("done", "error", why, None)
    assert stage.again == []


def test_a_record_that_was_judged_before_and_is_gone_was_one(ledger_path: str) -> None:
    stage = left_behind(ledger_path, "requeue", "judging", Gone())
    assert row(stage)[1:] == ("error", "its exit record is gone: how it ended cannot be told", None)


def test_orphans_are_one_failure_by_fingerprint(ledger_path: str) -> None:
    stage = opened(ledger_path, 0, 1)
    for order in stage.begun:
        stage.start(order)
        stage.core.found(order.token, Gone())
        stage.settle()
    (signature,) = {each.decision.failure.fingerprint for each in stage.endings if each.decision.failure}
    assert len(signature) == 16


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", ["admitted", "running"])
def test_what_cannot_be_proved_is_lost(ledger_path: str, policy: str, state: str) -> None:
    stage = left_behind(ledger_path, policy, state, Unknown("who knows"))
    assert row(stage)[:2] == ("lost", None)
    assert events(stage)[-1] == "lost"


def test_a_living_supervisor_is_followed_to_the_end_of_its_run(ledger_path: str) -> None:
    stage = left_behind(ledger_path, "adopt", "running", Running())
    assert row(stage)[0] == "running"
    assert stage.halted == []
    stage.core.found("t0-1-0", exit_found())
    stage.settle()
    assert row(stage)[:2] == ("done", "pass")


@pytest.mark.parametrize(
    ("policy", "verdict", "again"),
    [("fail", "error", None), ("cancel", "canceled", None), ("requeue", "error", "orphan")],
)
def test_a_living_supervisor_is_stopped_where_the_policy_says_so(
    ledger_path: str, policy: str, verdict: str, again: str | None
) -> None:
    stage = left_behind(ledger_path, policy, "running", Running())
    assert [order.token for order in stage.halted] == ["t0-1-0"]
    stage.core.found("t0-1-0", exit_found(stopped=Stop.INTERRUPT))
    stage.settle()
    assert row(stage) == ("done", verdict, "orphaned", again)


def test_a_stopped_orphan_that_had_ended_by_itself_is_judged(ledger_path: str) -> None:
    stage = left_behind(ledger_path, "fail", "running", Running())
    stage.core.found("t0-1-0", exit_found())
    stage.settle()
    assert row(stage)[:2] == ("done", "pass")


def test_an_adopted_run_takes_a_place(ledger_path: str) -> None:
    stage = left_behind(ledger_path, "adopt", "running", Running())
    stage.core._places = 1
    stage.core._scheduler.places = 1
    stage.begin()
    stage.offer(make_order(7), make_order(8))
    assert stage.begun == []  # not even ahead: a supervisor of ours would start it at once
    stage.core.found("t0-1-0", exit_found())
    stage.settle()
    assert [order.key for order in stage.begun] == ["c7#0", "c8#0"]


def test_what_another_campaign_left_is_settled_and_not_told_to_this_planner(ledger_path: str) -> None:
    stage = left_behind(ledger_path, "requeue", "running", Gone(), resume=False)
    assert row(stage) == ("done", "error", "orphaned", "orphan")
    assert stage.endings == []
    assert stage.again == []


def test_news_of_a_state_change_alone_is_not_pressing(ledger_path: str) -> None:
    stage = opened(ledger_path, 0)
    stage.core.started(stage.begun[0].token, AT)
    assert not stage.core.out.pressing
    exit_ = make_exit(stage.begun[0])
    stage.core.exited(stage.begun[0].token, exit_, msgspec.json.encode(exit_))
    assert stage.core.out.pressing


def test_what_is_judged_after_a_takeover_holds_no_slots_that_others_may_have(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}),)
    stage = Stage(ledger_path, 3, lanes=lanes, slots={"gpu": 1})
    stage.begin()
    judged, running = (make_order(number, oracle=True, granted={"gpu": (0,)}, needs={"gpu": 1}) for number in (0, 1))
    for order, state in ((judged, "judging"), (running, "running")):
        finding = Exited(make_exit(order), msgspec.json.encode(make_exit(order))) if state == "judging" else Running()
        _left(stage, order, state, finding)
    stage.core.judged(judged.token, (), None)
    stage.settle()
    stage.offer(make_order(2, needs={"gpu": 1}))
    assert stage.begun == []  # the one unit is the running one's


def _left(stage: Stage, order: Any, state: str, finding: Finding) -> None:
    """An attempt that an earlier owner left in flight."""
    way = ["queued", "admitted", "starting", "running", "judging"]
    changes: list[Any] = [Admission(order=order, data=msgspec.json.encode(order), cause="plan", at=AT)]
    for source, target in itertools.pairwise(way[1 : way.index(state) + 1]):
        changes.append(Move(order=order, source=source, target=target, cause="plan", at=AT))
    stage.ledger.commit(changes)
    with LedgerReader(stage.path) as reader:
        record = reader.record(order.token)
    assert record is not None
    stage.core.take_over([(record.row, order, msgspec.json.encode(order), finding)])
    stage.settle()


def test_an_orphan_that_was_ended_and_left_processes_keeps_its_slots(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}),)
    stage = Stage(ledger_path, 2, lanes=lanes, slots={"gpu": 1}, campaign={"orphans": "fail"})
    stage.begin()
    order = make_order(0, granted={"gpu": (0,)}, needs={"gpu": 1})
    _left(stage, order, "running", Running())
    assert stage.halted == [order]
    exit_ = make_exit(order, stopped=Stop.INTERRUPT, tree_empty=False)
    stage.core.found(order.token, Exited(exit_, msgspec.json.encode(exit_)))
    stage.settle()
    assert row(stage)[:3] == ("done", "error", "orphaned")
    stage.offer(make_order(1, needs={"gpu": 1}))
    assert stage.begun == []
    with LedgerReader(ledger_path) as reader:
        assert [each.slot_index for each in reader.holds()] == [0]


# --- cooldown ---------------------------------------------------------------------------------------------------


def rest(stage: Stage, order: Order) -> None:
    stage.core.rested(order.token)
    stage.settle()


def test_a_place_is_not_used_again_before_its_cooldown_is_over(ledger_path: str) -> None:
    lanes = (Lane(number=0, group="g", needs={"gpu": 1}, rests=True),)
    stage = Stage(ledger_path, 1, lanes=lanes, slots={"gpu": 1})
    stage.begin()
    first, second = make_order(0, cooldown_s=30.0), make_order(1, cooldown_s=30.0)
    stage.offer(first, second)
    assert [each.token for each in stage.begun] == [first.token], "nothing is placed ahead"
    stage.start(first)
    stage.end(first)
    assert (stage.verdicts, stage.rests) == (["pass"], [(30.0, first.token)])
    assert len(stage.begun) == 1
    rest(stage, first)
    assert [each.token for each in stage.begun] == [first.token, second.token]
    stage.start(second)
    stage.end(second)
    assert stage.idle is not None, "nobody waits for a cooldown after which nothing comes"
    rest(stage, second)


def test_a_cooldown_may_be_over_before_the_oracles_are(ledger_path: str) -> None:
    stage = Stage(ledger_path, 1, lanes=(Lane(number=0, group="g", rests=True),))
    stage.begin()
    first, second = make_order(0, oracle=True, cooldown_s=1.0), make_order(1, cooldown_s=1.0)
    stage.offer(first, second)
    stage.start(first)
    stage.end(first)
    rest(stage, first)
    assert len(stage.begun) == 1, "it keeps its place while it is judged"
    stage.core.judged(first.token, (OracleRecord(label="o", oracle="text.contains", ok=True),), None)
    stage.settle()
    assert len(stage.begun) == 2


def test_what_started_nothing_needs_no_cooldown(ledger_path: str) -> None:
    stage = Stage(ledger_path, 1, lanes=(Lane(number=0, group="g", rests=True),))
    stage.begin()
    first, second = make_order(0, cooldown_s=1.0), make_order(1, cooldown_s=1.0)
    stage.offer(first, second)
    stage.end(first, steps=(), setup_error="no such file")
    assert (stage.rests, len(stage.begun)) == ([], 2)
