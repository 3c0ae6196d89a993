"""An iteration whose driver dies at any point: the next one goes on, and the story is the one that it would have been."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.ledger.conftest import AT, make_campaign, make_order, whole

from campaign import failpoints
from campaign.analysis.iterate import Cell
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine import iterate
from campaign.engine import iterate as iterating
from campaign.engine.iterate import Carried, Drive, Outcome, Settings
from campaign.engine.workspace import Workspace
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignState, IterationRow, StepRow
from campaign.ledger.store import Ledger
from campaign.plan.plan import Options
from campaign.records import Verdict

#: Two cells; ``bad`` fails until the file ``mended`` is there.
CELLS = {"good": (0,), "bad": (0,)}
WIDE = {"target": 0.7, "confidence": 0.6, "margin": 0.3, "rounds": 2}


class Killed(BaseException):
    """As the process would be."""


class Stage:
    """A workspace with a real ledger, campaigns whose runs are made up, and real commands."""

    def __init__(self, folder: Path, **wishes: Any) -> None:
        self.folder = folder
        (folder / "spec").mkdir(parents=True)
        self.spec = str(folder / "spec" / "x.camp")
        self.place = Workspace(str(folder / "work"))
        self.place.prepare()
        self.told: list[str] = []
        self.status = 0
        self.numbers = count(1)
        mend = ("touch", str(folder / "mended"))
        settings = Settings(**{**WIDE, "before": (mend,), **wishes})
        self.row = IterationRow(id="it", spec=self.spec, settings=msgspec.to_builtins(settings), at=AT)

    def go(self) -> Outcome:
        return Drive(self.row, self.place, self, lambda: f"u{os.urandom(4).hex()}", lambda: AT).go()

    # --- hands

    def keep(self, iteration: IterationRow, step: StepRow | None) -> None:
        ledger = Ledger(self.place.ledger)
        try:
            ledger.iterate(iteration, step)
        finally:
            ledger.close()

    def campaign(self, spec: str, options: Options, submission: str) -> Carried:
        with LedgerReader(self.place.ledger) as reader:
            known = reader.submitted(submission)
        if known is None:
            known = f"c-{next(self.numbers)}"
            cells = CELLS if spec == self.spec else json.loads(Path(spec).read_text())
            self._run(known, submission, cells)
        return Carried(known, self.status)

    def _run(self, name: str, submission: str, cells: Mapping[str, Sequence[int]]) -> None:
        mended = (self.folder / "mended").exists()
        ledger = Ledger(self.place.ledger)
        ledger.begin_campaign(make_campaign(name, submission=submission), {})
        for number, (cell, seed) in enumerate((cell, seed) for cell, seeds in cells.items() for seed in seeds):
            verdict = Verdict.PASS if cell == "good" or mended else Verdict.FAIL
            key = f"{cell}#{seed}"
            order = make_order(number, campaign=name, cell=cell, key=key, seed=seed, id=f"{name}{key}")
            ledger.commit(whole(order, verdict))
        ledger.commit([CampaignState(campaign=name, state="finished", at=AT, exit_status=1)])
        ledger.close()

    def excerpt(
        self, spec: str, options: Options, wanted: Mapping[str, tuple[int, ...]], remarks: Sequence[str]
    ) -> str:
        return json.dumps(wanted)

    def analysis(self, campaigns: Sequence[str]) -> bytes:
        return json.dumps({"of": list(campaigns)}).encode()

    def tell(self, text: str) -> None:
        self.told.append(text)

    # --- what came of it

    def story(self) -> list[tuple[str, int, str, Any]]:
        with LedgerReader(self.place.ledger) as reader:
            steps = reader.steps("it")
        return [(each.kind, each.round, each.state, (each.result or {}).get("passes")) for each in steps]

    def campaigns(self) -> int:
        with LedgerReader(self.place.ledger) as reader:
            return len(list(reader.campaigns()))


MENDED = [
    ("full", 0, "done", 1),
    ("analyze", 1, "done", None),
    ("before", 1, "done", None),
    ("retry", 1, "done", 1),
    ("full", 1, "done", 2),
]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm(None)


def test_what_the_commands_mend_is_retried_and_confirmed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    outcome = stage.go()
    assert (outcome.status, outcome.iteration.state) == (0, "done")
    assert stage.story() == MENDED
    assert stage.campaigns() == 3
    assert stage.go().status == 0  # nothing is done twice
    assert stage.campaigns() == 3


def _killed_at(number: int) -> Callable[[str], None]:
    left = number

    def heed(name: str) -> None:
        nonlocal left
        left -= name.startswith("iterate.")
        if left == 0:
            left = -1
            raise Killed

    return heed


def test_whoever_dies_at_a_step_the_next_one_goes_on_with_it(tmp_path: Path) -> None:
    names: list[str] = []
    failpoints.arm(names.append)
    Stage(tmp_path / "whole").go()
    places = sum(name.startswith("iterate.") for name in names)
    assert places >= 20
    for place in (2, 5, 9, 14, places):  # tests.torture.iterations kills it at each, and at those of the ledger
        stage = Stage(tmp_path / str(place))
        failpoints.arm(_killed_at(place))
        with pytest.raises(Killed):
            stage.go()
        failpoints.arm(None)
        assert stage.go().status == 0
        assert stage.story() == MENDED
        assert stage.campaigns() == 3


def test_a_full_disk_ends_it_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    stage, left = Stage(tmp_path), 30

    def full(name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0 and name == "ledger.commit.before":
            raise OSError(28, "No space left on device")

    failpoints.arm(full)
    with pytest.raises(CampaignError) as refused:
        stage.go()
    assert refused.value.diagnostics[0].code == "CAMP503"
    failpoints.arm(None)
    assert stage.go().status == 0
    assert stage.story() == MENDED


def test_two_never_drive_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iterating, "_TRIES", 2)
    stage = Stage(tmp_path)
    found: list[CampaignError] = []
    once = stage.campaign

    def campaign(spec: str, options: Options, submission: str) -> Carried:
        with pytest.raises(CampaignError) as refused:
            stage.go()
        found.append(refused.value)
        return once(spec, options, submission)

    stage.campaign = campaign  # type: ignore[method-assign]
    assert stage.go().status == 0
    assert {each.diagnostics[0].code for each in found} == {"CAMP598"}


def test_it_waits_while_the_workspace_changes_hands(tmp_path: Path) -> None:
    stage, once, times = Stage(tmp_path), Stage.campaign, count(1)

    def campaign(spec: str, options: Options, submission: str) -> Carried:
        if next(times) == 1:
            raise CampaignError([Diagnostic("CAMP526", "the daemon is gone")])
        return once(stage, spec, options, submission)

    stage.campaign = campaign  # type: ignore[method-assign]
    assert stage.go().status == 0
    assert stage.campaigns() == 3


@pytest.mark.parametrize(("status", "why"), [(4, "a safety limit stopped"), (5, "was canceled")])
def test_a_campaign_that_is_stopped_ends_it(tmp_path: Path, status: int, why: str) -> None:
    stage = Stage(tmp_path)
    stage.status = status
    outcome = stage.go()
    assert (outcome.status, outcome.iteration.state) == (status, "canceled")
    assert why in (outcome.iteration.result or {})["why"]


@pytest.mark.parametrize(
    ("before", "timeout_s", "why"),
    [
        ((("./none",),), 60.0, "./none cannot be started: No such file or directory"),
        ((("sh", "-c", "echo no good; kill $$"),), 60.0, "sh was ended by signal 15"),
        ((("sleep", "600"),), 0.2, "sleep took longer than 0.2 s"),
    ],
)
def test_a_command_that_fails_ends_the_round(tmp_path: Path, before: Any, timeout_s: float, why: str) -> None:
    stage = Stage(tmp_path, before=before, timeout_s=timeout_s)
    outcome = stage.go()
    assert outcome.status == 1
    assert outcome.paused is not None
    assert why in outcome.paused
    last = stage.go()
    assert (last.status, last.paused) == (1, None)
    assert "2 rounds and no more" in (last.iteration.result or {})["why"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    folder = Path(stage.place.path) / "iterations"
    folder.write_text("in the way")
    with pytest.raises(CampaignError) as refused:
        stage.go()
    assert (refused.value.diagnostics[0].code, refused.value.status) == ("CAMP506", 3)


def test_a_hook_gets_the_analysis_and_where_it_is(tmp_path: Path) -> None:
    given = tmp_path / "given"
    script = f'cat > {given}; echo "$CAMPAIGN_ROUND $CAMPAIGN_ITERATION $CAMPAIGN_SPEC" >> {given}; pwd >> {given}'
    stage = Stage(tmp_path / "x", hook=("sh", "-c", script))
    assert stage.go().status == 0
    text = given.read_text()
    assert json.loads(text.partition("}")[0] + "}") == {"of": ["c-1"]}
    assert text.partition("}")[2].splitlines() == [f"1 it {stage.spec}", os.path.dirname(stage.spec)]


class Relapse(Stage):
    """What a retry shows to be mended fails again in every full campaign."""

    def campaign(self, spec: str, options: Options, submission: str) -> Carried:
        mended = self.folder / "mended"
        mended.unlink(missing_ok=True) if spec == self.spec else mended.touch()
        return super().campaign(spec, options, submission)


def test_campaigns_that_nothing_asks_about_any_more_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def cells_of(ledger: LedgerReader, campaign: str) -> dict[str, Cell]:
        read.append(campaign)
        return really(ledger, campaign)

    really = iterate.cells_of
    monkeypatch.setattr(iterate, "cells_of", cells_of)
    stage = Relapse(tmp_path, before=(), rounds=4)
    assert stage.go().status == 1
    assert [kind for kind, *_ in stage.story()] == ["full", *["analyze", "retry", "full"] * 4]
    assert len({read.count(campaign) for campaign in ("c-3", "c-5")}) == 1, "full ones of rounds 1 and 2"


def test_it_asks_once_a_round(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ask=True, before=(("true",),))
    assert stage.go().paused == "round 1 waits for you"
    assert stage.go().paused == "round 2 waits for you"
    assert stage.go().paused is None
