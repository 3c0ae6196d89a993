"""Look for patterns and metrics in an output, line by line, at a cost that does not depend on its length.

A block of whole lines is searched at once, and only where something is found in it are its lines looked at one by one;
so a pattern that never matches costs one search in 64 KiB.  Of a line at most ``LINE_BYTES`` are seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import re2
from msgspec.structs import replace

from campaign.records import MASK, MetricOrder, PatternOrder

LINE_BYTES = 1 << 16
#: Marks of a pattern whose meaning would change if it were searched in several lines at once.
_WHOLE_TEXT = ("\\A", "\\z", "\\Q", "\\C", "(?")
_VALUE_CHARS = 200
_MASK_PATTERN: str = re2.escape(MASK)


class Expression:
    """A user's regular expression, prepared for lines and for blocks of lines.  Raises ``re2.error``."""

    def __init__(self, text: str, capture: bool = False) -> None:
        self._line = re2.compile(text, _options(capture))
        alone = text.replace("(?:", "")
        by_block = not any(mark in alone for mark in _WHOLE_TEXT)
        self._block = re2.compile(f"(?m:{text})", _options(False)) if by_block else None

    def may_match(self, block: bytes) -> bool:
        """Whether some line of the block may match; False is certain."""
        return self._block is None or self._block.search(block) is not None

    def matches(self, block: bytes) -> bool:
        """Whether a line of the block matches."""
        return self.may_match(block) and any(self._line.search(line) for line in block.split(b"\n"))

    def last_line(self, block: bytes) -> bytes | None:
        """The last line of the block that matches, None where none does."""
        if not self.may_match(block):
            return None
        return next((line for line in reversed(block.split(b"\n")) if self._line.search(line)), None)

    def last_group(self, block: bytes) -> str | None:
        """Group 1 (the whole match where there is none) of the last match in the last line that matches."""
        if not self.may_match(block):
            return None
        for line in reversed(block.split(b"\n")):
            matches = list(self._line.finditer(line))
            if matches:
                found: bytes | None = matches[-1].group(1 if self._line.groups else 0)
                return None if found is None else found.decode("utf-8", "replace")[:_VALUE_CHARS]
        return None


def _options(capture: bool) -> re2.Options:
    options = re2.Options()
    options.never_capture = not capture
    options.log_errors = False
    return options


def as_printed(orders: Iterable[PatternOrder], secrets: Sequence[str]) -> Iterator[PatternOrder]:
    """The patterns as they are found in an output whose secrets are masked: what looks for one finds its mask."""
    for order in orders:
        mask = MASK if order.kind == "contains" else _MASK_PATTERN
        text = order.text
        for secret in secrets:
            text = text.replace(secret, mask)
        yield order if text == order.text else replace(order, text=text)


class LastWord:
    """A pattern that is looked for in one line alone: the last one, so far, that matches another pattern."""

    def __init__(self, order: PatternOrder) -> None:
        self.id, self.found = order.id, False
        self._among = Expression(order.among)
        self._text = order.text.encode()
        self._expression = Expression(order.text) if order.kind == "matches" else None

    def scan(self, block: bytes) -> None:
        """Look at a block of whole lines."""
        line = self._among.last_line(block)
        if line is not None:
            self.found = self._text in line if self._expression is None else self._expression.matches(line)


class Patterns:
    """The patterns of a run: which of them were found so far, in any step."""

    def __init__(self, orders: Iterable[PatternOrder]) -> None:
        orders = tuple(orders)
        once = [each for each in orders if not each.among]
        self._texts = {each.id: each.text.encode() for each in once if each.kind == "contains"}
        self._expressions = {each.id: Expression(each.text) for each in once if each.kind == "matches"}
        self._last = tuple(LastWord(each) for each in orders if each.among)
        self._found: list[str] = []

    @property
    def waiting(self) -> bool:
        """Whether something is still to be found, or may cease to be the last word."""
        return bool(self._texts or self._expressions or self._last)

    @property
    def found(self) -> list[str]:
        """The ids of those that were found, and of those that are the last word by now."""
        return [*self._found, *(each.id for each in self._last if each.found)]

    def scan(self, block: bytes) -> None:
        """Look at a block of whole lines."""
        hits = [name for name, text in self._texts.items() if text in block and b"\n" not in text]
        hits += [name for name, expression in self._expressions.items() if expression.matches(block)]
        for name in hits:
            self._found.append(name)
            self._texts.pop(name, None)
            self._expressions.pop(name, None)
        for each in self._last:
            each.scan(block)


class Scanner:
    """Cuts the output of one step into lines and looks at them."""

    def __init__(self, patterns: Patterns, metrics: Iterable[MetricOrder]) -> None:
        self._patterns = patterns
        self._metrics = {each.name: Expression(each.pattern, capture=True) for each in metrics}
        self._line = bytearray()
        self.values: dict[str, str] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is to be looked for: then lines need not even be cut."""
        return not self._metrics and not self._patterns.waiting

    def feed(self, data: bytes) -> None:
        """Take a chunk of at most 64 KiB."""
        if self.idle:
            return
        first, last = data.find(b"\n"), data.rfind(b"\n")
        if first < 0:
            self._extend(data)
            return
        self._extend(data[:first])
        self._scan(bytes(self._line) + data[first:last])
        self._line[:] = data[last + 1 :]

    def end(self) -> None:
        """The last line may lack its end."""
        if self._line and not self.idle:
            self._scan(bytes(self._line))
        self._line.clear()

    def _extend(self, data: bytes) -> None:
        self._line += data[: LINE_BYTES - len(self._line)]

    def _scan(self, block: bytes) -> None:
        block = _readable(block)
        self._patterns.scan(block)
        for name, expression in self._metrics.items():
            value = expression.last_group(block)
            if value is not None:
                self.values[name] = value


def _readable(block: bytes) -> bytes:
    """The block with ``\\n`` alone as the end of a line, and as valid UTF-8."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
    if block.isascii():
        return block
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode("utf-8", "replace").encode()
    return block
