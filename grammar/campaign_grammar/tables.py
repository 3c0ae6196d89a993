"""The tables of the parser: the generated ones, or, where the grammar has changed since, made from it anew."""

from __future__ import annotations

import zlib
from functools import cache
from importlib import import_module
from os.path import dirname, join

import msgspec


class Tables(msgspec.Struct, frozen=True):
    """An LALR(1) parse table and its terminals.

    ``states[n]`` maps a symbol to the state to go to, or to the complement of the number of the rule to reduce by.
    A rule is (origin, number of symbols, shape); the shape says what becomes of each symbol: ``k`` kept, ``d``
    dropped, ``s`` spliced, and ``n`` for a None in place of an optional part that is not there.
    ``starts`` gives the first and the last state for each start symbol.
    """

    checksum: int
    starts: dict[str, tuple[int, int]]
    states: list[dict[str, int]]
    rules: list[tuple[str, int, str]]
    words: dict[str, str]
    signs: dict[str, str]
    patterns: list[tuple[str, str]]
    space: str


@cache
def load_tables() -> Tables:
    """The tables of this package's grammar; only a checkout whose grammar has changed pays for building them."""
    try:
        tables = msgspec.json.decode(import_module("campaign_grammar._generated").TABLES, type=Tables)
    except (ImportError, msgspec.DecodeError):
        return build_tables()
    return tables if tables.checksum == _checksum() else build_tables()


def build_tables() -> Tables:
    """The tables from the grammar's text; imports lark, which nobody else has to pay for."""
    generate = import_module("campaign_grammar.generate")
    return msgspec.convert(generate.tables(generate.PACKAGE), Tables)


def _checksum() -> int:
    """As in ``generate.checksum``, which cannot be imported without lark."""
    sources = b""
    for name in ("campaign.lark", "generate.py"):
        with open(join(dirname(__file__), name), "rb") as file:
            sources += file.read()
    return zlib.crc32(sources)
