"""Attempts on the virtual clock: nothing is started, and the record is that of any attempt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from campaign.judge.classify import decide
from campaign.records import FaultOrder, OracleOrder, Stop, Verdict
from campaign.records.messages import Judged
from campaign.records.order import ScheduleOrder

from .conftest import Desk, step

PLUGINS = ("strangers",)


@pytest.fixture
def desk(strangers: None, desk: Desk) -> Desk:
    return desk


def recovery(label: str, at_s: float, **rest: Any) -> FaultOrder:
    return FaultOrder(label, "synthetic.recovery", at_s, sla_s=60.0, random=7, **rest)


def imagined(how: str = "", **rest: Any) -> FaultOrder:
    return FaultOrder("i", "strangers.imagined", 5.0, settings={"how": how}, **rest)


def order(desk: Desk, *faults: FaultOrder, **rest: Any) -> Any:
    fields = {"clock": "virtual", "plugins": PLUGINS, "faults": faults, **rest}
    return desk.order(step("/bin/false"), **fields)


def test_hours_pass_and_nothing_runs(desk: Desk) -> None:
    faults = (recovery("a", 100.0, sequence=1), recovery("b", 20_000.0, sequence=2, index=2, for_s=5.0))
    asked = order(desk, *faults, schedule=ScheduleOrder("schedule.session", 28_800.0))
    exit = desk.carry_out(asked)
    assert (exit.clock, exit.steps, exit.duration_s, exit.tree_empty) == ("virtual", (), 28_800.0, True)
    first, second = exit.faults
    assert first.injected_at_s == 100.0
    assert first.detected_at_s is not None
    assert first.recovered_at_s is not None
    assert 100.0 < first.detected_at_s <= first.recovered_at_s
    assert (second.name, second.cleared_at_s) == ("b[2]", 20_005.0)
    assert not Path(asked.directories.work).exists()
    assert not desk.public(asked, "output.log").exists()


def test_the_files_of_a_model_lie_in_the_attempt_and_in_the_run(desk: Desk) -> None:
    asked = order(desk, recovery("a", 100.0, sequence=1))
    desk.carry_out(asked)
    inner, outer = desk.public(asked, "recovery.json"), desk.public(asked, "../recovery.json")
    assert json.loads(inner.read_text())["seed"] == asked.seed
    assert inner.samefile(outer)
    beside = order(desk, recovery("a", 100.0, sequence=1), origin="minimize/001")
    desk.carry_out(beside)
    assert desk.public(beside, "recovery.md").exists()
    assert not desk.public(beside, "../recovery.md").exists(), "what is carried out beside the plan decides nothing"


def test_a_fault_that_never_recovers_breaks_its_sla(desk: Desk) -> None:
    asked = order(desk, imagined("never", sla_s=9.0))
    exit = desk.carry_out(asked)
    assert exit.faults[0].recovered_at_s is None
    assert exit.faults[0].notes == "never"
    decision = decide(asked, exit)
    assert (decision.verdict, decision.reason) == (Verdict.FAIL, "fault i never recovered: its sla is 9 s")


def test_without_an_sla_it_passes_and_its_oracles_are_not_asked(desk: Desk) -> None:
    asked = order(desk, imagined("never"), oracles=(OracleOrder("o", "strangers.says"),))
    exit = desk.carry_out(asked)
    (record,) = desk.expect(Judged).oracles
    assert record.ok is None
    assert record.skipped == "nothing was started, the clock is virtual"
    assert decide(asked, exit, (record,)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("raise", "RuntimeError: no imagination"),
        ("nonsense", "which is no Simulated"),
        ("past", "which is no Simulated"),
        ("texts", "something else than texts by name"),
        ("large", "more than 4,194,304 characters"),
    ],
)
def test_what_a_model_does_wrong_makes_an_error(desk: Desk, how: str, told: str) -> None:
    asked = order(desk, imagined(how))
    exit = desk.carry_out(asked)
    assert exit.setup_error is not None
    assert told in exit.setup_error
    assert decide(asked, exit).verdict is Verdict.ERROR


@pytest.mark.parametrize("name", ["run.json", "../x", ".hidden", "a/b", "two\nlines"])
def test_a_model_writes_no_file_of_ours(desk: Desk, name: str) -> None:
    exit = desk.carry_out(order(desk, imagined(f"file {name}")))
    assert exit.internal_error is not None
    assert "no model may write a file called" in exit.internal_error
    assert not desk.workspace.joinpath("x").exists()


def test_a_model_that_dies_takes_nobody_along(desk: Desk) -> None:
    assert "the provider host ended" in str(desk.carry_out(order(desk, imagined("die"))).setup_error)
    assert desk.carry_out(order(desk, imagined())).setup_error is None


def test_it_can_be_canceled_while_a_model_thinks(desk: Desk) -> None:
    asked = desk.start(order(desk, imagined("think")))
    desk.halt(asked)
    assert desk.exit(asked).stopped is Stop.CANCEL


def test_a_run_without_faults_passes(desk: Desk) -> None:
    asked = order(desk)
    assert decide(asked, desk.carry_out(asked)).verdict is Verdict.PASS
