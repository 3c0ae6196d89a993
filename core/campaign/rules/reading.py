"""YAML text to nodes that know their places, and nothing more: no object is ever built from a tag.

ruamel.yaml's parser of YAML 1.2 gives events one by one; they are counted while they come, so that a hostile file is
given up long before it costs anything.  Keys are texts, each once; an alias is what its anchor stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeAlias

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from campaign.diagnostics import CampaignError, Diagnostic, Related, Span
from campaign.language.names import shown
from campaign.language.source import MAX_ERRORS, Source, read_source
from campaign.units import UnitError, parse_number

#: A rule set is written by people; its parser is slow, and a larger file would be a mistake or an attack.
MAX_BYTES = 1 << 16
MAX_DEPTH = 24
MAX_NODES = 10_000
#: Uses of anchors; each counts as many nodes as it stands for.
MAX_ALIASES = 100

#: What plain words mean (YAML 1.2, core schema, without what no limit may be: hex, octal, infinities, NaN, exponents).
_CONSTANTS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_NUMBER_START = frozenset("+-.0123456789")


class Scalar(Struct, frozen=True):
    """A text; ``plain`` where it stands without quotes, so that it may be a number.  ``start`` is its first offset.

    ``raw`` is how it stands in the file, quotes and all.
    """

    text: str
    plain: bool
    span: Span
    start: int
    raw: str

    @property
    def value(self) -> Any:
        """What YAML means by it: a text, ``true`` and ``false``, None, a whole number or an exact decimal."""
        if not self.plain:
            return self.text
        if self.text in _NULLS:
            return None
        if self.text in _CONSTANTS:
            return _CONSTANTS[self.text]
        if self.text[0] in _NUMBER_START:
            try:
                number: int | Fraction = parse_number(self.text)
            except (UnitError, ValueError):
                return self.text
            return number
        return self.text


class Items(Struct, frozen=True):
    """A list."""

    items: tuple[Node, ...]
    span: Span


class Entries(Struct, frozen=True):
    """A mapping; ``keys`` are the places of its keys."""

    entries: dict[str, Node]
    keys: dict[str, Scalar]
    span: Span


Node: TypeAlias = Scalar | Items | Entries


class Document(Struct, frozen=True):
    """A file's text and its one mapping."""

    source: Source
    root: Entries


def read_document(path: str, data: bytes) -> tuple[Document | None, list[Diagnostic]]:
    """The document in ``data``; None where it cannot be read, every reason at its place."""
    if len(data) > MAX_BYTES:
        summary = f"the file is {len(data):,} bytes long; a rule set has at most {MAX_BYTES:,}"
        return None, [Diagnostic("CAMP304", summary, Span(path, 1, 1, 1, 1))]
    source, found = read_source(path, data)
    if source is None or found:
        return None, found
    builder = _Builder(source)
    try:
        root = builder.document()
    except CampaignError as error:
        return None, [*builder.found, *error.diagnostics]
    if builder.found:
        return None, builder.found
    return Document(source, root), []


