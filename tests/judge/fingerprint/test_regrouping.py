"""Rules about fingerprints: what is one, then what is told apart, in whatever order they are written."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from campaign.diagnostics import Span
from campaign.judge.fingerprint.regrouping import regrouped
from campaign.records import Directories, Order, RulesOrder
from campaign.rules.failures import merged, split
from campaign.rules.structs import Merge, Origin, RuleBook, Split

ORIGIN = Origin("z", Span("z.yaml", 1, 1, 1, 1))


def book(*same: tuple[str, ...], apart: tuple[tuple[str, str], ...] = ()) -> RuleBook:
    splits = tuple(Split(fingerprint=each, by=by, origin=ORIGIN) for each, by in apart)
    return RuleBook(merges=tuple(Merge(same=each, origin=ORIGIN) for each in same), splits=splits)


def order(rules: RuleBook | None, **changes: Any) -> Order:
    fields: dict[str, Any] = {
        **dict.fromkeys(("token", "campaign", "campaign_name", "key", "id", "instance", "cell"), "x"),
        "epoch": 1,
        "attempt": 1,
        "seed": 0,
        "timeout_s": 1.0,
        "steps": (),
        "directories": Directories("", "", ""),
    }
    known = None if rules is None else RulesOrder((), {}, merged=merged(rules), split=split(rules))
    return Order(**(fields | {"rules": known} | changes))


def test_without_rules_a_fingerprint_stays() -> None:
    assert regrouped("a", order(None)) == "a"
    assert regrouped("a", order(book())) == "a"


def test_what_is_one_goes_by_the_first_that_is_named() -> None:
    rules = book(("a", "b"), ("c", "b", "d"))
    assert {regrouped(each, order(rules)) for each in "abcd"} == {merged(rules).get("a", "a")}
    assert regrouped("e", order(rules)) == "e"


@pytest.mark.parametrize("rules", list(permutations((("a", "b"), ("b", "c"), ("d", "a")))))
def test_chains_are_one_in_any_order(rules: tuple[tuple[str, ...], ...]) -> None:
    found = merged(book(*rules))
    assert len({found.get(each, each) for each in "abcd"}) == 1


def test_what_is_told_apart_goes_by_its_values() -> None:
    rules = book(("a", "b"), apart=(("b", "Journal-Mode"), ("a", "cell")))

    def of(fingerprint: str, **changes: Any) -> str:
        return regrouped(fingerprint, order(rules, **changes))

    assert of("a", settings={"journal_mode": "wal"}) == of("b", settings={"journal_mode": "wal"})
    assert of("a", settings={"journal_mode": "wal"}) != of("a", settings={"journal_mode": "off"})
    assert of("a", cell="y") != of("a")
    assert of("a") == of("a", settings={"other": 1})
    assert len(of("a")) == 16


def test_nothing_is_told_apart_by_what_a_run_does_not_have() -> None:
    rules = book(apart=(("a", "nosuchaxis"), ("b", "nosuchaxis"), ("b", "cell")))
    assert regrouped("a", order(rules)) == "a"
    assert regrouped("b", order(rules)) == regrouped("b", order(book(apart=(("b", "cell"),))))
