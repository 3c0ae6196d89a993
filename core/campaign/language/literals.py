"""What stands inside one token: the pieces of a string, the segments of a label, the kind of a number."""

from __future__ import annotations

import re

from campaign.diagnostics import Diagnostic, Span
from campaign.language.names import nearest, shown
from campaign.language.source import Source
from campaign.language.syntax import Decimal, Hole, Integer, LabelText, QuantityLiteral, Regex, Text, Word
from campaign.language.tokens import Token
from campaign.units import UNITS, UnitError, parse_number, parse_quantity

#: Longer names and labels are no names but accidents; longer numbers are no measurements.
MAX_NAME = 200
MAX_DIGITS = 60

_PIECE = re.compile(
    r"""(?P<plain>[^\\{}]+)
      | \\u\{(?P<point>[0-9A-Fa-f]{1,6})\}
      | \\(?P<escape>["\\nt])
      | (?P<brace>\{\{|\}\})
      | \{(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*(?:\.[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*)*)
          (?::(?P<unit>[A-Za-z]+|%))?\}
      | (?P<wrong>\\u(?:\{[^}"]*\}?)?|\\.|\{[^{}]*\}?|\})""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_NUMBER = frozenset("0123456789._")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_LABEL_PIECE = re.compile(r"\{([^{}:]*)(:[^{}]*)?\}|[^{}]+")


class Unreadable(Exception):  # noqa: N818 - not an error of ours: the user's, to be reported at its place
    """A token or a node that parses but means nothing; carries what to tell the user."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.summary)
        self.diagnostic = diagnostic


def unreadable(code: str, summary: str, span: Span, hint: str | None = None) -> Unreadable:
    """An ``Unreadable`` at its place."""
    return Unreadable(Diagnostic(code, summary, span, hint))


def word(source: Source, token: Token) -> Word:
    """A name at its place; raises Unreadable for one that is too long."""
    _bounded(source, token)
    return Word(token.text, source.at(token))


def _bounded(source: Source, token: Token) -> None:
    if len(token.text) > MAX_NAME:
        summary = f"this name is {len(token.text):,} characters long; a name has at most {MAX_NAME}"
        raise unreadable("CAMP012", summary, source.at(token))


def plain_text(source: Source, token: Token, what: str) -> Word:
    """A string without placeholders, such as the name of a campaign."""
    plain = text(source, token).plain
    if plain is None:
        hint = "write {{ and }} for braces"
        raise unreadable("CAMP009", f"{what} takes no placeholders", source.at(token), hint)
    return Word(plain, source.at(token))


def text(source: Source, token: Token) -> Text:
    """A string: escapes resolved, placeholders as holes; raises Unreadable for what is neither."""
    parts: list[str | Hole] = []
    plain: list[str] = []
    for match in _PIECE.finditer(token.text, 1, len(token.text) - 1):
        start, end = token.start + match.start(), token.start + match.end()
        if not match["name"]:
            plain.append(_piece(source, match, start, end))
            continue
        if plain:
            parts.append("".join(plain))
            plain.clear()
        parts.append(_hole(source, match, start, end))
    if plain:
        parts.append("".join(plain))
    return Text(tuple(parts), source.at(token))


def _piece(source: Source, match: re.Match[str], start: int, end: int) -> str:
    if match["plain"] is not None:
        return match["plain"]
    if match["escape"] is not None:
        return _ESCAPES[match["escape"]]
    if match["brace"] is not None:
        return match["brace"][0]
    if match["point"] is None:
        raise _wrong_piece(source, match["wrong"], start, end)
    point = int(match["point"], 16)
    if point == 0 or point > 0x10FFFF or 0xD800 <= point < 0xE000:
        raise unreadable("CAMP008", f"U+{point:04X} is no character that a text can hold", source.span(start, end))
    return chr(point)


def _hole(source: Source, match: re.Match[str], start: int, end: int) -> Hole:
    unit = match["unit"]
    if unit is not None and unit not in UNITS:
        near = nearest(unit, UNITS)
        hint = f"did you mean {near}?" if near else "units are such as ms, s, MiB, mV, GHz"
        raise unreadable("CAMP007", f"{shown(unit)} is not a unit", source.span(end - 1 - len(unit), end - 1), hint)
    return Hole(match["name"], unit, source.span(start, end))


def _wrong_piece(source: Source, wrong: str, start: int, end: int) -> Unreadable:
    if wrong.startswith("\\"):
        hint = r"the escapes are \" \\ \n \t and \u{1F600}; a backslash is written \\"
        return unreadable("CAMP008", f"{shown(wrong)} is no escape of a string", source.span(start, end), hint)
    if wrong == "}":
        return unreadable("CAMP009", "this } closes no placeholder", source.span(start, end), "write }} for a brace")
    hint = "write {name} or {name:unit}; {{ stands for a brace"
    return unreadable("CAMP009", f"{shown(wrong)} is no placeholder", source.span(start, end), hint)


def number(source: Source, token: Token) -> Integer | Decimal | QuantityLiteral:
    """An integer, a decimal or a quantity; raises Unreadable for what only begins like one."""
    start, end = token.start, token.end
    if len(token.text) > MAX_DIGITS:
        raise unreadable("CAMP007", f"a number has at most {MAX_DIGITS} characters", source.span(start, end))
    span = source.span(start, end)
    try:
        if not _PLAIN_NUMBER.issuperset(token.text):
            parse_quantity(token.text)
            return QuantityLiteral(token.text, span)
        value = parse_number(token.text)
    except UnitError as error:
        raise unreadable("CAMP007", str(error), span, _number_hint(token.text)) from None
    return Integer(value, span) if isinstance(value, int) else Decimal(token.text, span)


def _number_hint(written: str) -> str | None:
    """The unit that was meant, or what a word that begins with a digit could be."""
    if re.fullmatch(r"[\d_.]+[eE]\d+[^\W\d]*", written):
        return "a number has no exponent: write out its digits, 1000s for 1e3s"
    unit = written.lstrip("0123456789_.")
    first = re.split(r"\d", unit, maxsplit=1)[0]
    if not unit:
        return "underscores stand between digits"
    by_case = {known.lower(): known for known in UNITS}
    near = by_case.get(unit.lower()) or (nearest(unit, UNITS) if len(unit) > 1 else None)
    if near and near != unit:
        return f"did you mean {written.removesuffix(unit)}{near}?"
    return None if first in UNITS else "a name cannot begin with a digit; text stands in double quotes"


def label(source: Source, token: Token) -> LabelText:
    """The label of a group or an instance; raises Unreadable for an empty segment or a placeholder with a unit."""
    _bounded(source, token)
    parts: list[str | Hole] = []
    for match in _LABEL_PIECE.finditer(token.text):
        start, end = token.start + match.start(), token.start + match.end()
        if match[2] is not None:
            hint = "a quantity stands in a label as its sweep writes it"
            raise unreadable("CAMP010", "a placeholder in a label takes no unit", source.span(start, end), hint)
        parts.append(match.group() if match[1] is None else Hole(match[1], None, source.span(start, end)))
    segments = "".join(part if isinstance(part, str) else "x" for part in parts).split(".")
    if not all(segments):
        hint = "segments are parted by single dots, as in stress.read.1in7"
        raise unreadable("CAMP010", f"the label {shown(token.text)} has an empty segment", source.at(token), hint)
    return LabelText(tuple(parts), source.at(token))


def regex(source: Source, token: Token) -> Regex:
    r"""A regular expression: ``\/`` is a slash, all else is the pattern's own; whether it is sound is checked later."""
    pattern = re.sub(r"\\(.)", lambda match: "/" if match[1] == "/" else match.group(), token.text[1:-1])
    return Regex(pattern, source.at(token))
