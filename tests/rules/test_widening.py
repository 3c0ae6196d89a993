"""Where a rule book allows more than an earlier one did."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.made import bound

from campaign.rules.limits import object_to
from campaign.rules.structs import RuleBook
from campaign.rules.widening import widened

BEFORE = """name: z
unbounded: deny
limits:
  voltage: {min: 800mV, max: 1100mV}
  method:  {in: [fft, matrixprod]}
guard:
  - {oracle: host.temperature, max: 95C, every: 1s}
"""


def book(text: str) -> RuleBook:
    found, wrong = bound({"z.yaml": text}, "z.yaml")
    assert found is not None, wrong
    return found.book


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("800mV", "0.8V", ()),
        ("800mV", "850mV", ()),
        ("1100mV", "1101mV", ("voltage: 800mV..1101mV, it was 800mV..1100mV",)),
        ("min: 800mV, ", "", ("voltage: at most 1100mV, it was 800mV..1100mV",)),
        ("voltage: {min: 800mV, max: 1100mV}", "frequency: {max: 1GHz}", ("voltage is no longer limited",)),
        ("{min: 800mV, max: 1100mV}", "{in: [900mV, 1V]}", ()),
        ("{min: 800mV, max: 1100mV}", "{in: [900mV, 2V]}", ("voltage: 900mV or 2V",)),
        ("min: 800mV, max: 1100mV", "min: 800, max: 1100", ("voltage: 800..1100",)),
        ("[fft, matrixprod]", "[fft]", ()),
        ("[fft, matrixprod]", "[fft, all]", ("method: fft or all, it was fft or matrixprod",)),
        ("{in: [fft, matrixprod]}", "{min: 1}", ("method: at least 1",)),
        ("unbounded: deny", "unbounded: allow", ("what no limit binds is no longer denied",)),
        ("max: 95C", "max: 120C", ("the guard host.temperature (max = 95C) every 1s is gone",)),
        ("every: 1s", "every: 500ms", ()),
        ("every: 1s", "every: 1m", ("the guard host.temperature",)),
        ("limits:", "limits:\n  n: {max: 3}", ()),
    ],
)
def test_what_allows_more_is_told_and_nothing_else(old: str, new: str, words: tuple[str, ...]) -> None:
    assert old in BEFORE
    found = list(widened(book(BEFORE), book(BEFORE.replace(old, new, 1))))
    assert len(found) == len(words), found
    for said, wanted in zip(found, words, strict=True):
        assert said.startswith(wanted)


ENDS = st.integers(-3, 3)
LIMITS = st.one_of(
    st.builds(lambda low, size: f"{{min: {low}, max: {low + size}}}", ENDS, st.integers(0, 3)),
    st.builds("{{min: {}}}".format, ENDS),
    st.builds("{{max: {}}}".format, ENDS),
    st.builds(lambda values: f"{{in: [{', '.join(map(str, values))}]}}", st.lists(ENDS, min_size=1, unique=True)),
)


@given(LIMITS, LIMITS)
def test_no_word_means_that_nothing_refused_is_taken_now(before: str, now: str) -> None:
    earlier, later = (book(f"name: z\nlimits: {{n: {limit}}}\n") for limit in (before, now))
    if not list(widened(earlier, later)):
        old, new = earlier.limits["n"], later.limits["n"]
        values = range(-9, 10)
        assert all(object_to(old, value) is None for value in values if object_to(new, value) is None)


@given(LIMITS)
def test_a_limit_is_not_wider_than_itself(limit: str) -> None:
    assert not list(widened(book(f"name: z\nlimits: {{n: {limit}}}\n"), book(f"name: z\nlimits: {{n: {limit}}}\n")))
