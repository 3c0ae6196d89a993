"""Several rule sets as one: limits only ever tighten, whatever the order."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.made import bound, codes

from campaign.rules.files import Bound
from campaign.rules.limits import Given, limit_text, violations

BASE = "name: base\nlimits:\n  v: {min: 1, max: 10, why: sheet}\n  w: {max: 5}\n"


def book(files: dict[str, str], *names: str) -> Bound:
    found, wrong = bound(files, *names)
    assert found is not None, [str(each) for each in wrong]
    assert not wrong
    return found


def limits(files: dict[str, str], *names: str) -> dict[str, str]:
    return {key: limit_text(limit) for key, limit in book(files, *names).book.limits.items()}


def wrong(files: dict[str, str], *names: str) -> list[Any]:
    found, problems = bound(files, *names)
    assert found is None
    return problems


def test_limits_intersect() -> None:
    files = {"base.yaml": BASE, "a.yaml": "name: a\nextends: [base]\nlimits:\n  v: {min: 3, max: 20}\n"}
    assert limits(files, "a.yaml") == {"v": "3..10", "w": "at most 5"}
    v = book(files, "a.yaml").book.limits["v"]
    assert [(each.rule_set, str(each.span)) for each in v.origins] == [("a", "a.yaml:4:12"), ("base", "base.yaml:3:20")]


def test_values_intersect() -> None:
    files = {
        "a.yaml": "name: a\nlimits: {m: {in: [x, y, 1]}}\n",
        "b.yaml": "name: b\nlimits: {m: {in: [true, 1, y]}}\n",
    }
    assert limits(files) == {"m": "y or 1"}


def test_an_empty_intersection_names_both_sources() -> None:
    files = {"a.yaml": "name: a\nlimits:\n  v: {max: 3}\n", "b.yaml": "name: b\nlimits:\n  v: {min: 4}\n"}
    (problem,) = wrong(files)
    assert (problem.code, str(problem.span)) == ("CAMP312", "b.yaml:3:12")
    assert [str(each.span) for each in problem.related] == ["a.yaml:3:12"]
    assert "a and b" in problem.summary


def test_disjoint_values_are_empty_too() -> None:
    files = {"a.yaml": "name: a\nlimits: {m: {in: [x]}}\n", "b.yaml": "name: b\nlimits: {m: {in: [y]}}\n"}
    assert [each.code for each in wrong(files)] == ["CAMP312"]
    files = {"a.yaml": "name: a\nlimits: {m: {in: [1, 2]}}\n", "b.yaml": "name: b\nlimits: {m: {min: 3}}\n"}
    assert [each.code for each in wrong(files)] == ["CAMP312"]


def test_limits_of_two_dimensions_contradict() -> None:
    files = {"a.yaml": "name: a\nlimits:\n  v: {max: 3V}\n", "b.yaml": "name: b\nlimits:\n  v: {max: 4s}\n"}
    assert [each.code for each in wrong(files)] == ["CAMP312"]


def test_an_override_replaces_what_its_own_set_extends() -> None:
    wide = "name: wide\nextends: [base]\nlimits:\n  v: {max: 20, override: true, why: cooled}\n"
    files = {"base.yaml": BASE, "wide.yaml": wide}
    assert limits(files, "wide.yaml") == {"v": "at most 20", "w": "at most 5"}
    (override,) = book(files, "wide.yaml").book.overrides
    assert (override.key, override.origin.why, override.replaced[0].rule_set) == ("v", "cooled", "base")


def test_an_override_does_not_reach_sets_beside_it() -> None:
    wide = "name: wide\nextends: [base]\nlimits:\n  v: {max: 20, override: true, why: cooled}\n"
    files = {"base.yaml": BASE, "wide.yaml": wide, "other.yaml": "name: other\nlimits: {v: {max: 12}}\n"}
    assert limits(files, "wide.yaml", "other.yaml")["v"] == "at most 12"
    assert limits(files, "wide.yaml", "base.yaml")["v"] == "1..10"
    both = {**files, "both.yaml": "name: both\nextends: [wide, base]\n"}
    assert limits(both, "both.yaml")["v"] == "1..10"


def test_an_override_of_nothing_is_an_error() -> None:
    files = {"a.yaml": "name: a\nlimits:\n  v: {max: 20, override: true, why: so}\n"}
    assert codes(wrong(files)) == [("CAMP313", "3:3")]


def test_a_diamond_is_read_once() -> None:
    files = {
        "base.yaml": BASE + "guard:\n  - {oracle: t.o, every: 1s}\nskip:\n  - {cell: a, why: so}\n",
        "l.yaml": "name: l\nextends: [base]\n",
        "r.yaml": "name: r\nextends: [base]\nlimits: {w: {max: 4}}\n",
        "top.yaml": "name: top\nextends: [l, r]\n",
    }
    found = book(files, "top.yaml")
    assert (len(found.book.guards), len(found.book.skips)) == (1, 1)
    assert limit_text(found.book.limits["w"]) == "at most 4"
    assert sorted(found.files) == sorted(files)


def test_cycles_and_what_is_missing_are_errors() -> None:
    files = {"a.yaml": "name: a\nextends: [b]\n", "b.yaml": "name: b\nextends: [c, a]\n"}
    problems = wrong(files, "a.yaml")
    assert codes(problems) == [("CAMP311", "2:11"), ("CAMP310", "2:14")]
    assert "a.yaml -> b.yaml -> a.yaml" in problems[1].summary
    assert codes(wrong({"a.yaml": "name: a\nextends: [a]\n"}, "a.yaml")) == [("CAMP310", "2:11")]


def test_two_files_of_one_name_are_an_error() -> None:
    assert codes(wrong({"a.yaml": "name: x\n", "b.yaml": "name: x\n"})) == [("CAMP303", "1:7")]


def test_names_stand_beside_in_folders_and_above() -> None:
    files = {"lines/zen/zen.yaml": "name: zen\nextends: [base, up]\n", "lines/zen/base/base.yaml": "name: base\n"}
    files["lines/up.yaml"] = "name: up\n"
    assert sorted(book(files, "lines/zen/zen.yaml").files) == sorted(files)


def test_keyed_rules_give_way_to_higher_priority() -> None:
    rule = "triage:\n  - {id: t, when: 'exit.code == 1', cause: from-%s}\norphans: %s\n"
    files = {
        "a.yaml": "name: a\npriority: 5\n" + rule % ("a", "fail"),
        "b.yaml": "name: b\npriority: 1\n" + rule % ("b", "requeue"),
    }
    for names in (("a.yaml", "b.yaml"), ("b.yaml", "a.yaml")):
        found = book(files, *names).book
        assert found.names == ("b", "a")
        assert found.triage["t"].cause == "from-a"
        assert found.orphans is not None
        assert found.orphans.word == "fail"


def test_match_and_priority_are_not_inherited() -> None:
    files = {"base.yaml": "name: base\npriority: 9\nmatch: {min_cores: 4}\n", "a.yaml": "name: a\nextends: [base]\n"}
    found = book(files, "a.yaml")
    assert found.book.match == ()
    assert found.sets[0].rule_set.priority == 0


# --- laws -------------------------------------------------------------------------------------------------------

KEYS = ("v", "w", "type.int", "p.v")


@st.composite
def rule_sets(draw: st.DrawFn, name: str, extends: tuple[str, ...] = ()) -> str:
    """A rule set of integer limits; those of two sets may well contradict each other."""
    lines = [f"name: {name}", f"priority: {draw(st.integers(0, 2))}"]
    if extends:
        lines.append(f"extends: [{', '.join(draw(st.lists(st.sampled_from(extends), unique=True)))}]")
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    if keys:
        lines.append("limits:")
    for key in keys:
        low, high = sorted(draw(st.tuples(st.integers(0, 12), st.integers(0, 12))))
        ends = draw(
            st.sampled_from([f"min: {low}", f"max: {high}", f"min: {low}, max: {high}", f"in: [{low}, {high}]"])
        )
        lines.append(f"  {key}: {{{ends}}}")
    if draw(st.booleans()):
        lines.append("unbounded: deny")
    return "\n".join(lines) + "\n"


@st.composite
def families(draw: st.DrawFn) -> dict[str, str]:
    names = ("a", "b", "c", "d")
    return {f"{name}.yaml": draw(rule_sets(name, names[:n])) for n, name in enumerate(names)}


GIVEN = [
    Given(name, value, provider, "int") for name in ("v", "w") for value in range(-1, 14) for provider in (None, "p")
]


def refused(found: Bound) -> set[tuple[str, object, str | None]]:
    broken = violations(GIVEN, found.book.limits, found.book.unbounded)
    return {(each.given.name, each.given.value, each.given.provider) for each in broken}


@settings(max_examples=25)
@given(families())
def test_the_order_of_sets_side_by_side_does_not_matter(files: dict[str, str]) -> None:
    results = [bound(files, *names) for names in list(permutations(sorted(files)))[::7]]
    assert len({found is None for found, _ in results}) == 1
    texts = {str({k: limit_text(v) for k, v in sorted(f.book.limits.items())}) for f, _ in results if f is not None}
    assert len(texts) <= 1
    assert len({str(sorted(refused(found), key=str)) for found, _ in results if found is not None}) <= 1


@settings(max_examples=25)
@given(families())
def test_composing_never_widens(files: dict[str, str]) -> None:
    whole, _ = bound(files)
    if whole is None:
        return
    for name in files:
        alone, _ = bound(files, name)
        assert alone is not None, "a set that stands in a sound whole is sound"
        assert refused(alone) <= refused(whole)


@settings(max_examples=25)
@given(families())
def test_extending_never_widens(files: dict[str, str]) -> None:
    for path in files:
        child, _ = bound(files, path)
        if child is not None:
            for base in child.sets[0].bases:
                parent, _ = bound(files, base.rule_set.path)
                assert parent is not None
                assert refused(parent) <= refused(child)
