"""Names of cells, and of the directories that hold their runs.

A cell's name is its instance's label with the placeholders filled in; axes that the label does not mention are
appended: ``margin.cpu[voltage=850mV,frequency=3.2GHz]``.  ``distinct.py`` proves that no two cells share one.
"""

from __future__ import annotations

from fractions import Fraction
from hashlib import blake2b
from typing import TypeAlias

from msgspec import Struct

from campaign.language.syntax import Hole
from campaign.plan.scenario import Axis, Scenario
from campaign.units import COMPOUND, Dimension, Quantity, UnitError, Value, format_number, format_quantity

#: What a string in a name may be made of without quotes.
SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-")
#: The unit of an axis of plain numbers (and of compound durations): nothing behind the number.
UNITLESS = COMPOUND
PERCENT = "%"
_DIRECTORY_SAFE = SAFE | frozenset("=,")
_DIRECTORY_BYTES = 120
_HASH_DIGITS = 16
#: Files beside the folders of instances, reports among them: ``group plan { instance json { } }`` has another folder.
_RECORDS = frozenset({"plan.json", "host.json", "summary.json", "events.ldjson"})
_REPORTS = frozenset({"report.html", "report.md", "report.json", "github.md", "runs.csv", "junit.xml", "ctrf.json"})
_OWN = _RECORDS | _REPORTS | {"shmoo.txt", "shmoo.svg", "shmoo.png"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


class UnwritableError(ValueError):
    """A value that cannot be written in a name; the text is a sentence for the user."""


def is_safe(text: str) -> bool:
    """Whether a string stands in a name without quotes."""
    return bool(text) and SAFE.issuperset(text)


def quote(text: str) -> str:
    """A string in double quotes, with the language's escapes; what cannot be seen is written ``\\u{202E}``."""
    return '"' + "".join(_ESCAPES.get(char) or _visible(char) for char in text) + '"'


def _visible(char: str) -> str:
    return char if char.isprintable() else f"\\u{{{ord(char):X}}}"


def value_text(value: Value, unit: str | None = None) -> str:
    """A value as a name writes it: a quantity in ``unit`` (of its axis's first literal), a number shortest and exact.

    Strings outside ``[A-Za-z0-9_.+-]+`` are quoted.  Raises UnwritableError where a number has no finite decimal form.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if is_safe(value) else quote(value)
    if isinstance(value, tuple):
        return "[" + ",".join(value_text(item, unit) for item in value) + "]"
    try:
        return _number_text(value, unit)
    except UnitError as error:
        raise UnwritableError(f"{error}, so it cannot stand in the name of a cell") from error


def _number_text(value: int | Fraction | Quantity, unit: str | None) -> str:
    if unit == PERCENT and not isinstance(value, Quantity):
        return format_quantity(Quantity(value, Dimension.RATIO, PERCENT), PERCENT)
    if not isinstance(value, Quantity):
        return str(value) if isinstance(value, int) else format_number(value)
    if unit == UNITLESS and value.dimension is Dimension.RATIO:
        return format_number(value.value)
    return format_quantity(value, value.unit if unit is None else unit)


def axis_units(axis: Axis) -> tuple[str | None, ...]:
    """For each name of an axis the unit of its first literal; None for lists, whose items keep their own."""
    if axis.units or not len(axis.points):
        return axis.units or (None,) * len(axis.names)
    return tuple(_unit(value) for value in axis.points[0])


def _unit(value: Value) -> str | None:
    if isinstance(value, tuple):
        return None
    return value.unit if isinstance(value, Quantity) else UNITLESS


def point_texts(point: tuple[Value, ...], units: tuple[str | None, ...]) -> tuple[str, ...]:
    """The texts of one point of an axis, one for each of its names; raises UnwritableError."""
    return tuple(map(value_text, point, units)) if len(point) > 1 else (value_text(point[0], units[0]),)


#: Plain text, or the index of an axis and of one of its names.
Piece: TypeAlias = str | tuple[int, int]


class Template(Struct, frozen=True):
    """The name of a scenario's cells: pieces of plain text and slots.

    ``label_pieces`` come first: the label; what follows is the bracket of appended axes.
    """

    pieces: tuple[Piece, ...]
    label_pieces: int
    appended: tuple[str, ...]

    def fill(self, texts: list[tuple[str, ...]]) -> str:
        """The name of the cell whose axes have these texts."""
        return "".join(piece if isinstance(piece, str) else texts[piece[0]][piece[1]] for piece in self.pieces)


def template(scenario: Scenario) -> Template:
    """How the cells of this scenario are called.  A placeholder that is no axis is left for the checks to report."""
    slots = {name: (index, place) for index, axis in enumerate(scenario.axes) for place, name in enumerate(axis.names)}
    label = [_label_piece(part, slots) for part in scenario.label if part]
    mentioned = {part.name for part in scenario.label if isinstance(part, Hole)}
    appended = tuple(name for name in slots if name not in mentioned)
    pieces: list[Piece] = list(label)
    for opening, name in zip("[" + "," * len(appended), appended, strict=False):
        pieces += [f"{opening}{name}=", slots[name]]
    if appended:
        pieces.append("]")
    return Template(tuple(pieces), len(label), appended)


def _label_piece(part: str | Hole, slots: dict[str, tuple[int, int]]) -> Piece:
    if isinstance(part, str):
        return part
    return slots.get(part.name, f"{{{part.name}}}")


def directory_name(text: str) -> str:
    """A directory's name for a cell or a label: safe characters only, at most 120 bytes, one path segment.

    Where it had to be changed or shortened, or is the name of a file of campaign's own, a hash of the whole text
    follows, so that two texts never share one.
    """
    safe = "".join(char if char in _DIRECTORY_SAFE else "_" for char in text)
    if safe == text and 0 < len(text) <= _DIRECTORY_BYTES and text[0] not in ".-" and text not in _OWN:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_DIGITS // 2).hexdigest()
    kept = safe[: _DIRECTORY_BYTES - _HASH_DIGITS - 1].strip("_.-")
    return f"{kept}-{digest}" if kept else digest


def run_directory(instance: str, cell: str, seed: int) -> str:
    """Where a run's files lie, relative to its campaign's directory: ``<instance>/<cell>/seed-3``."""
    return f"{directory_name(instance)}/{directory_name(cell)}/seed-{seed}"
