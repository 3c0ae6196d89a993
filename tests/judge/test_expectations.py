"""Expectations over what was observed: every name of the language, and what happens where there is no value."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from campaign.judge.expectations import Holds, evaluate_expectation
from campaign.judge.observed import NotApplicable, Observation, Undecided
from campaign.language.expressions import Missing
from campaign.language.syntax import Binary, Decimal, Integer, Name, Regex, Text
from campaign.records import (
    ExpectOrder,
    FaultExit,
    FaultOrder,
    MetricOrder,
    OracleOrder,
    OracleRecord,
    StepOrder,
    Stop,
)
from campaign.units import parse_quantity

REPEATED = {"steps": tuple(StepOrder(label="write", index=index, tool="w", argv=("w",)) for index in (1, 2))}
DOTTED = {"steps": tuple(StepOrder(label=label, tool="w", argv=("w",)) for label in ("db", "db.write"))}


@pytest.fixture
def see(order: Any, ended: Any) -> Any:
    def observe(name: str, *steps: Any, oracles: Any = (), exit: Any = None, asked: Any = None) -> Any:
        return Observation(order(**(asked or {})), ended(*steps, **(exit or {})), oracles)(name)

    return observe


def test_exit_is_that_of_the_last_step_started(see: Any, step: Any) -> None:
    steps = (step(label="a", code=7), step(label="b", code=3))
    assert see("exit.code", *steps) == 3
    assert see("exit.ok", *steps) is False
    assert see("exit.signal", *steps) == 0
    assert see("exit.timeout", *steps) is False


def test_a_signal_is_never_taken_for_a_success(see: Any, step: Any) -> None:
    assert see("exit.code", step(signal=9)) == 137
    assert see("exit.signal", step(signal=9)) == 9


def test_the_attempts_timeout_is_that_of_its_last_step(see: Any, step: Any) -> None:
    assert see("exit.timeout", step(label="a"), step(signal=9), exit={"stopped": Stop.TIMEOUT}) is True
    assert see("step.writer.exit.timeout", step(signal=9, timeout=True)) is True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step.write.exit.ok", False),
        ("step.write[1].exit.ok", True),
        ("step.write[2].exit.ok", False),
        ("step.write[2].exit.code", 4),
        ("step.write.exit.code", 4),
    ],
)
def test_without_an_index_ok_means_all_repeats(see: Any, step: Any, name: str, value: object) -> None:
    repeats = (step(label="write", index=1), step(label="write", index=2, code=4))
    assert see(name, *repeats, asked=REPEATED) == value


def test_all_repeats_are_not_ok_while_one_was_never_started(see: Any, step: Any) -> None:
    assert see("step.write.exit.ok", step(label="write", index=1), asked=REPEATED) is False


def test_labels_with_dots_take_the_longest_match(see: Any, step: Any) -> None:
    steps = (step(label="db", code=1), step(label="db.write", code=2))
    assert see("step.db.write.exit.code", *steps, asked=DOTTED) == 2
    assert see("step.db.exit.code", *steps, asked=DOTTED) == 1


def test_a_step_that_was_not_started_is_missing_by_name(see: Any, step: Any) -> None:
    with pytest.raises(Missing, match=r"step db\.write was not started"):
        see("step.db.write.exit.code", step(label="db"), asked=DOTTED)


def test_elapsed_is_the_span_of_the_steps(see: Any, step: Any) -> None:
    steps = (step(started_at_s=0.25, duration_s=1.0), step(started_at_s=1.25, duration_s=0.5))
    assert see("elapsed", *steps) == parse_quantity("1500ms")


def test_attempt_seed_and_tier_are_the_orders(see: Any) -> None:
    assert (see("attempt", asked={"attempt": 2}), see("seed"), see("tier", asked={"tier": "quick"})) == (2, 3, "quick")


# --- metrics ---


@pytest.mark.parametrize(
    ("printed", "kind", "value"),
    [
        ("1234.5", "decimal", Fraction(2469, 2)),
        ("1.5e6", "decimal", 1_500_000),
        ("12", "int", 12),
        ("12.0", "int", 12),
        ("TRUE", "bool", True),
        ("wal", "string", "wal"),
        ("12 ms", "duration", parse_quantity("12ms")),
        ("90%", "ratio", Fraction(9, 10)),
        ("0.9", "ratio", Fraction(9, 10)),
    ],
)
def test_metrics_are_read_as_their_type(see: Any, step: Any, printed: str, kind: str, value: object) -> None:
    asked = StepOrder(label="writer", tool="w", argv=("w",), metrics=(MetricOrder("ops", "x", kind),))
    assert see("metrics.ops", step(metrics={"ops": printed}), asked={"steps": (asked,)}) == value


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("fast", "decimal"),
        ("nan", "decimal"),
        ("1/3", "decimal"),
        ("1e9999", "decimal"),
        ("9" * 5000, "int"),
        ("1.5", "int"),
        ("1V", "duration"),
        ("yes", "bool"),
        ("", "decimal"),
        ("12", "duration"),
    ],
)
def test_a_metric_of_another_type_is_missing(see: Any, step: Any, printed: str, kind: str) -> None:
    asked = StepOrder(label="writer", tool="w", argv=("w",), metrics=(MetricOrder("ops", "x", kind),))
    with pytest.raises(Missing, match="metric ops"):
        see("metrics.ops", step(metrics={"ops": printed}), asked={"steps": (asked,)})


def test_a_metric_is_that_of_the_last_step_that_gave_it(see: Any, step: Any) -> None:
    steps = (step(label="a", metrics={"ops": "1"}), step(label="b", metrics={"ops": "2"}), step(label="c"))
    assert see("metrics.ops", *steps) == 2


def test_a_metric_never_printed_makes_the_expectation_false_and_names_it(order: Any, ended: Any, expect: Any) -> None:
    tree = Binary(">", Name(("metrics", "ops")), Decimal("10"))
    outcome = evaluate_expectation(expect(tree, "metrics.ops > 10"), Observation(order(), ended(), ()))
    assert outcome.holds is Holds.NO
    assert outcome.sentence == "expected metrics.ops > 10 (metric ops was not printed)"


# --- output ---


@pytest.mark.parametrize(
    ("tree", "pattern"),
    [
        (Binary("contains", Name(("output",)), Text(("done",))), "output contains done"),
        (Binary("matches", Name(("output",)), Regex("^ok$")), "output matches ^ok$"),
    ],
)
def test_output_is_asked_for_by_the_patterns_id(order: Any, ended: Any, expect: Any, tree: Any, pattern: str) -> None:
    seen = Observation(order(), ended(matched=(pattern,)), ())
    unseen = Observation(order(), ended(), ())
    assert evaluate_expectation(expect(tree), seen).holds is Holds.YES
    assert evaluate_expectation(expect(tree), unseen).holds is Holds.NO


# --- oracles ---

TWO_ORACLES = {"oracles": (OracleOrder("a", "x.a"), OracleOrder("sqlite.integrity", "sqlite.integrity"))}
GOOD, BAD = OracleRecord("a", "x.a", ok=True), OracleRecord("sqlite.integrity", "s", ok=False, message="row 7 missing")


def test_oracles_by_label_and_together(see: Any) -> None:
    said = {"oracles": (GOOD, BAD), "asked": TWO_ORACLES}
    assert see("oracle.ok", **said) is False
    assert see("oracle.a.ok", **said) is True
    assert see("oracle.sqlite.integrity.ok", **said) is False
    assert see("oracle.sqlite.integrity.message", **said) == "row 7 missing"


def test_an_advisory_oracle_never_counts_but_can_be_asked(see: Any) -> None:
    advisory = {"oracles": (OracleOrder("sqlite.integrity", "s", advisory=True),)}
    assert see("oracle.ok", oracles=(BAD,), asked=advisory) is True
    assert see("oracle.sqlite.integrity.ok", oracles=(BAD,), asked=advisory) is False


def test_a_crashed_oracle_leaves_it_open_unless_another_one_objects(see: Any) -> None:
    crashed = OracleRecord("a", "x.a", error="it hung")
    with pytest.raises(Undecided, match="it hung"):
        see("oracle.ok", oracles=(crashed, OracleRecord("sqlite.integrity", "s", ok=True)), asked=TWO_ORACLES)
    assert see("oracle.ok", oracles=(crashed, BAD), asked=TWO_ORACLES) is False


def test_an_oracle_that_was_skipped_does_not_apply(see: Any) -> None:
    skipped = OracleRecord("a", "x.a", skipped="not installed")
    with pytest.raises(NotApplicable):
        see("oracle.a.ok", oracles=(skipped, BAD), asked=TWO_ORACLES)


def test_the_reason_of_an_oracle_is_its_message(order: Any, ended: Any, expect: Any) -> None:
    observed = Observation(order(**TWO_ORACLES), ended(), (GOOD, BAD))
    outcome = evaluate_expectation(expect("oracle.ok", why="every commit is there"), observed)
    assert outcome.sentence == "expected oracle.ok: every commit is there (sqlite.integrity: row 7 missing)"


# --- faults ---

KILL = {"faults": (FaultOrder("kill", "process.kill", 1.0, sla_s=2.0),)}


def test_faults_over_nothing_are_true(see: Any) -> None:
    assert see("faults.recovered") is True


def test_what_watches_saw_of_a_fault(see: Any) -> None:
    seen = FaultExit("kill", "process.kill", 1.0, injected_at_s=1.0, detected_at_s=1.5, recovered_at_s=2.75)
    said = {"exit": {"faults": (seen,)}, "asked": KILL}
    assert see("fault.kill.detected", **said) is True
    assert see("faults.within_sla", **said) is True
    assert see("fault.kill.detect_time", **said) == parse_quantity("500ms")
    assert see("fault.kill.recovery_time", **said) == parse_quantity("1750ms")


def test_a_fault_never_detected_has_not_recovered(see: Any) -> None:
    said = {"exit": {"faults": (FaultExit("kill", "process.kill", 1.0, injected_at_s=1.0),)}, "asked": KILL}
    assert see("fault.kill.recovered", **said) is False
    assert see("faults.within_sla", **said) is False
    with pytest.raises(Missing, match="never recovered"):
        see("fault.kill.recovery_time", **said)


def test_an_expectation_on_a_fault_that_the_cell_lacks_does_not_apply(order: Any, ended: Any, expect: Any) -> None:
    outcome = evaluate_expectation(expect("fault.kill.recovered"), Observation(order(), ended(), ()))
    assert outcome.holds is Holds.IDLE


# --- what cannot be computed ---


def test_a_division_by_zero_is_undecided(order: Any, ended: Any, expect: Any) -> None:
    tree = Binary("==", Binary("/", Integer(1), Name(("exit", "code"))), Integer(1))
    outcome = evaluate_expectation(expect(tree, "1 / exit.code == 1"), Observation(order(), ended(), ()))
    assert outcome.holds is Holds.UNDECIDED
    assert "zero" in outcome.detail


@pytest.mark.parametrize("tree", [b"{}", b"null", b'{"type":"call","function":"open","arguments":[]}'])
def test_a_damaged_tree_is_undecided(order: Any, ended: Any, tree: bytes) -> None:
    broken = ExpectOrder(text="?", tree=msgspec.Raw(tree))
    assert evaluate_expectation(broken, Observation(order(), ended(), ())).holds is Holds.UNDECIDED


TWICE: dict[str, Any] = {
    "asked": {"faults": tuple(FaultOrder("crash", "m.m", float(at), sla_s=5.0, index=at) for at in (1, 2))},
    "exit": {
        "faults": tuple(
            FaultExit("crash", "m.m", float(at), float(at), detected_at_s=at + 0.5, recovered_at_s=back, index=at)
            for at, back in ((1, 4.0), (2, 9.0))
        )
    },
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fault.crash.detected", True),
        ("fault.crash.within_sla", False),
        ("fault.crash[1].within_sla", True),
        ("fault.crash[2].within_sla", False),
        ("fault.crash[1].recovery_time", parse_quantity("3s")),
        ("fault.crash.recovery_time", parse_quantity("7s")),
        ("faults.within_sla", False),
    ],
)
def test_without_an_index_all_repeats_of_a_fault_are_meant(see: Any, name: str, value: Any) -> None:
    assert see(name, **TWICE) == value


def test_a_repeat_that_was_not_laid_out_is_none(see: Any) -> None:
    with pytest.raises(NotApplicable):
        see("fault.crash[3].detected", **TWICE)
    asked, seen = FaultOrder("crash", "m.m", 1.0), FaultExit("crash", "m.m", 1.0, 1.0, detected_at_s=2.0)
    assert see("fault.crash[1].detected", asked={"faults": (asked,)}, exit={"faults": (seen,)}) is True


@pytest.mark.parametrize("name", ["exit.ok", "step.writer.exit.code", "oracle.ok", "output x", "metrics.n"])
def test_the_virtual_clock_has_no_processes_to_ask(see: Any, name: str) -> None:
    with pytest.raises(NotApplicable):
        see(name, exit={"clock": "virtual", "steps": ()})
    assert see("elapsed", exit={"clock": "virtual", "steps": (), "duration_s": 28_800.0}) == parse_quantity("8h")
