"""Detection and recovery by what the watches saw, and what they object to besides."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.judge.again import exits_by, judged_by
from campaign.judge.classify import decide
from campaign.judge.observed import Observation, Undecided
from campaign.judge.recovery import objection_of, recovered, troubles_of, with_recovery
from campaign.judge.view import run_view
from campaign.records import FaultExit, FaultOrder, Sample, WatchExit, WatchOrder

PING = WatchOrder("ping", "srv.ping", 0.1, 1.0)
LOG = WatchOrder("log", "text.matches", 0.1, 1.0)
FAULT = (FaultOrder("stop", "process.stop", 1.0, sla_s=2.0),)


def seen(*changes: tuple[float, bool | None], label: str = "ping", **rest: Any) -> WatchExit:
    samples = tuple(Sample(at, ok, f"{ok} at {at}") for at, ok in changes)
    return WatchExit(label, "srv.ping", samples=len(changes), changes=samples, **rest)


def fault(at_s: float | None, label: str = "stop") -> FaultExit:
    return FaultExit(label, "process.stop", 1.0, injected_at_s=at_s)


def times(*faults: FaultExit, of: tuple[WatchExit, ...], by: tuple[WatchOrder, ...] = (PING,)) -> list[Any]:
    return [(each.detected_at_s, each.recovered_at_s) for each in recovered(by, of, faults)]


def test_detected_by_the_first_not_ok_sample_recovered_by_the_first_ok_one_after_it() -> None:
    assert times(fault(1.0), of=(seen((0.1, True), (1.2, False), (1.9, True)),)) == [(1.2, 1.9)]


def test_a_sample_at_the_very_instant_counts() -> None:
    assert times(fault(1.0), of=(seen((0.1, True), (1.0, False), (1.5, True)),)) == [(1.0, 1.5)]


def test_an_ok_that_does_not_hold_is_no_recovery() -> None:
    flapping = seen((0.1, True), (1.2, False), (1.5, True), (1.6, False), (2.5, True))
    assert times(fault(1.0), of=(flapping,)) == [(1.2, 2.5)]


def test_what_never_broke_and_what_never_recovered_differ() -> None:
    assert times(fault(1.0), of=(seen((0.1, True)),)) == [(None, None)]
    assert times(fault(1.0), of=(seen((0.1, True), (1.1, False)),)) == [(1.1, None)]


def test_not_ok_at_the_injection_already_was_detected_before_it() -> None:
    assert times(fault(1.0), of=(seen((0.1, True), (0.7, False), (1.4, True)),)) == [(0.7, 1.4)]


def test_an_oracle_that_could_not_judge_is_not_ok() -> None:
    assert times(fault(1.0), of=(seen((0.1, True), (1.2, None), (1.9, True)),)) == [(1.2, 1.9)]


def test_recovery_holds_to_the_next_fault() -> None:
    two = (fault(1.0), fault(3.0, "again"))
    timeline = seen((0.1, True), (1.1, False), (2.0, True), (3.1, False), (4.0, True))
    assert times(*two, of=(timeline,)) == [(1.1, 2.0), (3.1, 4.0)]


def test_overlapping_faults_recover_together() -> None:
    two = (fault(1.0), fault(1.5, "again"))
    assert times(*two, of=(seen((0.1, True), (1.1, False), (4.0, True)),)) == [(1.1, 4.0), (1.1, 4.0)]


def test_a_fault_that_is_watched_by_others_does_not_excuse_a_relapse() -> None:
    ping = WatchOrder("ping", "srv.ping", 0.1, 1.0, faults=("stop",))
    two = (fault(1.0), fault(2.5, "other"))
    timeline = seen((0.1, True), (1.1, False), (2.0, True), (2.6, False), (3.0, True))
    assert times(*two, of=(timeline,), by=(ping,)) == [(1.1, 3.0), (None, None)]


def test_several_watches_one_detects_and_all_recover() -> None:
    ping = seen((0.1, True), (1.3, False), (1.8, True))
    log = seen((0.1, True), (1.1, False), (2.4, True), label="log")
    assert times(fault(1.0), of=(ping, log), by=(PING, LOG)) == [(1.1, 2.4)]


def test_an_advisory_watch_and_a_fault_that_was_not_injected_say_nothing() -> None:
    quiet = WatchOrder("ping", "srv.ping", 0.1, 1.0, advisory=True)
    timeline = seen((0.1, True), (1.2, False), (1.9, True))
    assert times(fault(1.0), of=(timeline,), by=(quiet,)) == [(None, None)]
    assert times(fault(None), of=(timeline,)) == [(None, None)]


# --- laws -------------------------------------------------------------------------------------------------------------

timelines = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([True, False, None])), max_size=12).map(
    lambda found: seen(*sorted({at: (float(at), ok) for at, ok in found}.values()))
)


@given(st.lists(timelines, max_size=3))
def test_troubles_are_apart_and_in_order(timelines: list[WatchExit]) -> None:
    troubles = troubles_of([each.changes for each in timelines])
    ends = [at for each in troubles for at in (each.start_s, each.end_s)]
    assert ends == sorted(ends)
    assert all(each.end_s < math.inf for each in troubles[:-1])
    assert all(said.ok is not True for each in troubles for said in each.said)


@given(timelines, st.floats(0, 40), st.floats(0, 40))
def test_recovery_comes_after_detection_and_after_the_injection(timeline: WatchExit, one: float, two: float) -> None:
    for found in recovered((PING,), (timeline,), (fault(one), fault(two, "other"))):
        if found.recovered_at_s is not None:
            assert found.detected_at_s is not None
            assert found.injected_at_s is not None
            assert found.recovered_at_s >= max(found.detected_at_s, found.injected_at_s)
        if found.detected_at_s is None:
            assert all(each.ok for each in timeline.changes if each.at_s >= (found.injected_at_s or 0))


# --- objections -------------------------------------------------------------------------------------------------------


def object_to(timeline: WatchExit, *faults: FaultExit, watch: WatchOrder = PING) -> float | None:
    found = objection_of(watch, timeline, recovered((watch,), (timeline,), faults))
    return None if found is None else found.at_s


def test_what_a_fault_explains_is_no_objection() -> None:
    assert object_to(seen((0.1, True), (1.2, False), (1.4, True), (1.5, False), (1.9, True)), fault(1.0)) is None
    assert object_to(seen((0.1, True), (1.2, False)), fault(1.0)) is None


def test_what_comes_before_it_or_without_it_is_one() -> None:
    assert object_to(seen((0.1, True), (0.7, False), (1.9, True)), fault(1.0)) == 0.7
    assert object_to(seen((0.1, True), (1.2, False), (1.9, True))) == 1.2
    assert object_to(seen((0.1, True), (1.2, False), (1.9, True)), fault(None)) == 1.2


def test_a_watch_begins_to_judge_with_its_first_ok_sample() -> None:
    assert object_to(seen((0.1, False), (0.6, True))) is None
    assert object_to(seen((0.1, False), (0.6, None)), fault(0.2)) == 0.1


def test_a_watch_of_other_faults_is_not_silenced_by_this_one() -> None:
    other = WatchOrder("ping", "srv.ping", 0.1, 1.0, faults=("other",))
    assert object_to(seen((0.1, True), (1.2, False), (1.9, True)), fault(1.0), watch=other) == 1.2


# --- verdicts ---------------------------------------------------------------------------------------------------------


def come_to(order: Any, ended: Any, timeline: WatchExit | None, at_s: float | None = 1.0, **watch: Any) -> Any:
    asked = order(faults=FAULT, watches=(WatchOrder("ping", "srv.ping", 0.1, 1.0, **watch),))
    exit = ended(faults=(fault(at_s),), watches=() if timeline is None else (timeline,))
    decision = decide(asked, with_recovery(asked, exit))
    return decision.verdict.value, decision.failure.kind.value if decision.failure else None, decision.reason


def test_a_run_passes_where_every_sla_is_kept_and_nothing_objects(order: Any, ended: Any) -> None:
    assert come_to(order, ended, seen((0.1, True), (1.2, False), (2.9, True)))[0] == "pass"
    late = come_to(order, ended, seen((0.1, True), (1.2, False), (3.1, True)))
    assert late == ("fail", "sla", "fault stop recovered too late: its sla is 2 s")


def test_a_watch_that_objects_fails_the_run_in_its_own_words(order: Any, ended: Any) -> None:
    timeline = seen((0.1, True), (0.5, False), (0.8, True), (1.2, False), (2.0, True))
    assert come_to(order, ended, timeline) == ("fail", "oracle", "watch ping at 0.500 s: False at 0.5")
    assert come_to(order, ended, timeline, advisory=True)[1] == "sla", "nobody else watches the fault"


def test_a_watch_that_could_not_judge_outside_a_fault_leaves_it_open(order: Any, ended: Any) -> None:
    timeline = seen((0.1, True), (0.5, None), (0.8, True), (1.2, False), (2.0, True))
    assert come_to(order, ended, timeline)[:2] == ("error", "oracle")


@pytest.mark.parametrize("timeline", [None, seen(error="its host died"), seen((0.1, True), error="its host died")])
def test_a_watch_that_is_blind_never_lets_a_run_pass_nor_fail(order: Any, ended: Any, timeline: Any) -> None:
    assert come_to(order, ended, timeline)[:2] == ("error", "oracle")


def test_a_watch_that_is_not_there_and_need_not_be(order: Any, ended: Any) -> None:
    verdict, _, reason = come_to(order, ended, seen(skipped="no redis"), required=False)
    assert (verdict, reason) == (
        "error",
        "cannot tell whether fault stop was recovered from: no watch that judges it was asked",
    )


def test_expectations_ask_watches_as_they_ask_oracles(order: Any, ended: Any) -> None:
    asked = order(faults=FAULT, watches=(PING,))
    good = with_recovery(asked, ended(faults=(fault(1.0),), watches=(seen((0.1, True), (1.2, False), (1.9, True)),)))
    observation = Observation(asked, good, ())
    assert observation("oracle.ok") is observation("oracle.ping.ok") is True
    assert observation("oracle.ping.message") == "True at 1.9"
    assert str(observation("fault.stop.detect_time").value) == "1/5"  # type: ignore[union-attr]
    bad = Observation(asked, ended(faults=(fault(1.0),), watches=(seen((0.1, True), (0.5, False)),)), ())
    assert bad("oracle.ping.ok") is bad("oracle.ok") is False
    assert bad.objections("oracle.ok") == ["ping: False at 0.5"]
    blind = Observation(asked, ended(faults=(fault(1.0),), watches=(seen(error="its host died"),)), ())
    with pytest.raises(Undecided):
        blind("fault.stop.recovered")


def test_the_record_for_people_tells_what_never_broke(order: Any, ended: Any) -> None:
    asked = order(faults=FAULT, watches=(PING,))
    view = run_view(asked, with_recovery(asked, ended(faults=(fault(1.0),), watches=(seen((0.1, True)),))), (), None)
    assert view.faults[0].notes == "never detected: it broke nothing that a watch saw"
    assert (view.watches[0].ok, view.watches[0].changes, view.watches[0].path) == (True, 1, "watch/ping.ldjson")


# --- judged again -----------------------------------------------------------------------------------------------------


def test_judged_again_a_watch_asked_what_it_asked_then_and_counts_as_it_does_now(order: Any, ended: Any) -> None:
    then = order(faults=FAULT, watches=(PING,))
    seen_then = ended(faults=(fault(1.0),), watches=(seen((0.1, True), (1.2, False), (1.9, True)),))
    same = judged_by(then, then)
    assert exits_by(same, seen_then) == with_recovery(then, seen_then)
    now = judged_by(then, order(faults=FAULT, watches=(WatchOrder("ping", "srv.other", 9.0, 9.0, faults=("other",)),)))
    assert (now.watches[0].oracle, now.watches[0].every_s, now.watches[0].faults) == ("srv.ping", 0.1, ("other",))
    assert exits_by(now, seen_then).faults[0].detected_at_s is None
    assert decide(now, exits_by(now, seen_then)).reason == "watch ping at 1.200 s: False at 1.2"


def test_a_watch_that_is_new_since_then_saw_nothing(order: Any, ended: Any) -> None:
    then = order(faults=FAULT, watches=(PING,))
    seen_then = ended(faults=(fault(1.0),), watches=(seen((0.1, True), (1.2, False), (1.9, True)),))
    now = judged_by(then, order(faults=FAULT, watches=(PING, LOG)))
    assert decide(now, exits_by(now, seen_then)).reason == "watch log was not asked"
