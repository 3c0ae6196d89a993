"""The oracle ``json.value``."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.plugins.api import UnableError
from campaign_standard import json as plugin
from campaign_standard.json import JsonValue, MissingError, resolve

from .evidence import evidence, judge

DOCUMENT = {"a": {"b": [1, {"c/d": "x"}]}, "n": 2.5, "ok": True, "none": None, "big": 10**30, "third": "0.1"}


def check(tmp_path: Path, text: str, **settings: Any) -> tuple[bool, str]:
    seen = evidence(tmp_path)
    Path(seen.work, "r.json").write_text(text)
    found = judge(JsonValue(), seen, file="r.json", **settings)
    return found.ok, found.message


@pytest.mark.parametrize(
    ("settings", "ok"),
    [
        ({"pointer": "/a/b/0", "equals": "1"}, True),
        ({"pointer": "a.b.0", "equals": "1"}, True),
        ({"pointer": "/a/b/1/c~1d", "equals": "x"}, True),
        ({"pointer": "/a/b/1/c~1d", "equals": "y"}, False),
        ({"pointer": "/a/b/2"}, False),
        ({"pointer": "/a/b/-1"}, False),
        ({"pointer": "/a/b/x"}, False),
        ({"pointer": "/none"}, True),
        ({"pointer": "/none", "equals": "null"}, True),
        ({"pointer": "/ok", "equals": "true"}, True),
        ({"pointer": "/ok", "min": Fraction(0)}, False),
        ({"pointer": "/n", "min": Fraction(5, 2), "max": Fraction(5, 2)}, True),
        ({"pointer": "/n", "equals": "2.5"}, True),
        ({"pointer": "/n", "max": Fraction(2)}, False),
        ({"pointer": "/n", "min": 3}, False),
        ({"pointer": "/big", "min": 10**30}, True),
        ({"pointer": "/third", "min": 0}, False),
        ({}, True),
    ],
)
def test_values(tmp_path: Path, settings: dict[str, Any], ok: bool) -> None:
    found, message = check(tmp_path, json.dumps(DOCUMENT), **settings)
    assert found is ok, message


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "[" * 100_000, "\x00", "1e999999999"])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    ok, message = check(tmp_path, text, min=0)
    assert not ok
    assert message.startswith("r.json is not JSON")


def test_decimals_are_exact(tmp_path: Path) -> None:
    assert check(tmp_path, "0.1", min=Fraction(1, 10), max=Fraction(1, 10))[0]


def test_a_file_that_is_missing_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = evidence(tmp_path)
    assert judge(JsonValue(), seen, file="r.json").message == "r.json does not exist"
    monkeypatch.setattr(plugin, "MAX_BYTES", 10)
    with pytest.raises(UnableError, match="is larger than"):
        check(tmp_path, json.dumps(DOCUMENT))


@given(st.dictionaries(st.text("a/~.0", max_size=3), st.integers(), max_size=5))
def test_a_pointer_reaches_every_key(document: dict[str, int]) -> None:
    for key, value in document.items():
        assert resolve(document, "/" + key.replace("~", "~0").replace("/", "~1")) == value
    with pytest.raises(MissingError):
        resolve(document, "/nobody")
