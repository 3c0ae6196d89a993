from __future__ import annotations

import os
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plan.matrix import cells
from campaign.plan.names import UnwritableError, directory_name, run_directory, value_text
from campaign.plugins.api import Reporter
from campaign.plugins.registry import Registry
from campaign.units import Quantity, Value, parse_quantity

from .made import axis, scenario


def names(*args: object) -> list[str]:
    return [cell.name for cell in cells(scenario(*args), 0)]  # type: ignore[arg-type]


def test_the_example_of_the_language() -> None:
    made = scenario("margin.cpu", axis("voltage", "850mV"), axis("frequency", "3.2GHz"))
    assert [cell.name for cell in cells(made, 0)] == ["margin.cpu[voltage=850mV,frequency=3.2GHz]"]


def test_placeholders_are_filled_and_other_axes_appended_in_order() -> None:
    assert names("a.{y}.b", axis("x", 1, 2), axis("y", "p"), axis("z", True)) == [
        "a.p.b[x=1,z=true]",
        "a.p.b[x=2,z=true]",
    ]


def test_a_quantity_is_written_in_the_unit_of_the_first_literal() -> None:
    assert names("a", axis("v", "850mV", "0.9V")) == ["a[v=850mV]", "a[v=900mV]"]
    assert names("a", axis("v", "0.9V", units=("mV",))) == ["a[v=900mV]"]
    assert names("a", axis("d", "1h30m", "2h")) == ["a[d=1h30m]", "a[d=2h]"]
    assert names("a", axis("d", "1h", "20m")) == ["a[d=1h]", "a[d=20m]"]
    assert names("a", axis("r", "90%", Fraction(1, 2))) == ["a[r=90%]", "a[r=50%]"]
    assert names("a", axis("r", Fraction(1, 2), "90%")) == ["a[r=0.5]", "a[r=0.9]"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10_000, "10000"),
        (Fraction(5, 10), "0.5"),
        (Fraction(2), "2"),
        (-3, "-3"),
        ("v1.2+b_c-d", "v1.2+b_c-d"),
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\n\t", '"a\\n\\t"'),
        ("\u202e\x1b", '"\\u{202E}\\u{1B}"'),
        ("größe", '"größe"'),
        ((1, "a b"), '[1,"a b"]'),
    ],
)
def test_values_are_shortest_exact_and_quoted_where_needed(value: Value, text: str) -> None:
    assert value_text(value, "") == text


def test_a_number_without_a_finite_form_is_refused() -> None:
    with pytest.raises(UnwritableError, match="1/3"):
        value_text(Fraction(1, 3))
    with pytest.raises(UnwritableError):
        value_text(Quantity(Fraction(1, 3), parse_quantity("1V").dimension, "V"))


def test_joint_axes_are_named_one_by_one() -> None:
    joint = axis("v,f", ("850mV", "3GHz"), ("900mV", "3.2GHz"))
    assert names("a.{f}", joint) == ["a.3GHz[v=850mV]", "a.3.2GHz[v=900mV]"]


def test_directories_keep_what_is_safe() -> None:
    assert directory_name("crash.wal-2.full") == "crash.wal-2.full"
    assert run_directory("margin", "margin", -3) == "margin/margin/seed--3"
    assert directory_name("a[b=1]") != directory_name("a(b=1)")


@given(st.text(max_size=400))
def test_a_directory_is_one_safe_segment(text: str) -> None:
    name = directory_name(text)
    assert 0 < len(name.encode()) <= 120
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-=,")
    assert os.path.normpath(os.path.join("/root", name)) == f"/root/{name}"
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize("text", ["..", ".", "", "../../etc", "/etc/passwd", "a/b", "-rf", "x" * 4000, "\0", "a\nb"])
def test_hostile_names_are_changed_and_told_apart(text: str) -> None:
    assert directory_name(text) != text
    assert directory_name(text) != directory_name(text + "x")


def test_a_file_of_a_campaign_is_no_directory_of_an_instance() -> None:
    reporters = Registry()
    found = [reporters.find("reporter", name) for name in reporters.names("reporter")]
    own = {each.filename for each in found if isinstance(each, Reporter)}
    assert own
    for name in own | {"plan.json", "host.json", "summary.json", "events.ldjson", "shmoo.svg", "shmoo.png"}:
        assert directory_name(name) != name
        assert directory_name(name).startswith(name)


@given(st.lists(st.text(max_size=150), unique=True, max_size=6))
def test_different_texts_never_share_a_directory(texts: list[str]) -> None:
    assert len({directory_name(text) for text in texts}) == len(texts)
