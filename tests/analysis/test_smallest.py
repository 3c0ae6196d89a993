"""Of several minimizations of one failure the smallest counts, whichever came last."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from campaign.analysis.smallest import counts, in_runs, in_words, smallest


def told(result: Any, by: str = "parameters", *, smaller: bool = True) -> dict[str, Any]:
    return {"by": by, "result": result, "smaller": smaller}


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ({"keys": 9}, {"keys": 10}),
        ({"duration": "900ms"}, {"duration": "1s"}),
        ({"duration": "1s", "keys": 500}, {"duration": "2s", "keys": 1}),
        ({"size": "1KiB", "keys": 1}, {"size": "1KiB", "keys": 2}),
        ({"rate": 0.5}, {"rate": 2}),
        ({"faults": ["a"]}, {"faults": ["b", "c"]}),
        ({"operations": 3, "of": 9, "trace": "z"}, {"operations": 4, "of": 9, "trace": "a"}),
    ],
)
def test_the_smaller_one_counts_in_whatever_order(small: Any, large: Any) -> None:
    assert smallest([told(small), told(large)]) == told(small)
    assert smallest([told(large), told(small)]) == told(small)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (told({"keys": 1}), told({"threads": 9})),
        (told({"keys": 1, "threads": 2}), told({"threads": 2, "keys": 9})),
        (told({"parameter": "a", "lines": 1}, "ddmin"), told({"parameter": "b", "lines": 2}, "ddmin")),
        (told({"keys": 1}), told({"keys": 9}, "other.way")),
        (told({"keys": 1}), told({"keys": "x"})),
        (told({"keys": "1s"}), told({"keys": "2MiB"})),
        (told({"keys": 1}), told(None)),
    ],
)
def test_of_what_cannot_be_compared_the_last_one_counts(first: Any, last: Any) -> None:
    assert smallest([first, last]) == last
    assert smallest([last, first]) == first


def test_what_made_nothing_smaller_takes_no_place() -> None:
    for each in permutations([told({"keys": 90}, smaller=False), told({"keys": 8}), told({"keys": 7})]):
        assert smallest(each) == told({"keys": 7})
    assert smallest([]) is None
    assert counts({}, None)
    assert not counts({}, told({"keys": 8}))


def test_what_it_came_to_in_words() -> None:
    assert in_words({"threads": 1, "duration": "10ms"}) == "threads = 1, duration = 10ms"
    assert in_words({"faults": ["a", "b"]}) == "faults = a, b"
    assert in_words({"operations": 3, "of": 1200, "trace": "/a/b"}) == "3 of 1,200 operations"
    assert in_words({"parameter": "input", "lines": 2, "of": 16, "file": "/a"}) == "2 of 16 lines of input"


def test_runs_are_counted_in_words() -> None:
    assert [in_runs(each) for each in (1, 2, 1000)] == ["1 run", "2 runs", "1,000 runs"]
