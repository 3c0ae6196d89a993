"""Verdicts: each rule by itself, how they combine, and the words of the reason."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.judge.classify import decide
from campaign.language.syntax import Binary, Integer, Name, Unary
from campaign.records import (
    Decision,
    FailureKind,
    FaultExit,
    FaultOrder,
    GuardExit,
    HoldExit,
    OracleOrder,
    OracleRecord,
    StepOrder,
    Stop,
    Verdict,
)

ORACLE = (OracleOrder("sqlite.integrity", "sqlite.integrity"),)
KILL = (FaultOrder("kill", "process.kill", 1.5),)
KILLED = (FaultExit("kill", "process.kill", 1.5, injected_at_s=1.5),)


def said(**changes: Any) -> tuple[OracleRecord, ...]:
    return (OracleRecord("sqlite.integrity", "sqlite.integrity", **changes),)


def told(decision: Decision) -> tuple[str, str | None, str]:
    return decision.verdict.value, decision.failure.kind.value if decision.failure else None, decision.reason


def test_a_run_where_nothing_objects_passes(order: Any, ended: Any) -> None:
    assert decide(order(), ended()) == Decision(Verdict.PASS)


@pytest.mark.parametrize(
    ("stop", "reason"), [(Stop.CANCEL, "canceled"), (Stop.INTERRUPT, "interrupted")], ids=["cancel", "interrupt"]
)
def test_what_was_stopped_by_people_is_canceled(order: Any, ended: Any, step: Any, stop: Stop, reason: str) -> None:
    assert told(decide(order(), ended(step(signal=15), stopped=stop))) == ("canceled", None, reason)


def test_setup_and_internal_errors_are_errors(order: Any, ended: Any) -> None:
    assert told(decide(order(), ended(setup_error="no such tool: x"))) == ("error", "setup", "no such tool: x")
    assert told(decide(order(), ended(internal_error="disk full"))) == ("error", "internal", "disk full")


# --- exits ---


def test_without_expectations_every_step_must_be_ok(order: Any, ended: Any, step: Any) -> None:
    assert told(decide(order(), ended(step(code=1)))) == ("fail", "exit", "exit 1 of step writer")
    assert told(decide(order(), ended(step(signal=11, index=2)))) == (
        "fail",
        "signal",
        "signal 11 (SIGSEGV) of step writer[2]",
    )


def test_with_an_expectation_the_exit_is_its_business(order: Any, ended: Any, step: Any, expect: Any) -> None:
    tree = Binary("==", Name(("exit", "code")), Integer(1))
    expected = order(expectations=(expect(tree, "exit.code == 1"),))
    assert decide(expected, ended(step(code=1))).verdict is Verdict.PASS
    assert told(decide(expected, ended())) == ("fail", "expect", "expected exit.code == 1 (exit.code is 0)")


def test_an_expectation_that_does_not_apply_excuses_nothing(order: Any, ended: Any, step: Any, expect: Any) -> None:
    asked = order(expectations=(expect("fault.kill.recovered"),))
    assert decide(asked, ended(step(code=1))).reason == "exit 1 of step writer"


def test_a_step_that_does_not_count_and_an_excused_one_fail_nothing(order: Any, ended: Any, step: Any) -> None:
    assert decide(order(), ended(step(code=1, counts=False), step())).verdict is Verdict.PASS
    hit = ended(step(signal=9, excused=True), faults=KILLED)
    assert decide(order(faults=KILL), hit).verdict is Verdict.PASS


def test_a_step_that_could_not_be_started_is_an_error(order: Any, ended: Any, step: Any, expect: Any) -> None:
    lost = ended(step(code=None, error="Permission denied"))
    assert told(decide(order(), lost)) == ("error", "setup", "step writer could not be started: Permission denied")


def test_a_served_tool_that_ends_by_itself_fails_the_run(order: Any, ended: Any, step: Any) -> None:
    gone = ended(step(signal=15), services=(step(label="srv", code=3),), stopped=Stop.SERVICE)
    assert told(decide(order(), gone))[:2] == ("fail", "exit")
    assert decide(order(), gone).reason == "served tool srv ended by itself: exit 3"


def test_it_is_the_served_tool_that_ended_first(order: Any, ended: Any, step: Any) -> None:
    services = (step(label="db", signal=15, duration_s=2.0), step(label="web", code=0, duration_s=1.0))
    gone = ended(services=services, stopped=Stop.SERVICE)
    assert decide(order(), gone).reason == "served tool web ended by itself: exit 0"


def test_processes_that_survive_leave_it_open(order: Any, ended: Any) -> None:
    open_ended = ended(tree_empty=False)
    asked = decide(order(oracles=ORACLE), open_ended, said(skipped="not asked: processes are still there"))
    assert told(asked)[:2] == ("error", "lost")


# --- timeouts ---


def test_a_timeout_is_a_failure_of_its_kind(order: Any, ended: Any, step: Any) -> None:
    late = ended(step(signal=9, timeout=True), stopped=Stop.TIMEOUT)
    assert told(decide(order(), late)) == ("fail", "timeout", "timeout after 20 s in step writer")
    asked = order(steps=(StepOrder(label="writer", tool="w", argv=("w",), timeout_s=0.5),))
    assert decide(asked, ended(step(signal=9, timeout=True))).reason == "timeout after 0.5 s of step writer"


def test_a_timeout_that_is_expected_is_none(order: Any, ended: Any, step: Any, expect: Any) -> None:
    late = ended(step(signal=9, timeout=True), stopped=Stop.TIMEOUT)
    assert decide(order(expectations=(expect("exit.timeout"),)), late).verdict is Verdict.PASS
    assert decide(order(expectations=(expect("step.writer.exit.timeout"),)), late).verdict is Verdict.PASS
    unmet = decide(order(expectations=(expect("exit.timeout"),)), ended())
    assert told(unmet)[:2] == ("fail", "expect")


def test_an_expected_timeout_of_one_step_excuses_no_other(order: Any, ended: Any, step: Any, expect: Any) -> None:
    spared = Unary("not", Name(("step", "load", "exit", "timeout")))
    steps = (StepOrder(label="load", tool="w", argv=("w",)), StepOrder(label="write", tool="w", argv=("w",)))
    asked = order(steps=steps, expectations=(expect(spared, "not step.load.exit.timeout"),))
    late = step(label="write", signal=9, timeout=True)
    for stopped in (None, Stop.TIMEOUT):
        decision = decide(asked, ended(step(label="load"), late, stopped=stopped))
        assert told(decision)[:2] == ("fail", "timeout")
    assert told(decide(asked, ended(step(label="load", signal=9, timeout=True))))[:2] == ("fail", "expect")


def test_an_expected_timeout_that_does_not_apply_excuses_none(order: Any, ended: Any, step: Any, expect: Any) -> None:
    late = ended(step(signal=9, timeout=True), stopped=Stop.TIMEOUT)
    missing = expect("step.other.exit.timeout")
    for expectations in ((missing,), (missing, expect("oracle.ok"))):
        assert told(decide(order(expectations=expectations), late))[:2] == ("fail", "timeout")


def test_a_repeat_of_a_step_is_asked_by_its_index(order: Any, ended: Any, step: Any, expect: Any) -> None:
    late = ended(step(index=1), step(index=2, signal=9, timeout=True))
    asks = {number: expect(f"step.writer[{number}].exit.timeout") for number in (1, 2)}
    assert decide(order(expectations=(asks[2],)), late).verdict is Verdict.PASS
    assert told(decide(order(expectations=(asks[1],)), late))[:2] == ("fail", "timeout")


def test_a_timeout_comes_before_what_follows_from_it(order: Any, ended: Any, step: Any, expect: Any) -> None:
    late = ended(step(signal=9, timeout=True), stopped=Stop.TIMEOUT)
    asked = order(expectations=(expect("exit.ok"), expect("oracle.ok")), oracles=ORACLE)
    assert decide(asked, late, said(ok=False, message="no file")).failure.kind is FailureKind.TIMEOUT  # type: ignore[union-attr]


# --- faults ---


def test_a_fault_that_did_not_happen_makes_an_error(order: Any, ended: Any, expect: Any) -> None:
    asked = order(faults=KILL, expectations=(expect("exit.timeout"),))
    assert told(decide(asked, ended())) == (
        "error",
        "setup",
        "fault kill was to come at 1.5 s, after the tools had ended",
    )
    refused = ended(faults=(FaultExit("kill", "process.kill", 1.5, error="no such process"),))
    assert decide(asked, refused).reason == "fault kill could not be injected: no such process"


def test_a_fault_whose_effect_is_in_the_trace_that_is_replayed_may_come_too_late(order: Any, ended: Any) -> None:
    (kill,) = KILL
    asked = order(faults=(msgspec.structs.replace(kill, in_trace="effect"),))
    late = ended(faults=(FaultExit("kill", "process.kill", 1.5, notes="too late"),))
    assert told(decide(asked, late))[0] == "pass"
    broken = ended(faults=(FaultExit("kill", "process.kill", 1.5, error="no such process"),))
    assert told(decide(asked, broken))[0] == "error"


def test_a_fault_that_ended_early_is_an_error_and_no_sla_is_held_against_it(order: Any, ended: Any) -> None:
    asked = order(faults=(FaultOrder("kill", "process.kill", 1.5, sla_s=2.0),))
    early = FaultExit("kill", "process.kill", 1.5, injected_at_s=1.5, error="ended early: its helper is gone")
    assert told(decide(asked, ended(faults=(early,)))) == (
        "error",
        "setup",
        "fault kill ended early: its helper is gone",
    )


def test_a_hold_that_ended_early_leaves_nothing_to_judge(order: Any, ended: Any, step: Any) -> None:
    early = (HoldExit("data", "disk.faulty", put_on_at_s=0.1, error="ended early: its helper is gone"),)
    failed = ended(step(code=1), holds=early)
    assert told(decide(order(), failed)) == ("error", "setup", "the hold data ended early: its helper is gone")
    hot = (GuardExit("hot", "host.temperature", 3, "cpu is at 99C", breached_at_s=2.0),)
    stopped = ended(holds=early, guards=hot, stopped=Stop.SAFETY)
    assert told(decide(order(), stopped)) == ("fail", "guard", "guard hot stopped the run: cpu is at 99C")


def test_an_undo_that_failed_fails_the_run(order: Any, ended: Any) -> None:
    stuck = (FaultExit("kill", "process.kill", 1.5, injected_at_s=1.5, undo_failed="EBUSY"),)
    assert told(decide(order(faults=KILL), ended(faults=stuck)))[0] == "fail"


@pytest.mark.parametrize(
    "rest",
    [{}, {"stopped": Stop.CANCEL}, {"stopped": Stop.INTERRUPT}, {"setup_error": "no"}, {"internal_error": "no"}],
)
def test_a_hold_that_could_not_be_taken_off_is_said_before_anything_else(order: Any, ended: Any, rest: Any) -> None:
    stuck = ended(holds=(HoldExit("v", "rails.sysfs", undo_failed="EBUSY"),), **rest)
    assert told(decide(order(), stuck)) == ("fail", "internal", "the hold v could not be taken off: EBUSY")
    assert not stuck.cleared


def test_a_hold_that_is_still_on_is_said_before_the_guard_that_stopped_the_run(order: Any, ended: Any) -> None:
    hot = GuardExit("hot", "host.temperature", 3, "does not answer", breached_at_s=2.0)
    stuck = ended(holds=(HoldExit("v", "rails.sysfs", undo_failed="EBUSY"),), guards=(hot,), stopped=Stop.SAFETY)
    decision = decide(order(), stuck)
    assert decision.failure is not None
    assert decision.failure.kind == "internal"
    told_first, _, then = (decision.reason or "").partition("; ")
    assert told_first == decision.failure.message == "the hold v could not be taken off: EBUSY"
    assert then == "guard hot stopped the run: does not answer"


def test_a_read_back_that_disagrees_is_an_error_and_keeps_what_it_has(order: Any, ended: Any) -> None:
    deaf = ended(holds=(HoldExit("v", "rails.sysfs", error="no", disagreed=True),), setup_error="the hold v: no")
    assert told(decide(order(), deaf)) == ("error", "setup", "the hold v: no")
    assert not deaf.cleared
    assert ended().cleared


def test_a_guard_that_objects_gives_its_own_words(order: Any, ended: Any) -> None:
    seen = (GuardExit("calm", "x"), GuardExit("hot", "host.temperature", 3, "cpu is at 99C", breached_at_s=2.0))
    stopped = ended(guards=seen, stopped=Stop.SAFETY)
    assert told(decide(order(), stopped)) == ("fail", "guard", "guard hot stopped the run: cpu is at 99C")


def test_an_sla_is_kept_or_the_run_fails(order: Any, ended: Any) -> None:
    asked = order(faults=(FaultOrder("kill", "process.kill", 1.5, sla_s=2.0),))
    unseen = "fault kill was never detected, so it broke nothing that a watch saw: its sla is 2 s"
    assert told(decide(asked, ended(faults=KILLED))) == ("fail", "sla", unseen)
    broken = FaultExit("kill", "process.kill", 1.5, injected_at_s=1.5, detected_at_s=1.6)
    assert told(decide(asked, ended(faults=(broken,)))) == ("fail", "sla", "fault kill never recovered: its sla is 2 s")
    kept = FaultExit("kill", "process.kill", 1.5, injected_at_s=1.5, detected_at_s=1.6, recovered_at_s=3.5)
    assert decide(asked, ended(faults=(kept,))).verdict is Verdict.PASS


# --- oracles ---


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"ok": True}, ("pass", None, "")),
        ({"ok": False, "message": "row 7 missing"}, ("fail", "oracle", "sqlite.integrity: row 7 missing")),
        ({"error": "it hung"}, ("error", "oracle", "oracle sqlite.integrity could not judge: it hung")),
        ({"skipped": "no sqlite3"}, ("error", "setup", "oracle sqlite.integrity is not available: no sqlite3")),
    ],
)
def test_what_an_oracle_says_counts(order: Any, ended: Any, record: Any, expected: Any) -> None:
    assert told(decide(order(oracles=ORACLE), ended(), said(**record))) == expected


def test_an_oracle_that_was_never_asked_is_an_error(order: Any, ended: Any) -> None:
    assert told(decide(order(oracles=ORACLE), ended()))[:2] == ("error", "oracle")


@pytest.mark.parametrize("record", [{"ok": False}, {"error": "it hung"}, {"skipped": "x"}])
def test_an_advisory_oracle_never_counts(order: Any, ended: Any, record: Any) -> None:
    advisory = (OracleOrder("sqlite.integrity", "sqlite.integrity", advisory=True),)
    assert decide(order(oracles=advisory), ended(), said(**record)).verdict is Verdict.PASS


def test_an_oracle_that_is_not_required_may_be_missing(order: Any, ended: Any) -> None:
    optional = (OracleOrder("sqlite.integrity", "sqlite.integrity", required=False),)
    assert decide(order(oracles=optional), ended(), said(skipped="x")).verdict is Verdict.PASS


def test_oracles_that_were_all_skipped_excuse_no_crash(order: Any, ended: Any, step: Any, expect: Any) -> None:
    optional = (OracleOrder("sqlite.integrity", "sqlite.integrity", required=False),)
    for name in ("oracle.ok", "oracle.sqlite.integrity.ok"):
        decision = decide(
            order(oracles=optional, expectations=(expect(name),)), ended(step(signal=11)), said(skipped="x")
        )
        assert told(decision)[:2] == ("fail", "signal")
        assert decide(order(oracles=optional, expectations=(expect(name),)), ended(), said(skipped="x")).reason == ""


@pytest.mark.parametrize("name", ["oracle.ok", "faults.recovered"])
def test_an_expectation_over_nothing_excuses_no_crash(
    order: Any, ended: Any, step: Any, expect: Any, name: str
) -> None:
    assert told(decide(order(expectations=(expect(name),)), ended(step(signal=11))))[:2] == ("fail", "signal")
    assert decide(order(expectations=(expect(name),)), ended()).verdict is Verdict.PASS
    both = Binary("and", Name(tuple(name.split("."))), Binary("==", Name(("exit", "code")), Integer(3)))
    assert decide(order(expectations=(expect(both),)), ended(step(code=3))).verdict is Verdict.PASS
    neither = expect(Unary("not", Name(tuple(name.split(".")))))
    assert told(decide(order(expectations=(neither,)), ended()))[:2] == ("fail", "expect")


def test_the_authors_words_tell_why_an_oracle_matters(order: Any, ended: Any, expect: Any) -> None:
    asked = order(oracles=ORACLE, expectations=(expect("oracle.ok", why="every commit is there"),))
    decision = decide(asked, ended(), said(ok=False, message="row 7 missing"))
    assert told(decision) == (
        "fail",
        "oracle",
        "expected oracle.ok: every commit is there (sqlite.integrity: row 7 missing)",
    )


def test_a_crashed_oracle_is_an_error_also_where_it_is_expected(order: Any, ended: Any, expect: Any) -> None:
    asked = order(oracles=ORACLE, expectations=(expect("oracle.ok"),))
    assert decide(asked, ended(), said(error="it hung")).verdict is Verdict.ERROR


# --- laws ---


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(st.sampled_from(["ok", "fail", "error"]), max_size=6), chance=st.randoms(use_true_random=False))
def test_verdicts_combine_in_any_order(order: Any, ended: Any, states: list[str], chance: random.Random) -> None:
    records = [
        OracleRecord(
            f"o{index}", "x", ok=state == "ok" if state != "error" else None, error="x" * (state == "error") or None
        )
        for index, state in enumerate(states)
    ]
    shuffled = chance.sample(records, len(records))
    first, second = (
        decide(order(oracles=tuple(OracleOrder(each.label, "x") for each in some)), ended(), some)
        for some in (records, shuffled)
    )
    worst = "fail" if "fail" in states else "error" if "error" in states else "pass"
    assert first.verdict.value == second.verdict.value == worst


def test_a_reason_is_one_line_of_bounded_length(order: Any, ended: Any) -> None:
    flood = "first\nsecond\t" + "x" * 1_000_000
    decision = decide(order(oracles=ORACLE), ended(), said(ok=False, message=flood))
    assert len(decision.reason) <= 1000
    assert decision.reason.startswith("sqlite.integrity: first second xxx")


def test_repeats_of_one_fault_fail_the_same_way_and_the_reason_says_which(order: Any, ended: Any) -> None:
    def failing(index: int | None) -> Decision:
        fault = FaultOrder("crash", "m.m", 1.0, sla_s=5.0, index=index)
        seen = FaultExit("crash", "m.m", 1.0, 1.0, detected_at_s=2.0, recovered_at_s=9.0, index=index)
        return decide(order(faults=(fault,)), ended(faults=(seen,)))

    found = [failing(index) for index in (None, 1, 7)]
    assert len({each.failure.fingerprint for each in found if each.failure}) == 1
    assert [each.reason for each in found] == [
        f"fault {name} recovered too late: its sla is 5 s" for name in ("crash", "crash[1]", "crash[7]")
    ]