class _Builder:
    """Makes nodes of events, without recursion; what is wrong with one node is collected, the rest is still read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = self._aliases = 0

    def document(self) -> Entries:
        root: Node | None = None
        for event in self._events():
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and root is not None:
                raise self._refused("a rule set is one document; this is another one", event)
            if kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent", "AliasEvent"):
                root = self._node(event, self._iterator)
        if not isinstance(root, Entries):
            span = Span(self.source.path, 1, 1, 1, 1) if root is None else root.span
            hint = "write `name: …` first"
            raise CampaignError([Diagnostic("CAMP301", "a rule set is a mapping of keys to values", span, hint)])
        return root

    def _events(self) -> Iterator[Any]:
        """The parser's events; raises CampaignError for what is no YAML."""
        self._iterator = iter(YAML(typ="safe", pure=True).parse(self.source.text))
        while True:
            try:
                yield next(self._iterator)
            except StopIteration:
                return
            except YAMLError as error:
                raise self._broken(error) from None

    def _next(self, events: Iterator[Any]) -> Any:
        try:
            return next(events)
        except YAMLError as error:
            raise self._broken(error) from None

    # --- nodes

    def _node(self, event: Any, events: Iterator[Any], depth: int = 0) -> Node:
        self._count(event, depth)
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        before = self._nodes
        if event.ctag is not None:
            raise self._refused("tags have no meaning in a rule set", event, "CAMP304", "take it out")
        if kind == "ScalarEvent":
            node: Node = self._scalar(event)
        elif kind == "SequenceStartEvent":
            node = self._items(event, events, depth)
        else:
            node = self._entries(event, events, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before + 1)
        return node

    def _count(self, event: Any, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise self._refused(f"a rule set is at most {MAX_DEPTH} levels deep", event, "CAMP304")
        if self._nodes > MAX_NODES:
            raise self._refused(f"a rule set has at most {MAX_NODES:,} values", event, "CAMP304")

    def _alias(self, event: Any) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._refused(f"a rule set has at most {MAX_ALIASES} aliases", event, "CAMP304")
        if event.anchor not in self._anchors:
            raise self._refused(f"there is no anchor &{shown(event.anchor)} before this", event)
        node, size = self._anchors[event.anchor]
        self._nodes += size
        self._count(event, 0)
        return node

    def _scalar(self, event: Any) -> Scalar:
        start, end = event.start_mark.index, event.end_mark.index
        if event.anchor is not None and event.style is None:  # its mark stands at the anchor
            start = max(start, end - len(event.value))
        return Scalar(event.value, event.implicit[0], self._span(start, end), start, self.source.text[start:end])

    def _items(self, event: Any, events: Iterator[Any], depth: int) -> Items:
        items: list[Node] = []
        while type(inner := self._next(events)).__name__ != "SequenceEndEvent":
            items.append(self._node(inner, events, depth + 1))
        return Items(tuple(items), self._span(event.start_mark.index, inner.end_mark.index))

    def _entries(self, event: Any, events: Iterator[Any], depth: int) -> Entries:
        entries: dict[str, Node] = {}
        keys: dict[str, Scalar] = {}
        while type(inner := self._next(events)).__name__ != "MappingEndEvent":
            key = self._node(inner, events, depth + 1)
            value = self._node(self._next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                self._report(Diagnostic("CAMP301", "a key is a text", key.span))
            elif key.text in keys:
                related = (Related(keys[key.text].span, "given here first"),)
                self._report(Diagnostic("CAMP303", f"{shown(key.text)} is given twice", key.span, None, related))
            else:
                keys[key.text], entries[key.text] = key, value
        return Entries(entries, keys, self._span(event.start_mark.index, inner.end_mark.index))

    # --- what is wrong

    def _report(self, diagnostic: Diagnostic) -> None:
        if len(self.found) < MAX_ERRORS:
            self.found.append(diagnostic)

    def _refused(self, summary: str, event: Any, code: str = "CAMP300", hint: str | None = None) -> CampaignError:
        span = self._span(event.start_mark.index, event.end_mark.index)
        return CampaignError([Diagnostic(code, summary, span, hint)])

    def _broken(self, error: YAMLError) -> CampaignError:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
        at = min(mark.index, len(self.source.text)) if mark is not None else 0
        hint = "indent with spaces" if "'\\t'" in problem else None
        context = getattr(error, "context", None) if isinstance(error, MarkedYAMLError) else None
        summary = f"this is no YAML: {f'{context}, ' if context else ''}{problem}"
        return CampaignError([Diagnostic("CAMP300", summary, self._span(at, at + 1), hint)])

    def _span(self, start: int, end: int) -> Span:
        """The place of a node, without the line end and the blanks behind it."""
        text = self.source.text
        while end > start + 1 and text[end - 1 : end].isspace():
            end -= 1
        return self.source.span(start, min(end, len(text)))
