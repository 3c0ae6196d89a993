"""An overview holds what its pictures show, in bounded room, and counts what it leaves out."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaign.analysis import distributions
from campaign.analysis.distributions import read_number
from campaign.analysis.overview import overview_of
from campaign.analysis.timeline import INTERVALS
from campaign.records import FaultExit, Sample, WatchExit
from campaign.records.overview import Choice

NOW = "2026-11-20T11:00:00.000Z"
BEGUN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def at(seconds: float) -> str:
    return (BEGUN + timedelta(seconds=seconds)).isoformat()


def timed(glance: Any, start: float, end: float | None, verdict: str | None = "pass", **changes: Any) -> Any:
    took = None if end is None else end - start
    finished = None if end is None else at(end)
    return glance({}, verdict, started_at=at(start), finished_at=finished, duration_s=took, **changes)


def test_failures_are_listed_first_and_the_rest_is_counted(glance: Any, row: Any) -> None:
    runs = [glance({"n": n}, "fail" if n % 3 == 0 else "pass") for n in range(60)]
    found = overview_of(row, runs, Choice(runs=10), NOW)
    assert [line.verdict for line in found.runs] == ["fail"] * 8 + ["pass"] * 2
    assert (found.others_left_out, found.passed_left_out, found.attempts) == (12, 38, 60)
    assert found.runs[0].evidence == "m/seed-1/attempt-1"


def test_a_timeline_of_few_attempts_has_bars_by_slot(glance: Any, row: Any) -> None:
    runs = [timed(glance, 0, 4, granted={"gpu": (1,)}), timed(glance, 2, None, None, granted={"gpu": (0,)})]
    found = overview_of(row, runs, Choice(), at(10)).timeline
    assert found is not None
    assert [(lane.name, [(bar.start_s, bar.end_s) for bar in lane.bars]) for lane in found.lanes] == [
        ("gpu 0", [(2, 10)]),
        ("gpu 1", [(0, 4)]),
    ]
    assert found.length_s == 10
    assert sum(tally.passed for tally in found.ended) == 1


def test_attempts_without_slots_stand_in_places_that_are_free(glance: Any, row: Any) -> None:
    runs = [timed(glance, 0, 4), timed(glance, 1, 2), timed(glance, 2, 3), timed(glance, 5, 6)]
    found = overview_of(row, runs, Choice(), NOW).timeline
    assert found is not None
    assert [[bar.start_s for bar in lane.bars] for lane in found.lanes] == [[0, 5], [1, 2]]


@pytest.mark.parametrize("seconds", [0.01, 7, 100, 10_000, 10_000_000])
def test_a_timeline_of_any_length_has_bounded_intervals_that_count_everything(
    glance: Any, row: Any, seconds: float
) -> None:
    runs = [timed(glance, n * seconds / 100, (n + 1) * seconds / 100, granted={"s": (0,)}) for n in range(100)]
    found = overview_of(row, runs, Choice(bars=10), NOW).timeline
    assert found is not None
    assert len(found.ended) <= INTERVALS
    assert sum(tally.passed for tally in found.ended) == 100
    assert sum(found.running) * found.interval_s == pytest.approx(seconds)
    assert found.lanes[0].bars == ()
    assert max(found.lanes[0].busy) <= 1


def test_a_clock_that_went_backwards_breaks_nothing(glance: Any, row: Any) -> None:
    found = overview_of(row, [timed(glance, -50, -40), timed(glance, 5, 3)], Choice(), NOW).timeline
    assert found is not None
    assert found.attempts == 2


def test_distributions_of_durations_and_metrics(glance: Any, row: Any) -> None:
    runs = [glance({}, "fail" if n == 99 else "pass", duration_s=float(n), metrics={"ops": str(n)}) for n in range(100)]
    duration, ops = overview_of(row, runs, Choice(), NOW).distributions
    assert (duration.metric, duration.unit, ops.metric, ops.unit) == ("duration", "s", "ops", "")
    assert (ops.least, ops.median, ops.p95, ops.greatest, ops.mean) == (0, 49, 94, 99, 49.5)
    assert (sum(each.passed for each in ops.bins), sum(each.others for each in ops.bins)) == (99, 1)


def test_a_large_distribution_is_sampled_the_same_way_each_time(
    glance: Any, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributions, "SAMPLE", 300)
    runs = [glance({}, duration_s=float(n)) for n in range(900)]
    first, second = (overview_of(row, runs, Choice(), NOW).distributions[0] for _ in range(2))
    assert first == second
    assert (first.count, first.sampled, first.least, first.greatest) == (900, 300, 0, 899)
    assert first.median == pytest.approx(450, rel=0.15)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.5", (12.5, "")), ("850mV", (0.85, "V")), ("1m30s", (90.0, "s")), ("nan", (None, "")), ("inf", (None, ""))],
)
def test_metrics_are_numbers_in_the_base_unit(text: str, number: Any) -> None:
    assert read_number(text) == number


def test_what_is_no_number_is_left_alone(glance: Any, row: Any) -> None:
    found = overview_of(row, [glance({}, duration_s=None, metrics={"x": "many", "y": "1e999"})], Choice(), NOW)
    assert found.distributions == ()


def test_few_cells_are_a_table_and_many_are_told_by_axis(glance: Any, row: Any) -> None:
    few = [
        glance({"journal": j, "sync": s}) for j in ("wal", "off") for s in ("full", "off") if (j, s) != ("off", "off")
    ]
    (matrix,) = overview_of(row, few, Choice(), NOW).matrices
    assert (matrix.columns, [each.labels for each in matrix.rows]) == (("full", "off"), [("wal",), ("off",)])
    assert matrix.rows[1].cells[1] is None
    many = [glance({"v": n % 40, "f": n // 40}, "fail" if n < 40 else "pass") for n in range(1600)]
    (matrix,) = overview_of(row, many, Choice(), NOW).matrices
    assert matrix.rows == ()
    assert [margin.name for margin in matrix.margins] == ["v", "f"]
    assert matrix.margins[1].shares[0].tally.failed == 40


def test_memory_does_not_grow_with_the_runs(glance: Any, row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributions, "SAMPLE", 100)

    def peak(count: int) -> int:
        runs = (
            glance({"v": n % 10, "f": n // 10 % 20}, "fail" if n % 3 else "pass", key=f"m#{n}", metrics={"ops": str(n)})
            for n in range(count)
        )
        tracemalloc.start()
        overview_of(row, runs, Choice(bars=100, runs=100), NOW)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(2_500) < 1.3 * peak(500)


def test_huge_names_take_bounded_room(glance: Any, row: Any) -> None:
    runs = [
        glance({"x": "a" * 1_000_000 + str(n)}, "fail", instance="b" * 1_000_000, reason="c" * 9999) for n in range(3)
    ]
    found = overview_of(row, runs, Choice(), NOW)
    assert len({share.value for share in found.matrices[0].margins[0].shares}) == 3
    assert len(repr(found)) < 20_000


# --- what watches saw -------------------------------------------------------------------------------------------------


def watched(glance: Any, verdict: str = "pass", **changes: Any) -> Any:
    samples = (Sample(0.1, True), Sample(1.2, False), Sample(1.5, True), Sample(2.0, None))
    seen = WatchExit("ping", "srv.ping", 40, first_at_s=0.1, last_at_s=2.5, changes=samples)
    faults = (FaultExit("stop", "process.stop", 1.0, 1.0, None, 1.2), FaultExit("late", "process.stop", 9.0))
    return glance({}, verdict, duration_s=3.0, faults=faults, watches=(seen,), **changes)


def test_what_a_watch_saw_is_there_with_the_faults_that_came(glance: Any, row: Any) -> None:
    (found,) = overview_of(row, [watched(glance), glance({}, "pass")], Choice(), NOW).watched
    assert [(each.label, each.injected_s, each.detected_s, each.recovered_s) for each in found.faults] == [
        ("stop", 1.0, 1.2, None)
    ]
    (seen,) = found.watches
    assert (seen.first_s, seen.last_s, seen.troubles) == (0.1, 2.5, ((1.2, 1.5), (2.0, 2.5)))
    assert found.length_s == 3.0


def test_few_watched_attempts_are_drawn_those_that_did_not_pass_first(glance: Any, row: Any) -> None:
    found = overview_of(row, [watched(glance, "fail" if n % 2 else "pass") for n in range(100)], Choice(), NOW)
    assert [each.verdict for each in found.watched] == ["fail"] * 16 + ["pass"] * 8
    assert found.watched_left_out == 76
