"""Two campaigns cell by cell: what every pair of cells comes to, and what the numbers say together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.analysis.comparison import Change, Compared, Comparison, by_name, compare, variant
from campaign.ledger.rows import Outcome


def make_outcome(cell: str, verdict: str, **changes: Any) -> Outcome:
    base: dict[str, Any] = {"instance": "m", "cell": cell, "seed": 1, "attempt": 1, "cause": "plan"}
    return Outcome(**{**base, "verdict": verdict, "duration_s": 2.0, "axes": {"x": cell}, **changes})


def runs(cell: str, verdicts: str, **changes: Any) -> list[Outcome]:
    """One run a letter, its seed the place: p, f, e(rror), c(anceled), and r: passed on a retry."""
    words = {"p": "pass", "f": "fail", "e": "error", "c": "canceled", "r": "pass"}
    found = []
    for seed, letter in enumerate(verdicts):
        retried = {"attempt": 2, "cause": "policy"} if letter == "r" else {}
        found.append(make_outcome(cell, words[letter], seed=seed, **retried, **changes))
    return found


def one(a: str, b: str) -> Compared:
    (found,) = compare(runs("c", a), runs("c", b), (by_name, by_name)).cells
    return found


@pytest.mark.parametrize(
    ("a", "b", "change"),
    [
        ("pp", "pp", Change.PASSING),
        ("pp", "pf", Change.REGRESSED),
        ("pf", "pp", Change.FIXED),
        ("ff", "fp", Change.STILL_FAILING),
        ("pp", "rp", Change.FLAKY),
        ("ff", "rp", Change.FLAKY),
        ("rr", "ff", Change.REGRESSED),
        ("pp", "", Change.NOT_RUN),
        ("pp", "ee", Change.NOT_RUN),
        ("pp", "cc", Change.NOT_RUN),
        ("", "pp", Change.NEW),
        ("ee", "pp", Change.NEW),
        ("", "pf", Change.NEW_FAILING),
        ("f" * 20 + "p" * 2, "p" * 20 + "f" * 2, Change.BETTER),
        ("p" * 20 + "f" * 2, "f" * 20 + "p" * 2, Change.WORSE),
    ],
)
def test_what_becomes_of_a_cell(a: str, b: str, change: Change) -> None:
    assert one(a, b).change is change


def test_errors_are_no_trials() -> None:
    found = one("pe", "pf")
    assert (found.a.trials, found.a.errors) == (1, 1)  # type: ignore[union-attr]
    assert found.difference == -0.5


def test_runs_are_paired_by_their_seeds() -> None:
    found = one("ppff", "pfpf")
    assert (found.fixed, found.regressed) == (1, 1)
    assert found.difference == 0.0


def test_many_cells_that_differ_by_chance_are_no_finding() -> None:
    """One cell in a hundred with p = 0.03 proves nothing: the chance is corrected for all that were looked at."""
    a = [run for number in range(100) for run in runs(f"c{number}", "ppppppff")]
    b = [run for number in range(100) for run in runs(f"c{number}", "fffffffp" if number == 7 else "ppppppff")]
    found = compare(a, b, (by_name, by_name))
    assert all(each.change is Change.STILL_FAILING for each in found.cells)
    assert all(each.chance == 1.0 for each in found.cells)


def test_the_whole_counts_common_cells_only() -> None:
    a = runs("both", "ppff") + runs("gone", "ffff")
    b = runs("both", "pppf") + runs("added", "ffff")
    overall = compare(a, b, (by_name, by_name)).overall
    assert overall.cells == 1
    assert (overall.a.rate, overall.b.rate) == (0.5, 0.75)
    assert (overall.pairs, overall.fixed, overall.regressed, overall.chance) == (4, 1, 0, 1.0)


def test_many_small_losses_are_one_regression() -> None:
    """No cell shows it, for each failed before; all together they do."""
    a = [run for number in range(16) for run in runs(f"c{number}", "ppppppppff")]
    b = [run for number in range(16) for run in runs(f"c{number}", "ppppppffff")]
    found = compare(a, b, (by_name, by_name))
    assert found.changes == {Change.STILL_FAILING: 16}
    assert found.overall.worse
    assert not compare(b, a, (by_name, by_name)).overall.worse


def test_what_takes_longer_is_found() -> None:
    a = [make_outcome(f"c{n}", "pass", seed=n, duration_s=1.0 + n / 100, metrics={"ops": "5"}) for n in range(30)]
    b = [make_outcome(f"c{n}", "pass", seed=n, duration_s=2.0 + n / 100, metrics={"ops": "5"}) for n in range(30)]
    first, second = compare(a, b, (by_name, by_name)).shifts
    assert (first.metric, first.effect, first.unit) == ("duration", 1.0, "s")
    assert first.chance < 1e-6
    assert (second.metric, second.effect, second.chance) == ("ops", 0.0, 1.0)


def test_runs_that_failed_are_not_timed() -> None:
    a = [make_outcome(f"c{n}", "pass", duration_s=1.0) for n in range(5)]
    b = [make_outcome(f"c{n}", "fail", duration_s=9.0) for n in range(5)]
    assert compare(a, b, (by_name, by_name)).shifts == ()


def test_variants_are_paired_by_all_other_axes() -> None:
    def cells(sync: str, verdict: str) -> list[Outcome]:
        return [make_outcome("", verdict, axes={"sync": sync, "n": n}, seed=n) for n in (1, 2)]

    found = compare(
        cells("off", "fail") + cells("full", "pass") + cells("normal", "pass"),
        cells("off", "fail") + cells("full", "pass"),
        (variant("sync", "off"), variant("sync", "full")),
    )
    assert [(each.cell, each.change) for each in found.cells] == [("m[n=1]", Change.FIXED), ("m[n=2]", Change.FIXED)]


def flat(found: Comparison) -> dict[str, tuple[Any, ...]]:
    return {each.cell: (each.a, each.b, each.fixed, each.regressed, each.difference) for each in found.cells}


VERDICTS = st.dictionaries(st.sampled_from("abcd"), st.text("pfecr", max_size=6), max_size=4)


@given(VERDICTS, VERDICTS)
def test_the_other_way_round_is_the_mirror(a: dict[str, str], b: dict[str, str]) -> None:
    def side(verdicts: dict[str, str]) -> list[Outcome]:
        return [run for cell, letters in verdicts.items() for run in runs(cell, letters)]

    there = compare(side(a), side(b), (by_name, by_name))
    back = compare(side(b), side(a), (by_name, by_name))
    mirrored = {
        cell: (two, one_, worse, better, None if difference is None else -difference)
        for cell, (one_, two, better, worse, difference) in flat(back).items()
    }
    assert flat(there) == mirrored
    assert there.overall.chance == back.overall.chance
    assert sum(there.changes.values()) == len({cell for cell in {**a, **b} if a.get(cell) or b.get(cell)})
