"""The laws of ``fuzz.py`` under hypothesis: any text, any tokens, and specs that were tampered with."""

from __future__ import annotations

import random
import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.language.parser import parse, parse_expression
from campaign.language.source import Source

FUZZ = runpy.run_path(str(Path(__file__).with_name("fuzz.py")))
CORPUS = FUZZ["corpus"]()
TOKENS = (*FUZZ["PIECES"], "a", "b", "1", "x = 1", "..", "fault {", "a: b")


@given(st.text())
def test_any_text_gives_a_tree_and_diagnostics(text: str) -> None:
    FUZZ["examine"](text.encode("utf-8", "surrogatepass"))
    parse(Source("x", text))
    parse_expression(text, "x", 1, 1)


@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_any_tokens_give_a_tree_and_diagnostics(pieces: list[str]) -> None:
    FUZZ["examine"](" ".join(pieces).encode("utf-8", "surrogatepass"))
    FUZZ["examine"]("".join(pieces).encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_specs_break_no_law(chance: random.Random) -> None:
    FUZZ["examine"](FUZZ["mutated"](CORPUS, chance).encode("utf-8", "surrogatepass"))


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_specs_can_be_checked(chance: random.Random) -> None:
    FUZZ["examine_checked"](FUZZ["mutated"](CORPUS, chance).encode("utf-8", "surrogatepass"))


def test_the_fuzzer_runs_by_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--seconds", "0.2", "--seed", "1"])
    assert FUZZ["main"]() == 0
    assert "no law broken" in capsys.readouterr().out
