"""Iterations and steps: kept once however often they are said, ended once, and their campaigns found again."""

from __future__ import annotations

from campaign.analysis.retention import read_ties
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Belonging, IterationRow, StepRow
from campaign.ledger.store import Ledger

from .conftest import AT, make_campaign

ROW = IterationRow(id="it", spec="/specs/demo.camp", settings={"target": 0.9}, at=AT)
STEP = StepRow(iteration="it", number=1, round=0, kind="full", settings={"spec": "s"}, submission="u", at=AT)


def ended(step: StepRow, **what: object) -> StepRow:
    given = {"state": "done", "ended_at": AT, "campaign": "demo-1", "result": {"passes": 1}, **what}
    return StepRow(**{**{name: getattr(step, name) for name in StepRow.__struct_fields__}, **given})  # type: ignore[arg-type]


def test_what_is_said_twice_is_kept_once(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.iterate(ROW, STEP)
    with LedgerReader(ledger.path) as reader:
        assert reader.iterations() == [ROW]
        assert reader.steps("it") == [STEP]


def test_a_step_ends_once_and_is_never_begun_again(ledger: Ledger) -> None:
    ledger.iterate(ROW, STEP)
    ledger.iterate(ROW, ended(STEP))
    ledger.iterate(ROW, ended(STEP, state="failed", result=None))
    ledger.iterate(ROW, STEP)
    with LedgerReader(ledger.path) as reader:
        assert reader.steps("it") == [ended(STEP)]


def test_an_iteration_ends_once(ledger: Ledger) -> None:
    ledger.iterate(ROW, None)
    done = IterationRow(
        id="it", spec=ROW.spec, settings=ROW.settings, at=AT, state="done", ended_at=AT, result={"a": 1}
    )
    ledger.iterate(done, None)
    ledger.iterate(ROW, None)
    with LedgerReader(ledger.path) as reader:
        assert reader.iterations() == [done]


def test_a_campaign_belongs_to_it_by_its_submission_at_once_and_by_its_id_at_the_end(ledger: Ledger) -> None:
    ledger.begin_campaign(make_campaign("demo-2", submission="u"), {})
    ledger.iterate(ROW, STEP)
    with LedgerReader(ledger.path) as reader:
        assert reader.belonging() == {"demo-2": Belonging("it", 0, "full", True)}
        assert read_ties(reader).iterating == {"demo-2"}
    ledger.iterate(ROW, ended(STEP))
    with LedgerReader(ledger.path) as reader:
        assert set(reader.belonging()) == {"demo-1", "demo-2"}
