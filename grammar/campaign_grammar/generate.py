"""Turns ``campaign.lark`` into the tables that the parser runs on; written when the wheel is built.

Lark does the work: it reads the grammar, proves it LALR(1) and builds the parse table.  What comes out needs neither
lark nor this module: ``_generated.py`` holds the tables as one JSON text, which loads faster than Python code and
is never unpickled.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark import Lark
from lark.lexer import PatternStr, TerminalDef
from lark.parsers.lalr_analysis import LALR_Analyzer, Shift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lark.grammar import Rule

PACKAGE = Path(__file__).parent
STARTS = ("file", "expression")


class _Always:
    """Lark drops terminals that no rule uses unless a post-lexer accepts them; these only make errors precise."""

    always_accept = ("OTHER", "UNCLOSED_STRING", "COMMENT")

    def process(self, stream: Iterator[Any]) -> Iterator[Any]:
        return stream


def checksum(package: Path) -> int:
    """What tells tables of this grammar and this generator from stale ones."""
    return zlib.crc32((package / "campaign.lark").read_bytes() + (package / "generate.py").read_bytes())


def load(grammar: str) -> Lark:
    """The grammar as lark reads it; raises ``lark.exceptions.GrammarError`` for a conflict of any kind."""
    lark = Lark(grammar, parser="lalr", lexer="contextual", start=list(STARTS), postlex=_Always())
    analyzer: Any = LALR_Analyzer(lark.parser.parser_conf, strict=True)
    analyzer.compute_lalr()  # lark by itself lets a shift/reduce conflict pass in silence
    return lark


def tables(package: Path) -> dict[str, Any]:
    """The tables as plain data, see ``campaign_grammar.tables.Tables``; the same on every machine."""
    lark = load((package / "campaign.lark").read_text("utf-8"))
    table = lark.parser.parser._parse_table
    states = _numbered(table)
    rules = sorted({arg for row in table.states.values() for kind, arg in row.values() if kind is not Shift}, key=str)
    numbers = {rule: number for number, rule in enumerate(rules)}
    return {
        "checksum": checksum(package),
        "starts": {one: (states[table.start_states[one]], states[table.end_states[one]]) for one in STARTS},
        "states": [_row(table.states[state], states, numbers) for state in states],
        "rules": [(rule.origin.name, len(rule.expansion), _shape(rule)) for rule in rules],
        **_terminals(lark),
    }


def _numbered(table: Any) -> dict[int, int]:
    """Lark's states in the order in which they are reached; lark numbers them anew in every process."""
    found = {table.start_states[start]: number for number, start in enumerate(STARTS)}
    queue = list(found)
    for state in queue:
        for _, (kind, target) in sorted(table.states[state].items(), key=lambda one: one[0]):
            if kind is Shift and target not in found:
                found[target] = len(found)
                queue.append(target)
    return found


def _row(row: Mapping[str, tuple[Any, Any]], states: Mapping[int, int], rules: Mapping[Rule, int]) -> dict[str, int]:
    """The actions of one state: the state to go to, or the complement of the rule to reduce by."""
    return {
        symbol: states[row[symbol][1]] if row[symbol][0] is Shift else ~rules[row[symbol][1]] for symbol in sorted(row)
    }


def _shape(rule: Rule) -> str:
    """What becomes of each symbol: kept, dropped, spliced (rules that start with _); ``n`` puts in a None."""
    optional = "".join("n" if empty else "." for empty in rule.options.empty_indices or [False] * len(rule.expansion))
    symbols = iter(rule.expansion)
    return "".join(_fate(next(symbols)) if place == "." else place for place in optional)


def _fate(symbol: Any) -> str:
    if symbol.is_term:
        return "d" if symbol.filter_out else "k"
    return "s" if symbol.name.startswith("_") else "k"


def _terminals(lark: Lark) -> dict[str, Any]:
    literals = {terminal.pattern.value: terminal.name for terminal in lark.terminals if _is_literal(terminal)}
    literals = dict(sorted(literals.items()))
    patterns = [terminal for terminal in lark.terminals if not _is_literal(terminal)]
    patterns.sort(key=lambda one: (-one.priority, -one.pattern.max_width, -len(one.pattern.value), one.name))
    return {
        "words": {text: name for text, name in literals.items() if text[0].isalpha()},
        "signs": {text: name for text, name in literals.items() if not text[0].isalpha()},
        "patterns": [(one.name, one.pattern.to_regexp()) for one in patterns if one.name not in lark.ignore_tokens],
        "space": "|".join(one.pattern.to_regexp() for one in patterns if one.name in lark.ignore_tokens),
    }


def _is_literal(terminal: TerminalDef) -> bool:
    return isinstance(terminal.pattern, PatternStr)


def main() -> None:
    """Write ``_generated.py`` beside the grammar."""
    text = json.dumps(tables(PACKAGE), separators=(",", ":"))
    module = f'"""Made from campaign.lark by generate.py; not to be edited."""\n\nTABLES = {text!r}\n'
    (PACKAGE / "_generated.py").write_text(module, "utf-8")


if __name__ == "__main__":
    main()
