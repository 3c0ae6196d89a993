"""An analysis of a real ledger: which rules hold of which runs, passes too, and what is read for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campaign.analysis import analyze as analyzing
from campaign.analysis import trials
from campaign.analysis.analyze import analyze
from campaign.analysis.knowledge import Knowledge, combined, knowledge_of
from campaign.cli.analysis_shown import shown
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Admission, CampaignRow, Ending, Move
from campaign.ledger.store import Ledger
from campaign.records import (
    Decision,
    Directories,
    Exit,
    Failure,
    FailureKind,
    FaultExit,
    FaultOrder,
    MetricOrder,
    OracleOrder,
    OracleRecord,
    Order,
    PatternOrder,
    ProcessExit,
    StepExit,
    StepOrder,
    Verdict,
    WatchOrder,
)
from campaign.records.analysis import Analysis
from campaign.rules.load import load_rule_set
from campaign.rules.structs import RuleBook

AT = "2026-11-20T10:00:00.000Z"
NO_FAULT: dict[str, Any] = {"faults": ()}


def rules(text: str) -> RuleBook:
    """The book of one rule set with these triage rules."""
    found, wrong = load_rule_set("z.yaml", f"name: z\ntriage:\n{text}".encode())
    assert found is not None, wrong
    return RuleBook(triage={each.id: each for each in found.triage})


class Past:
    """A campaign whose runs are made up."""

    def __init__(self, folder: Path, row: CampaignRow) -> None:
        self.row, self._path, self._runs = row, str(folder / "ledger.sqlite"), 0
        self._ledger = Ledger(self._path)
        self._ledger.begin_campaign(row, {})

    def add(
        self,
        cell: str = "a",
        verdict: str = "pass",
        failure: Failure | None = None,
        said: tuple[OracleRecord, ...] = (),
        exit: dict[str, Any] | None = None,
        meanwhile: Callable[[], None] | None = None,
        **changes: Any,
    ) -> None:
        """Record a run; ``exit`` changes its exit record, the rest its order; ``meanwhile`` is done before its end."""
        self._runs += 1
        step = StepOrder(label="w", tool="t", argv=("w",), metrics=(MetricOrder("commands", "c", "int"),))
        where = f"{self.row.run_root}/{self._runs}"
        base: dict[str, Any] = {
            "token": str(self._runs),
            "epoch": 1,
            "campaign": self.row.id,
            "campaign_name": "c",
            "key": f"{cell}#{self._runs}",
            "id": str(self._runs),
            "attempt": 1,
            "instance": "i",
            "cell": cell,
            "seed": self._runs,
            "directories": Directories(public=where, private=where, work=where),
            "timeout_s": 1.0,
            "steps": (step,),
            "faults": (FaultOrder(label="kill", fault="process.kill", at_s=1.0),),
        }
        order = Order(**{**base, **changes})
        ended = StepExit(label="w", tool="t", argv=("w",), exit=ProcessExit(code=0), ok=True, metrics={"commands": "7"})
        told = Exit(
            token=order.token,
            epoch=1,
            digest="",
            started_at=AT,
            finished_at=AT,
            duration_s=1,
            boot_id="b",
            steps=(ended,),
        )
        told = msgspec.structs.replace(told, **(exit or {}))
        changes_: list[Any] = [Admission(order=order, data=msgspec.json.encode(order), cause="plan", at=AT)]
        moves = (("admitted", "starting"), ("starting", "running"), ("running", "judging"))
        changes_ += [Move(order=order, source=source, target=target, cause="plan", at=AT) for source, target in moves]
        self._ledger.commit(changes_)
        if meanwhile is not None:
            meanwhile()
        end = Ending(
            order=order,
            source="judging",
            cause="plan",
            at=AT,
            decision=Decision(Verdict(verdict), "", failure),
            exit=msgspec.json.encode(told),
            oracles=said,
        )
        self._ledger.commit([end])

    def analyzed(self, knowledge: Knowledge, book: RuleBook | None = None) -> Analysis:
        with LedgerReader(self._path) as ledger:
            return analyze(ledger, self.row, book or RuleBook(), knowledge, AT)

    def known(self, text: str) -> list[str]:
        """The runs that these rules know."""
        found = self.analyzed(combined([rules(text)]))
        return [run.partition("@")[0] for each in (*found.causes, *found.suspicious) for run in each.first]


@pytest.fixture
def past(tmp_path: Path, row: CampaignRow) -> Iterator[Past]:
    found = Past(tmp_path, row)
    yield found
    found._ledger.close()


def seen(**times: float) -> dict[str, Any]:
    """The exit of a run whose fault came after a second."""
    fault = FaultExit(label="kill", fault="process.kill", planned_at_s=1, injected_at_s=1, **times)
    return {"faults": (fault,)}


def metric(commands: str) -> dict[str, Any]:
    step = StepExit(label="w", tool="t", argv=("w",), exit=ProcessExit(code=0), ok=True, metrics={"commands": commands})
    return {"steps": (step,)}


STANDARD: dict[str, tuple[str, dict[str, Any]]] = {
    "detected before": ("detected-before-injection", {"exit": seen(detected_at_s=0.8, recovered_at_s=3)}),
    "detected at once": ("detected-at-once", {"exit": seen(detected_at_s=1)}),
    "recovered before": ("recovered-before-injection", {"exit": seen(detected_at_s=2, recovered_at_s=0.5)}),
    "nothing done": ("nothing-done", {"exit": metric("0")}),
    "a timeout": (
        "timeout",
        {"verdict": "fail", "failure": Failure(FailureKind.TIMEOUT, "timeout after 1 s", "f" * 16)},
    ),
    "an empty state": (
        "empty-final-state",
        {
            "said": (OracleRecord("final-state", "o", True, ""),),
            "oracles": (OracleOrder(label="final-state", oracle="o"),),
        },
    ),
}


@pytest.mark.parametrize("case", STANDARD)
def test_the_standard_set_doubts_trials_that_passed_too(past: Past, case: str) -> None:
    rule, changes = STANDARD[case]
    past.add("good", exit=seen(detected_at_s=1.2, recovered_at_s=4))
    past.add("without", faults=())
    past.add("odd", **changes)
    found = past.analyzed(knowledge_of(RuleBook()))
    assert [(each.rule, each.runs) for each in found.suspicious] == [(rule, 1)]
    assert found.suspected == 1
    assert found.suspicious[0].passed == (rule != "timeout")


NAMES = {
    'verdict == "pass"': "c#3",
    'failure.kind == "oracle" and failure.message matches /torn/': "a#1",
    'failure.fingerprint == "%s"' % ("e" * 16): "a#1",
    'sync == "off"': "b#2",
    'SYNC == "off" and cache-size >= 4MiB': "b#2",
    "cache_size in [4MiB, 8MiB]": "b#2",
    "seed == 2 and attempt == 1": "b#2",
    "oracle.disk.ok": "c#3",
    'not oracle.disk.ok and oracle.disk.message contains "row"': "a#1",
    "exit.code == 3 and exit.ok == false": "a#1",
    "step.w.exit.code == 3": "a#1",
    "metrics.commands > 100": "b#2",
    "step.w.metrics.commands > 100": "b#2",
    "elapsed > 5s": "b#2",
    "fault.kill.detected": "c#3",
    "fault.kill.detect_time == 1500ms": "c#3",
    "max(faults.recovery_times) == 3s and len(faults.detect_times) == 1": "c#3",
    'output contains "panic"': "a#1",
    "metrics.commands > 100 or metrics.none == 1": "b#2",
}


@pytest.mark.parametrize("when", NAMES)
def test_a_rule_may_ask_the_whole_record(past: Past, when: str) -> None:
    """``NAMES`` says which one of three runs each condition holds of; what the others lack does not hold."""
    step = StepExit(label="w", tool="t", argv=("w",), exit=ProcessExit(code=3))
    past.add(
        "a",
        "fail",
        Failure(FailureKind.ORACLE, "torn", "e" * 16),
        exit={"steps": (step,), "matched": ("output contains panic",)},
        said=(OracleRecord("disk", "o", False, "row 7"),),
        oracles=(OracleOrder(label="disk", oracle="o"),),
        patterns=(PatternOrder("output contains panic", "contains", "panic"),),
    )
    long = StepExit(
        label="w", tool="t", argv=("w",), exit=ProcessExit(code=1), duration_s=9, metrics={"commands": "200"}
    )
    past.add(
        "b", "fail", None, exit={"steps": (long,)}, faults=(), axes={"sync": "off"}, settings={"cache-size": "4MiB"}
    )
    past.add(
        "c",
        exit=seen(detected_at_s=2.5, recovered_at_s=4),
        said=(OracleRecord("disk", "o", True, "all there"),),
        oracles=(OracleOrder(label="disk", oracle="o"),),
    )
    assert past.known(f"  - {{id: r, suspicious: true, when: '{when}'}}") == [NAMES[when]]


def test_what_explains_is_asked_of_failures_alone_and_one_of_your_own_goes_first(past: Past) -> None:
    past.add("a", exit=metric("0"))
    past.add("b", "error", Failure(FailureKind.SETUP, "no disk", "1" * 16), exit=metric("0"))
    mine = rules("  - {id: idle, when: metrics.commands == 0, cause: mine}\n  - {id: Nothing-Done, when: 'false'}")
    found = past.analyzed(combined([mine, rules("  - {id: IDLE, when: 'true', cause: theirs}")]))
    assert [(each.rule, each.cause, each.runs, each.passed) for each in found.causes] == [("idle", "mine", 1, 0)]
    assert not past.analyzed(knowledge_of(mine)).suspicious  # taken out of the standard set


def test_a_rule_says_of_how_many_runs_it_knows_the_cause(past: Past) -> None:
    for number in range(10):
        step = metric("0" if number in (0, 4) else "7")
        past.add(f"c{number}", "fail", Failure(FailureKind.ORACLE, "torn", "1" * 16), exit=step)
    past.add("d", "fail", Failure(FailureKind.ORACLE, "gone", "2" * 16), exit=metric("0"))
    idle = rules("  - {id: idle, when: metrics.commands == 0, cause: nobody asked}")
    found = past.analyzed(combined([idle]))
    some, whole = found.failures  # what is not explained in every run stands first, as what is not explained at all
    assert (some.runs, some.explained, some.rules, some.rule_runs) == (10, 2, ("idle",), {"idle": 2})
    assert (whole.runs, whole.explained, whole.first_unexplained) == (1, 1, None)
    assert some.first_unexplained == "c1#2@1"
    assert found.unexplained == 8
    text = shown(found)
    assert "idle (2 of 10), 8 unexplained" in text
    assert "nothing knows yet why 8 of 10 runs failed so" in text
    assert "c1#2@1'" in text


def test_a_failure_is_new_where_it_was_judged_first_whoever_began_before(past: Past) -> None:
    other = msgspec.structs.replace(past.row, id="other")
    past._ledger.begin_campaign(other, {})
    torn = Failure(FailureKind.ORACLE, "torn", "1" * 16)
    past.add("a", "fail", torn, meanwhile=lambda: past.add("a", "fail", torn, campaign="other"))
    past.add("b", "fail", Failure(FailureKind.ORACLE, "gone", "2" * 16))
    found = past.analyzed(Knowledge())
    assert {each.message: each.classification for each in found.failures} == {"torn": "known", "gone": "new"}
    assert "new in this workspace: 1 of 2 fingerprints" in shown(found)


def test_what_is_quarantined_is_said_and_stands_behind(past: Past) -> None:
    past.add("a", "fail", Failure(FailureKind.ORACLE, "known", "1" * 16))
    past.add("a", "fail", Failure(FailureKind.ORACLE, "known", "1" * 16))
    past.add("b", "fail", Failure(FailureKind.ORACLE, "fresh", "2" * 16))
    text = f"name: q\nquarantine:\n  - {{fingerprint: '{'1' * 16}', issue: D-1, until: 2027-01-31}}\n".encode()
    found, _ = load_rule_set("q.yaml", text)
    assert found is not None
    book = RuleBook(quarantine={each.fingerprint: each for each in found.quarantine})
    told = past.analyzed(Knowledge(), book)
    assert [(each.message, each.classification, each.runs) for each in told.failures] == [
        ("fresh", "new", 1),
        ("known", "quarantined", 2),
    ]
    assert told.quarantined == 2
    assert not any("known" in step for step in told.next_steps)


def test_faults_and_baselines_have_rates_of_their_own(past: Past) -> None:
    past.add("a", "fail", Failure(FailureKind.ORACLE, "x", "1" * 16))
    past.add("b", faults=())
    found = past.analyzed(Knowledge())
    assert {each.name: each.rate.rate for each in found.faults} == {"kill: process.kill": 0.0, "none": 1.0}


def test_faults_are_counted_by_label_and_by_what_became_of_them(past: Past) -> None:
    orders = tuple(
        FaultOrder(label=label, fault="synthetic.recovery", at_s=1.0, index=index, sla_s=3.0 if index else None)
        for label, index in (("crash", 1), ("crash", 2), ("hang", None), ("synthetic.recovery", None))
    )
    watch = WatchOrder("w", "o.o", 0.1, 1.0, faults=("crash", "synthetic.recovery"))
    ends = (
        FaultExit("crash", "synthetic.recovery", 1.0, 1.0, None, 2.0, 3.5, index=1),
        FaultExit("crash", "synthetic.recovery", 1.0, 9.0, None, 9.5, None, index=2),
        FaultExit("hang", "synthetic.recovery", 1.0, 5.0),
        FaultExit("synthetic.recovery", "synthetic.recovery", 1.0, error="no"),
    )
    for _ in range(2):
        past.add("a", faults=orders, watches=(watch,), exit={"faults": ends})
    counts = {
        each.name: (
            each.rate.passed,
            (each.injected, each.watched, each.detected, each.recovered),
            (each.longest_s, each.with_sla, each.within_sla),
        )
        for each in past.analyzed(Knowledge()).faults
    }
    assert counts == {
        "crash: synthetic.recovery": (2, (4, 4, 4, 2), (2.5, 4, 2)),
        "hang: synthetic.recovery": (2, (2, 0, 0, 0), (None, 0, 0)),
        "synthetic.recovery": (2, (0, 0, 0, 0), (None, 0, 0)),
    }


def test_what_is_simulated_needs_no_watch(past: Past) -> None:
    end = FaultExit("kill", "process.kill", 1.0, 1.0, None, 2.0, 3.0)
    past.add("a", clock="virtual", exit={"faults": (end,), "clock": "virtual"})
    (told,) = past.analyzed(Knowledge()).faults
    assert (told.watched, told.detected, told.recovered) == (1, 1, 1)


def test_what_is_beyond_the_bounds_is_counted(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "MOST_CELLS", 3)
    monkeypatch.setattr(trials, "MOST_FAILURES", 4)
    monkeypatch.setattr(analyzing, "MOST_FAILURES", 2)
    monkeypatch.setattr(analyzing, "MOST_CELLS", 2)
    for number in range(6):
        past.add(f"c{number}", "fail", Failure(FailureKind.ORACLE, str(number), f"{number:016x}"), axes={"n": number})
    found = past.analyzed(Knowledge())
    assert (found.rate.failed, found.instances[0].rate.failed) == (6, 6)
    assert (len(found.cells), found.cells_left_out, found.cells_counted) == (2, 2, 4)
    assert (len(found.failures), found.failures_left_out) == (2, 2)
    assert any("beyond the first" in note for note in found.notes)
    assert any("further ways" in note for note in found.notes)
