"""The one layout of a spec.

Two spaces a level, one clause a line, at most one blank line where one was, ``=`` aligned in neighbouring settings
and in neighbouring sweeps.  Blocks stay on one line where they stood on one and fit; line breaks inside brackets stay
where they are; comments stay on their line.  Only the space between tokens changes, so the tree cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, takewhile

from msgspec import Struct

from campaign.diagnostics import CampaignError, failed
from campaign.language.parser import read
from campaign.language.source import Source
from campaign.language.spacing import joined
from campaign.language.tokens import END, NEWLINE, Token

#: A block that would make its line longer than this is written over several.
WIDTH = 100
_INDENT = "  "
_OPENING, _CLOSING = frozenset(("LPAR", "LSQB")), frozenset(("RPAR", "RSQB"))


class _Entry(Struct):
    """A clause or a comment that has its own line, and what belongs to it.

    ``head`` is all before the block; ``aside`` is the comment behind ``{`` and ``trailing`` the one at the end.
    """

    head: list[Token]
    blank_before: bool
    block: list[_Entry] | None = None
    one_line: bool = False
    aside: Token | None = None
    trailing: Token | None = None


def format_source(source: Source) -> str:
    """The canonical text of a spec; raises CampaignError with its diagnostics for one that does not parse."""
    run, _, problems = read(source)
    if failed(problems):
        raise CampaignError(problems)
    entries = _Reader(source, sorted([*run.tokens, *run.layout.comments], key=lambda token: token.start)).entries()
    return "".join(line.rstrip() + "\n" for line in _lines(source, entries, ""))


class _Reader:
    """Groups tokens and comments into entries."""

    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self._text = source.text
        self._tokens = tokens
        self._next = 0

    def entries(self) -> list[_Entry]:
        """The entries up to the end of the block."""
        found: list[_Entry] = []
        while (token := self._tokens[self._next]).kind not in ("RBRACE", END):
            if token.kind in (NEWLINE, "SEMICOLON"):
                self._next += 1
            elif token.kind == "COMMENT" and found and not self._breaks_before(self._next):
                found[-1].trailing = self._take()
            else:
                found.append(self._entry(bool(found)))
        return found

    def _entry(self, blank_allowed: bool) -> _Entry:
        entry = _Entry([], blank_allowed and self._breaks_before(self._next, 2))
        depth = 0
        while (token := self._tokens[self._next]).kind not in (NEWLINE, "SEMICOLON", "LBRACE", "RBRACE", END):
            if token.kind == "COMMENT" and depth == 0 and entry.head:
                return entry  # it trails, the caller takes it
            depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
            entry.head.append(self._take())
            if token.kind == "COMMENT" and depth == 0:
                return entry
        if token.kind == "LBRACE":
            self._block(entry)
        return entry

    def _block(self, entry: _Entry) -> None:
        opening = self._take()
        if self._tokens[self._next].kind == "COMMENT" and not self._breaks_before(self._next):
            entry.aside = self._take()
        entry.block = self.entries()
        closing = self._take()
        entry.one_line = "\n" not in self._text[opening.start : closing.start]

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _breaks_before(self, number: int, count: int = 1) -> bool:
        """Whether ``count`` line ends part a token from the one before it that is no line end."""
        end = self._tokens[number].start
        while number and self._tokens[number - 1].kind == NEWLINE:
            number -= 1
        start = self._tokens[number - 1].end if number else 0
        return self._text.count("\n", start, end) >= count


# --- writing


def _lines(source: Source, entries: Sequence[_Entry], indent: str) -> Iterator[str]:
    """The lines of a block's entries."""
    shorts = [_short(source, entry, indent) for entry in entries]
    for entry, short, width in zip(entries, shorts, _widths(entries, shorts), strict=True):
        if entry.blank_before:
            yield ""
        if short is None:
            yield from _long(source, entry, indent)
        else:
            before = len(_left(entry)) if width else 0
            yield indent + short[:before].ljust(width) + short[before:] + _behind(entry.trailing)


def _widths(entries: Sequence[_Entry], shorts: Sequence[str | None]) -> list[int]:
    """How far to the right each entry's ``=`` stands; 0 where nothing is aligned.

    Aligned are neighbours of one kind, each on one line, with neither a blank line nor a comment between them.
    """
    kinds = ["" if short is None else _alignment(entry) for entry, short in zip(entries, shorts, strict=True)]
    runs = accumulate(
        entry.blank_before or kind != before for entry, kind, before in zip(entries, kinds, ["", *kinds], strict=False)
    )
    widest: dict[tuple[int, str], int] = {}
    keys = list(zip(runs, kinds, strict=True))
    for key, entry in zip(keys, entries, strict=True):
        widest[key] = max(widest.get(key, 0), len(_left(entry)))
    return [widest[key] if key[1] else 0 for key in keys]


def _alignment(entry: _Entry) -> str:
    """The kind of entries that are aligned with this one; empty for none."""
    return entry.head[0].kind if entry.head[0].kind in ("SETTING", "SWEEP") else ""


def _left(entry: _Entry) -> str:
    """What stands before the ``=``."""
    return joined(list(takewhile(lambda token: token.kind != "EQUALS", entry.head)))


def _short(source: Source, entry: _Entry, indent: str) -> str | None:
    """The entry on one line, where it stood on one and fits."""
    text = _inline(source, entry)
    fits = text is not None and (entry.block is None or len(indent) + len(text) <= WIDTH)
    return text if fits else None


def _inline(source: Source, entry: _Entry) -> str | None:
    if "\n" in source.text[entry.head[0].start : entry.head[-1].end]:
        return None
    head = joined(entry.head, _explains(entry)).rstrip()
    if entry.block is None:
        return head
    if entry.aside or (entry.block and not entry.one_line):
        return None
    inner = [_inline(source, child) for child in entry.block]
    return f"{head} {{ {'; '.join(map(str, inner))} }}" if inner else f"{head} {{ }}"


def _explains(entry: _Entry) -> bool:
    return entry.head[0].kind == "EXPECT"


def _long(source: Source, entry: _Entry, indent: str) -> Iterator[str]:
    """The entry over several lines: those of its head, and its block."""
    *most, last = _head(source, entry, indent)
    yield from most
    if entry.block is None:
        yield last + _behind(entry.trailing)
        return
    yield f"{last} {{{_behind(entry.aside)}"
    yield from _lines(source, entry.block, indent + _INDENT)
    yield indent + "}" + _behind(entry.trailing)


def _head(source: Source, entry: _Entry, indent: str) -> Iterator[str]:
    """Line breaks inside brackets stay; a line is indented by the brackets that are open where it starts."""
    depth = 0
    for tokens in _broken(source, entry.head):
        closing = sum(1 for _ in takewhile(lambda token: token.kind in _CLOSING, tokens))
        comment = tokens.pop() if tokens[-1].kind == "COMMENT" else None
        text = joined(tokens, _explains(entry)) + _behind(comment) if tokens else _behind(comment).lstrip()
        yield indent + _INDENT * max(0, depth - closing) + text
        depth += sum((token.kind in _OPENING) - (token.kind in _CLOSING) for token in tokens)


def _broken(source: Source, head: Sequence[Token]) -> list[list[Token]]:
    """The tokens of a head, line by line."""
    lines = [[head[0]]]
    for before, token in pairwise(head):
        if "\n" in source.text[before.end : token.start]:
            lines.append([])
        lines[-1].append(token)
    return lines


def _behind(comment: Token | None) -> str:
    return f"  {comment.text.rstrip()}" if comment else ""
