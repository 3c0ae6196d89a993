"""The reading side: every question, at constant memory."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest

from campaign.ledger.opening import LedgerError, LedgerMissingError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignState
from campaign.ledger.store import Ledger
from campaign.records import Verdict

from .conftest import AT, admission, make_campaign, make_order, moves, whole


def test_no_ledger_is_not_an_empty_ledger(path: str) -> None:
    with pytest.raises(LedgerMissingError, match="no campaign has run here"):
        LedgerReader(path)


def test_the_newest_campaign_of_a_spec_that_is_not_finished(path: str) -> None:
    ledger = Ledger(path)
    for number in (1, 2, 3):
        ledger.begin_campaign(make_campaign(f"c-{number}", created_at=f"2026-01-0{number}", spec=f"/s{number % 2}"), {})
    ledger.commit([CampaignState(campaign="c-3", state="finished", at=AT, exit_status=0)])
    with LedgerReader(path) as reader:
        assert [row.id for row in reader.campaigns()] == ["c-3", "c-2", "c-1"]
        newest = reader.newest_campaign()
        assert newest is not None
        assert newest.id == "c-3"
        unfinished = reader.newest_campaign("/s1", unfinished=True)
        assert unfinished is not None
        assert unfinished.id == "c-1"
        assert reader.newest_campaign("/none") is None
        assert reader.campaign("c-9") is None


def test_a_submission_is_recorded_once(ledger: Ledger) -> None:
    ledger.begin_campaign(make_campaign("a", submission="u"), {})
    with pytest.raises(LedgerError):
        ledger.begin_campaign(make_campaign("b", submission="u"), {})


def test_blobs_are_shared_by_their_hash(ledger: Ledger, path: str) -> None:
    ledger.begin_campaign(make_campaign("a"), {"h": b"same", "g": b"other"})
    ledger.begin_campaign(make_campaign("b"), {"h": b"same"})
    ledger.commit([admission(make_order(1))])
    with LedgerReader(path) as reader:
        assert (reader.blob("h"), reader.blob("g"), reader.blob("x")) == (b"same", b"other", None)


def test_what_is_unfinished_and_what_is_known(ledger: Ledger, path: str) -> None:
    running, revoked, lost = make_order(1), make_order(2), make_order(3)
    ledger.commit(whole(make_order(0)))
    ledger.commit([admission(running), *moves(running, "admitted", "starting", "running")])
    ledger.commit([admission(revoked), *moves(revoked, "admitted", "queued")])
    ledger.commit([admission(lost), *moves(lost, "admitted", "starting", "lost")])
    with LedgerReader(path) as reader:
        assert [(row.key, row.state) for row in reader.unfinished()] == [
            ("c1#0", "running"),
            ("c2#0", "queued"),
            ("c3#0", "lost"),
        ]
        assert set(reader.known_keys("demo-1")) == {"c0#0", "c1#0", "c2#0", "c3#0"}
        assert set(reader.done_keys("demo-1")) == {"c0#0"}
        assert [event.seq for event in reader.events("demo-1", after=8)] == list(range(9, 14))
        assert list(reader.events("other")) == []


def test_records_and_judgements(ledger: Ledger, path: str) -> None:
    order = make_order()
    ledger.commit(whole(order, Verdict.FAIL))
    with LedgerReader(path) as reader:
        (judgement,) = reader.judgements(order.token)
        assert judgement.decision.verdict is Verdict.FAIL
        assert [record.row.key for record in reader.records("demo-1")] == ["c0#0"]
        assert [record.row.key for record in reader.records_by_cell("demo-1")] == ["c0#0"]
        assert reader.record("nobody") is None
        assert [row.key for row in reader.runs_by_id("id0")] == ["c0#0"]


def test_a_glance_tells_which_attempt_decides_in_the_order_of_admission(ledger: Ledger, path: str) -> None:
    second = make_order(0, 2, axes={"v": "850mV"})
    ledger.commit(whole(make_order(9, axes={"v": "1V"})))
    ledger.commit(whole(make_order(0, axes={"v": "850mV"}), Verdict.FAIL, again="policy"))
    ledger.commit([admission(second, "policy"), *moves(second, "admitted", "starting", "running")])
    with LedgerReader(path) as reader:
        found = list(reader.glances("demo-1"))
    assert [(each.key, each.attempt, each.verdict, each.decides) for each in found] == [
        ("c9#0", 1, "pass", True),
        ("c0#0", 1, "fail", False),
        ("c0#0", 2, None, True),
    ]
    assert (found[1].axes, found[1].duration_s, found[2].duration_s) == ({"v": "850mV"}, 0.5, None)


def test_an_outcome_is_of_the_attempt_that_decides_and_has_axes_only_where_they_are_wanted(
    ledger: Ledger, path: str
) -> None:
    ledger.commit(whole(make_order(9, axes={"v": "1V"}, seed=2**64 - 1)))
    ledger.commit(whole(make_order(0), Verdict.FAIL, again="policy"))
    ledger.commit(whole(make_order(0, 2), cause="policy"))
    with LedgerReader(path) as reader:
        found, with_axes = list(reader.outcomes("demo-1")), list(reader.outcomes("demo-1", axes=True))
    assert [(each.cell, each.seed, each.verdict, each.flaky) for each in found] == [
        ("c9", 2**64 - 1, "pass", False),
        ("c0", 0, "pass", True),
    ]
    assert (found[0].axes, with_axes[0].axes) == ({}, {"v": "1V"})


def test_an_order_that_cannot_be_read_any_more_is_an_error(ledger: Ledger, path: str) -> None:
    order = make_order()
    ledger.commit(whole(order))
    ledger._db.execute("UPDATE blob SET data = x'7b'")
    with LedgerReader(path) as reader, pytest.raises(LedgerError, match="cannot be read"):
        reader.record(order.token)
    with LedgerReader(path) as reader, pytest.raises(LedgerError, match="cannot be read"):
        list(reader.glances("demo-1"))
    for axes in (False, True):
        with LedgerReader(path) as reader, pytest.raises(LedgerError, match="cannot be read"):
            list(reader.outcomes("demo-1", axes=axes))


@pytest.mark.parametrize(
    "damage",
    ["message = x'ff00'", "fingerprint = x'00'", "seed = 'abc'", "duration_s = 'abc'"],
)
def test_what_is_of_another_kind_than_its_column_is_damage(ledger: Ledger, path: str, damage: str) -> None:
    ledger.commit(whole(make_order(), Verdict.FAIL))
    ledger.commit(whole(make_order(1)))
    ledger._db.execute(f"UPDATE attempt SET {damage} WHERE key = 'c1#0'")
    asked = 0
    for ask in ("trials", "outcomes", "glances"):
        with LedgerReader(path) as reader, suppress(LedgerError):
            list(getattr(reader, ask)("demo-1"))
            asked += 1
    assert asked < 3  # not every question has every column


def test_a_run_that_took_for_ever_is_damage(ledger: Ledger, path: str) -> None:
    ledger.commit(whole(make_order()))
    ledger._db.execute("UPDATE attempt SET duration_s = 9e999")
    with LedgerReader(path) as reader, pytest.raises(LedgerError, match="took inf"):
        list(reader.glances("demo-1"))


def test_walking_through_many_runs_costs_constant_memory(ledger: Ledger, path: str) -> None:
    for start in range(0, 8_000, 2_000):
        ledger.commit([change for n in range(start, start + 2_000) for change in whole(make_order(n))])
    with LedgerReader(path) as reader:
        next(reader.deciding_attempts("demo-1"))
        next(reader.glances("demo-1"))
        next(reader.outcomes("demo-1", axes=True))
        tracemalloc.start()
        assert sum(1 for _ in reader.deciding_attempts("demo-1")) == 8_000
        assert sum(1 for _ in reader.glances("demo-1")) == 8_000
        assert sum(1 for _ in reader.outcomes("demo-1", axes=True)) == 8_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3_000_000
