"""What is secret in an order, and that nothing of it is left in a text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.records import (
    Directories,
    Order,
    StepOrder,
    is_secret,
    late,
    mask_json,
    mask_text,
    secrets_of,
    shown_environment,
)
from campaign.records.secrets import is_harmless


def order(*environments: dict[str, str], **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "token": "t",
        "epoch": 1,
        "campaign": "c-1",
        "campaign_name": "c",
        "key": "i#0",
        "id": "x",
        "attempt": 1,
        "instance": "i",
        "cell": "i",
        "seed": 0,
        "directories": Directories(public="/r", private="/p", work="/r/work"),
        "timeout_s": 1.0,
        "steps": tuple(StepOrder(label="a", tool="t", argv=("t",), env=env) for env in environments),
    }
    return Order(**fields | changes)


def test_the_values_of_masked_variables_wherever_they_are_set_longest_first() -> None:
    one = order({"A": "one"}, {"A": "longer", "B": ""}, masked=("A", "B", "C"), environment={"C": "third"})
    assert secrets_of(one) == ("longer", "third", "one")


def test_values_that_texts_hold_without_a_variable() -> None:
    assert secrets_of(order({"A": "one"}, secrets=("hunter2",))) == ("hunter2",)


def test_a_secret_of_several_lines_is_one_line_by_line_too() -> None:
    found = secrets_of(order({"PEM": "-----BEGIN-----\nabcdef\n12\n"}, masked=("PEM",)))
    assert {"-----BEGIN-----", "abcdef"} < set(found)
    assert "12" not in found
    assert mask_text("cannot read abcdef, 12", found) == "cannot read ***, 12"


def test_a_secret_is_met_as_json_writes_it() -> None:
    found = secrets_of(order({"A": 'say "friend"'}, masked=("A",)))
    assert mask_text('{"a":"say \\"friend\\""}', found) == '{"a":"***"}'


def test_late_values_are_not_part_of_a_secret() -> None:
    assert secrets_of(order({"A": f"hunter{late('slot.gpu')}"}, masked=("A",))) == ("hunter",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--token=hunter2secret", "--token=***"),
        ("it says hunter2s…", "it says ***…"),
        ("huntehunter2… is wrong", "hunte***… is wrong"),
        ("the hunt…", "the ***…"),
        ("the hun…", "the hun…"),
        ("the hunter sleeps…", "the hunter sleeps…"),
    ],
)
def test_texts_also_where_they_were_cut_short(text: str, expected: str) -> None:
    assert mask_text(text, ("hunter2secret",)) == expected


def test_json_with_its_keys() -> None:
    details = {"hunter2": [1, "a hunter2", {"x": ("hunter2", None, True)}]}
    assert mask_json(details, ("hunter2",)) == {"***": [1, "a ***", {"x": ["***", None, True]}]}


@given(st.text("ab…", min_size=1, max_size=8), st.text("ab… c", max_size=60))
def test_nothing_of_a_secret_is_left(secret: str, text: str) -> None:
    assert secret not in mask_text(text, (secret,))


def test_names_of_variables_their_values_are_not_shown() -> None:
    env = {"PATH": "/bin", "CAMPAIGN_SLOT_GPU": late("slot.gpu"), "CAMPAIGN_PARAM_X": "a hunter2"}
    assert shown_environment(env, {"slot.gpu": "0,1"}, ("hunter2",)) == {
        "PATH": "***",
        "CAMPAIGN_SLOT_GPU": "0,1",
        "CAMPAIGN_PARAM_X": "a ***",
    }


def test_only_campaigns_own_variables_are_harmless() -> None:
    assert is_harmless("CAMPAIGN_WORKDIR")
    assert not is_harmless("HOME")
    assert is_harmless("CAMPAIGN_PARAM_KEYS")
    assert is_secret("my_api_key")
