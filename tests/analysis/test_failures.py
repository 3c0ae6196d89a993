"""New, known, flaky, quarantined: told from real ledgers, whatever the order in which runs are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.analysis.failures import Classes, tell
from campaign.analysis.recorded import Views
from campaign.diagnostics import Span
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Admission, CampaignRow, Ending, Sighting
from campaign.ledger.store import Ledger
from campaign.records import Decision, Directories, Failure, FailureKind, Order, StepOrder, Verdict
from campaign.rules.structs import Origin, Quarantine

AT = "2026-11-20T10:00:00.000Z"


def order_of(campaign: str, number: int) -> Order:
    return Order(
        token=f"{campaign}-{number}",
        epoch=1,
        campaign=campaign,
        campaign_name="c",
        key=f"i.c{number}#0",
        id=f"{campaign}-{number}",
        attempt=1,
        instance="i",
        cell=f"i.c{number}",
        seed=0,
        directories=Directories(public=f"/r/{campaign}/{number}", private="/p", work="/w"),
        timeout_s=1.0,
        steps=(StepOrder(label="t", tool="t", argv=("t",)),),
    )


def admit(order: Order) -> Admission:
    return Admission(order=order, data=msgspec.json.encode(order), cause="plan", at=AT)


def end(order: Order, mark: str) -> Ending:
    decision = Decision(Verdict.FAIL, "x", Failure(FailureKind.ORACLE, "x", mark))
    return Ending(order=order, source="admitted", cause="plan", at=AT, decision=decision)


def begun(path: Path, *names: str) -> Ledger:
    ledger = Ledger(str(path))
    for name in names:
        row = CampaignRow(
            id=name, name="c", spec="/s", run_root=f"/r/{name}", plan_hash="p", seed=0, parallel=1, created_at=AT
        )
        ledger.begin_campaign(row, {})
    return ledger


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    return lambda: LedgerReader(str(tmp_path / ".campaign/ledger.sqlite"))


def test_first_is_who_was_judged_first_not_who_was_admitted_first(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l", "a", "b")
    early, late = order_of("a", 1), order_of("b", 2)
    ledger.commit([admit(early), admit(late)])
    ledger.commit([end(late, "f" * 16)])
    with LedgerReader(str(tmp_path / "l")) as reader:
        before = reader.first_of("f" * 16)
    ledger.commit([end(early, "f" * 16)])
    with LedgerReader(str(tmp_path / "l")) as reader:
        assert reader.first_of("f" * 16) == before
        assert before is not None
        assert before.run == "b/i.c2#0@1"
        (of_a,), (of_b,) = reader.failures("a"), reader.failures("b")
        assert (of_a.known, of_b.known, of_a.origin.run) == (True, False, "b/i.c2#0@1")
        assert reader.first_seen() == {"b"}


@given(st.permutations(range(6)), st.lists(st.integers(1, 6), max_size=4))
def test_what_was_told_once_is_told_for_ever(tmp_path_factory: Any, judged: list[int], readings: list[int]) -> None:
    """Two campaigns beside each other, two bugs, judged in any order and read at any time between."""
    path = tmp_path_factory.mktemp("ledger") / "l"
    ledger = begun(path, "a", "b")
    orders = [order_of("ab"[number % 2], number) for number in range(6)]
    decisions = {}
    ledger.commit(list(map(admit, orders)))
    told: dict[int, set[Any]] = {}
    for count, number in enumerate(judged, start=1):
        change = end(orders[number], str(number % 3 % 2) * 16)
        decisions[number] = change.decision
        ledger.commit([change])
        if count in readings or count == len(judged):
            with LedgerReader(str(path)) as reader:
                classes = Classes(reader.first_of, {})
                for each, decision in decisions.items():
                    failure = getattr(classes.told(orders[each], decision, recovered=False), "failure", None)
                    told.setdefault(each, set()).add((failure.classification, failure.duplicate_of))  # type: ignore[union-attr]
    ledger.close()
    assert all(len(ways) == 1 for ways in told.values())
    assert sum(duplicate is None for ways in told.values() for _, duplicate in ways) == 2


def test_a_failure_that_came_again_points_to_the_first(recorded: Any, opened: Any) -> None:
    first = recorded([("off", 1, ["fail: torn"]), ("off", 2, ["fail: torn"])])
    again = recorded([("off", 1, ["fail: torn", "fail: torn"]), ("off", 2, ["fail: new one"])], number=2)
    with opened() as ledger:
        told = {
            (record.row.key, record.row.attempt): Views(ledger, again).of(record).failure
            for record in ledger.records(again.id)
        }
        assert {key: (view.classification, view.duplicate_of) for key, view in told.items() if view} == {
            ("off#1", 1): ("known", f"{first.id}/off#1@1"),
            ("off#1", 2): ("known", f"{first.id}/off#1@1"),
            ("off#2", 1): ("new", None),
        }
        (seen,) = tell(ledger, first, "2026-11-21")
        assert (seen.classification, seen.duplicate_of, seen.row.runs, seen.row.cells) == ("new", None, 2, 1)
        assert seen.cells == ("off",)
        of_all = {each.row.message: each.classification for each in tell(ledger, None, "2026-11-21")}
        assert of_all == {"torn": "known", "new one": "new"}


def test_flaky_is_a_failure_whose_run_passed_afterwards(recorded: Any, opened: Any) -> None:
    row = recorded([("a", 1, ["fail: x", "pass"]), ("a", 2, ["fail: x", "fail: x"]), ("a", 3, ["fail: y", "pass"])])
    with opened() as ledger:
        views = [Views(ledger, row).of(record) for record in ledger.records(row.id)]
        told = [(view.key, view.attempt, view.failure.classification) for view in views if view.failure]
        assert told == [("a#1", 1, "flaky"), ("a#2", 1, "new"), ("a#2", 2, "new"), ("a#3", 1, "flaky")]
        assert {each.row.message: each.classification for each in tell(ledger, row, "2026-11-21")} == {
            "x": "new",
            "y": "flaky",
        }


def test_a_repetition_of_the_plan_may_be_first(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l", "a")
    repeat = msgspec.structs.replace(order_of("a", 1), origin="repeat", token="r")
    ledger.commit([admit(repeat), end(repeat, "f" * 16)])
    with LedgerReader(str(tmp_path / "l")) as reader:
        (row,) = reader.failures("a")
        assert row.first.run == "a/i.c1#0@repeat-1"
        told = Classes(reader.first_of, {}).told(repeat, end(repeat, "f" * 16).decision, recovered=False)
        assert getattr(told and told.failure, "duplicate_of", "none") is None


def test_other_origins_than_the_plan_do_not_count(tmp_path: Path) -> None:
    ledger = begun(tmp_path / "l", "a")
    replay = msgspec.structs.replace(order_of("a", 1), origin="replay", token="r")
    ledger.commit([admit(replay), end(replay, "f" * 16)])
    with LedgerReader(str(tmp_path / "l")) as reader:
        assert reader.first_of("f" * 16) is None
        assert list(reader.failures()) == []
    own = order_of("a", 1)
    ledger.commit([admit(own), end(own, "f" * 16)])
    with LedgerReader(str(tmp_path / "l")) as reader:
        first = reader.first_of("f" * 16)
        assert first is not None
        decision = end(replay, "f" * 16).decision
        told = Classes(reader.first_of, {}).told(replay, decision, recovered=False)
        assert told is not None
        assert told.failure is not None
        assert told.failure.duplicate_of == first.run == "a/i.c1#0@1"


def test_quarantine_goes_before_every_other_class() -> None:
    rule = Quarantine(fingerprint="f" * 16, issue="D-1", until="2027-01-31", origin=Origin("z", Span("z", 1, 1, 1, 1)))
    first = Sighting("f" * 16, "other", "k#0", "plan", 1, AT)
    order, decision = order_of("a", 1), end(order_of("a", 1), "f" * 16).decision
    for recovered in (False, True):
        told = Classes(lambda _: first, {rule.fingerprint: rule}).told(order, decision, recovered=recovered)
        assert told is not None
        assert told.failure is not None
        assert (told.failure.classification, told.failure.duplicate_of) == ("quarantined", "other/k#0@1")
