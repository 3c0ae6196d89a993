"""Mutated specs against the laws of the language; ``python tests/language/fuzz.py --seconds 600`` for a long run.

Whatever the input is: no exception, every diagnostic at a place inside the file, and what is clean stays the same
tree when it is formatted, and formats to itself.  The corpus is every spec and every case of this repository.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from campaign.diagnostics import failed
from campaign.language import syntax
from campaign.language.format import format_source
from campaign.language.parser import parse
from campaign.language.resolve import check
from campaign.language.source import MAX_ERRORS, Source, read_source
from campaign.plugins.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
PIECES = (
    *(
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\n",
        ";",
        "#",
        '"',
        "'",
        "/",
        "\\",
        "..",
        "=",
        "==",
        ":",
        ",",
        "-",
        " - ",
        " ",
        "{a}",
    ),
    *(
        "\r\n",
        "\t",
        "\0",
        "\u202e",
        "\ufeff",
        "é",
        "1in7",
        "5mV",
        "1h30m",
        "90%",
        "in",
        "not ",
        "step",
        "none",
        "\ud800",
    ),
    *("group a {", "instance {x}.b {", "sweep x = [1, 2]", "run t", "expect exit.ok", 'campaign "c" {', "tier q {"),
)


def corpus() -> list[str]:
    """Every spec and every case of the repository."""
    paths = [*ROOT.glob("specs/*.camp"), *ROOT.glob("tests/language/cases/**/*.camp")]
    return [path.read_bytes().decode("utf-8", "replace") for path in sorted(paths)]


def mutated(texts: Sequence[str], chance: random.Random) -> str:
    """A text of the corpus, changed in a few places."""
    text = chance.choice(texts)
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice((0, 0, 1, 2, 10, 60)))
        other = chance.choice(texts)
        cut = chance.randint(0, len(other))
        middle = chance.choice(
            (chance.choice(PIECES), "", text[start:end] * 2, other[cut : cut + chance.randint(1, 80)])
        )
        text = text[:start] + middle + text[end:]
    return text


def bare(node: Any) -> Any:
    """A tree without its places."""
    if isinstance(node, msgspec.Struct):
        fields = [name for name in node.__struct_fields__ if name != "span"]
        return (type(node).__name__, *(bare(getattr(node, name)) for name in fields))
    return tuple(map(bare, node)) if isinstance(node, tuple) else node


def examine(data: bytes) -> bool:
    """Assert the laws for one input; whether it was clean."""
    source, found = read_source("x.camp", data)
    if source is None:
        assert found
        return False
    tree, wrong = parse(source)
    assert len(wrong) <= MAX_ERRORS + 1
    for one in [*found, *wrong]:
        assert one.span is not None
        assert 1 <= one.span.line <= source.text.count("\n") + 1, one
        assert (one.span.line, one.span.column) <= (one.span.end_line, one.span.end_column), one
        assert "\n" not in one.summary, one
    if failed(found + wrong):
        return False
    _formats(source, tree)
    return True


def examine_checked(data: bytes) -> None:
    """Assert that the whole check of one input ends, too; an include or a rule set finds no file."""

    def read(path: str) -> bytes:
        if path == "x.camp":
            return data
        raise FileNotFoundError(2, "no such file", path)

    checked, found = check("x.camp", read, Registry())
    assert checked is not None or found
    assert all(one.span is None or one.span.line >= 1 for one in found)


def _formats(source: Source, tree: syntax.File) -> None:
    written = format_source(source)
    again = Source("x.camp", written)
    same, wrong = parse(again)
    assert not wrong, (written, wrong)
    assert bare(same) == bare(tree), written
    assert format_source(again) == written, written


def main() -> int:
    """Fuzz for a while; the input that breaks a law is printed and the status is 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    chance, texts, end = random.Random(arguments.seed), corpus(), time.monotonic() + arguments.seconds
    count = clean = 0
    while time.monotonic() < end:
        data = mutated(texts, chance).encode("utf-8", "surrogatepass")
        try:
            clean += examine(data)
            examine_checked(data)
        except Exception:
            traceback.print_exc()
            print(f"seed {arguments.seed}, input {count}: {data!r}")
            return 1
        count += 1
    print(f"seed {arguments.seed}: {count} inputs, {clean} of them clean, no law broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
