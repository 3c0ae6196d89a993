"""The proof, from the axes' values alone, that no two cells share a name.

A name is a row of pieces, each a set of words: the texts of an axis, or one fixed text.  Two cells share a name
exactly where some text can be read in two ways, so two readers walk the pieces side by side, character by
character: if they can part and meet again, there is such a text.  Short axes are taken word by word; a long one is
taken for every number with its unit, so for those the proof may fail where a separator would make it succeed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product, takewhile
from typing import TypeAlias

from campaign.diagnostics import Diagnostic, Related
from campaign.language.axes import Stretch
from campaign.language.syntax import Hole
from campaign.plan.names import Piece, Template, UnwritableError, axis_units, is_safe, point_texts, template
from campaign.plan.scenario import Axis, Scenario
from campaign.plan.space import SHORT_AXIS
from campaign.units import Dimension, Quantity, Value

#: A set of words as a deterministic automaton: a node's steps by character; ``""`` marks the end of a word.
Node: TypeAlias = dict[str, "Node"]
_END: Node = {}
_SEPARATORS = ".-_"
_NUMBER_CHARS = "-.0123456789"
_DURATION_CHARS = "dhmsun"


def check_names(scenarios: Sequence[Scenario]) -> list[Diagnostic]:
    """Everything that is wrong with the names of the cells of a plan, each with its place."""
    found: list[Diagnostic] = []
    proved: list[Scenario] = []
    for scenario in scenarios:
        wrong = list(_unwritable(scenario)) or list(_repeated(scenario))
        found += wrong or _ambiguous(scenario)
        if not wrong:
            proved.append(scenario)
    return found + list(_shared(proved))


# --- one value ---------------------------------------------------------------------------------------------------


def _unwritable(scenario: Scenario) -> Iterator[Diagnostic]:
    """Values that no name can hold: no finite decimal, or an unsafe string where a placeholder stands."""
    holes = {part.name: part for part in scenario.label if isinstance(part, Hole)}
    for axis in scenario.axes:
        wrong = _first_unwritable(axis, holes)
        if wrong is not None:
            yield wrong


def _first_unwritable(axis: Axis, holes: Mapping[str, Hole]) -> Diagnostic | None:
    units = axis_units(axis)
    for point in _looked_at(axis):
        try:
            texts = point_texts(point, units)
        except UnwritableError as error:
            return Diagnostic("CAMP201", f"{axis.names[0]}: {error}", axis.declared[-1])
        for name, value, text in zip(axis.names, point, texts, strict=True):
            if name in holes and isinstance(value, str | tuple) and not is_safe(text):
                return _unsafe(axis, name, text, holes[name])
    return None


def _unsafe(axis: Axis, name: str, text: str, hole: Hole) -> Diagnostic:
    return Diagnostic(
        "CAMP201",
        f"{text} cannot stand in the label of an instance for {{{name}}}",
        axis.declared[-1],
        hint=f"leave {{{name}}} out of the label, or use letters, digits, _ . + - alone",
        related=(Related(hole.span, f"{{{name}}} stands in the label here"),) if hole.span else (),
    )


def _looked_at(axis: Axis) -> Sequence[tuple[Value, ...]]:
    """All points of a short axis; the ends of a long one, which is an even range."""
    points = axis.points
    return points if len(points) <= SHORT_AXIS or isinstance(points, tuple | list) else (points[0], points[-1])


def _repeated(scenario: Scenario) -> Iterator[Diagnostic]:
    """Axes in which two points are written alike, such as ``1s`` and ``1000ms``."""
    for axis in scenario.axes:
        units, seen = axis_units(axis), set()
        for point in _looked_at(axis):
            texts = point_texts(point, units)
            if texts in seen:
                what = ", ".join(texts)
                hint = "leave one of them out: values are compared by value, not by spelling"
                yield Diagnostic("CAMP150", f"{what} stands twice in this sweep", axis.declared[-1], hint=hint)
                break
            seen.add(texts)


# --- one instance ------------------------------------------------------------------------------------------------


def _ambiguous(scenario: Scenario) -> list[Diagnostic]:
    named = template(scenario)
    label = named.pieces[: named.label_pieces]
    if sum(1 for piece in label if not isinstance(piece, str)) < 2 or not reads_twice(_automata(scenario, label)):
        return []
    summary = f"two cells of {scenario.label_text} could share a name"
    return [Diagnostic("CAMP200", summary, scenario.span, hint=_separated(scenario, label))]


def _separated(scenario: Scenario, label: Sequence[Piece]) -> str:
    """What to write instead: a separator between the placeholders, one with which the proof succeeds."""
    slots = [piece for piece in label if not isinstance(piece, str)]
    for separator in _SEPARATORS:
        pieces = [part for slot in slots for part in (separator, slot)][1:]
        if not reads_twice(_automata(scenario, pieces)):
            example = separator.join(f"{{{part.name}}}" for part in scenario.label if isinstance(part, Hole))
            return f"put a separator between the placeholders that no value holds: {example}"
    return "leave a placeholder out of the label, its axis then stands in brackets behind it"


def _automata(scenario: Scenario, pieces: Sequence[Piece]) -> list[Node]:
    return [
        trie([piece]) if isinstance(piece, str) else _axis_automaton(scenario.axes[piece[0]], piece[1])
        for piece in pieces
    ]


def _axis_automaton(axis: Axis, place: int) -> Node:
    units, points = axis_units(axis), _looked_at(axis)
    if len(points) == len(axis.points):
        return trie(sorted({point_texts(point, units)[place] for point in points}))
    first = points[0][place]
    if isinstance(first, int | Fraction | Quantity):
        return _numbers(units[place], first, _number_chars(axis, place))
    return trie(sorted({point_texts(point, units)[place] for point in axis.points}))


def trie(words: Sequence[str]) -> Node:
    """The automaton of these words."""
    root: Node = {}
    for word in words:
        node = root
        for char in word:
            node = node.setdefault(char, {})
        node[""] = _END
    return root


def _number_chars(axis: Axis, place: int) -> str:
    """The characters that the numbers of a long axis can hold: of an even range, those that its ends and step need."""
    if not isinstance(axis.points, Stretch):
        return _NUMBER_CHARS
    first, second, last = (point_texts(axis.points[index], axis_units(axis))[place] for index in (0, 1, -1))
    absent = {"-": "-" not in first + last, ".": "." not in first + second}
    return "".join(char for char in _NUMBER_CHARS if not absent.get(char))


def _numbers(unit: str | None, value: Value, chars: str) -> Node:
    """Every text that a number of these characters with this unit can be; a duration may also be compound."""
    timed = isinstance(value, Quantity) and value.dimension is Dimension.DURATION
    number: Node = {}
    number.update(dict.fromkeys(chars + (_DURATION_CHARS if timed else ""), number))
    number.update(trie([(unit or "") if not timed else ""]))
    return number


def reads_twice(pieces: Sequence[Node]) -> bool:
    """Whether some text can be read as a row of words, one of each piece, in two ways; no word is empty."""
    return _meet(pieces, pieces, same=True)


def reads_both(one: Sequence[Node], other: Sequence[Node]) -> bool:
    """Whether some text can be read both as a row of words of ``one`` and of ``other``."""
    return _meet(one, other, same=False)


#: Where a reader stands: the index of its piece, and a node of that piece's automaton.
Place: TypeAlias = tuple[int, Node]


def _meet(one: Sequence[Node], other: Sequence[Node], *, same: bool) -> bool:
    """Walk two readers over all texts that both can read, and see whether they can end together.

    Readers of the ``same`` pieces start together; only pairs that have parted count, and two that have parted and
    stand at the same place again have read one text in two ways.
    """
    if not one or not other:
        return not same and not one and not other
    waiting: list[tuple[Place, Place]] = [((0, one[0]), (0, other[0]))]
    seen = set()
    while waiting:
        left, right = waiting.pop()
        pair = (left[0], id(left[1]), right[0], id(right[1]))
        if pair in seen:
            continue
        seen.add(pair)
        parted = not same or pair[:2] != pair[2:]
        if parted and _ends(one, left) and _ends(other, right):
            return True
        following = list(_steps(_open(one, left), _open(other, right)))
        if same and parted and any(a[0] == b[0] and a[1] is b[1] for a, b in following):
            return True
        waiting += following
    return False


def _ends(pieces: Sequence[Node], place: Place) -> bool:
    """Whether a reader there may stop: its word ends and it was the last one."""
    return place[0] == len(pieces) - 1 and "" in place[1]


def _open(pieces: Sequence[Node], place: Place) -> list[Place]:
    """Where a reader goes on: within its word, and where that may end at the start of the next piece."""
    index, node = place
    return [place, (index + 1, pieces[index + 1])] if "" in node and index + 1 < len(pieces) else [place]


def _steps(lefts: Sequence[Place], rights: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Where two readers come by one character that both can read."""
    for (i, left), (j, right) in product(lefts, rights):
        for char in left.keys() & right.keys() - {""}:
            yield (i, left[char]), (j, right[char])


# --- several instances -------------------------------------------------------------------------------------------


def _shared(scenarios: Sequence[Scenario]) -> Iterator[Diagnostic]:
    """Pairs of instances that could have cells of one name.

    Sorted by the fixed text that their labels start with, so that only labels of which one could go on like the
    other are compared.  Each is told of once: a thousand instances of one name are not half a million pairs.
    """
    named = sorted(
        ((_fixed(scenario), template(scenario), scenario) for scenario in scenarios), key=lambda each: each[0]
    )
    told: set[int] = set()
    for index, (fixed, one, scenario) in enumerate(named):
        for number in range(index + 1, len(named) if index not in told else 0):
            longer, other, second = named[number]
            if not longer.startswith(fixed):
                break
            if number not in told and _could_share(scenario, one, second, other):
                told.add(number)
                yield _same_name(scenario, second)


def _fixed(scenario: Scenario) -> str:
    """What the label says before its first placeholder; the labels of groups are parts of their own."""
    fixed = takewhile(lambda part: isinstance(part, str), scenario.label)
    return "".join(map(str, fixed))


def _could_share(scenario: Scenario, one: Template, second: Scenario, other: Template) -> bool:
    if one.appended != other.appended or _apart(scenario, second, one.appended):
        return False
    label, label_2 = one.pieces[: one.label_pieces], other.pieces[: other.label_pieces]
    return reads_both(_automata(scenario, label), _automata(second, label_2))


def _apart(scenario: Scenario, second: Scenario, names: Sequence[str]) -> bool:
    """Whether some appended axis has no text in common in the two."""
    texts = ((_texts(scenario, name), _texts(second, name)) for name in names)
    return any(one is not None and other is not None and one.isdisjoint(other) for one, other in texts)


def _texts(scenario: Scenario, name: str) -> frozenset[str] | None:
    """The texts of one axis; None for a long one."""
    axis = next(axis for axis in scenario.axes if name in axis.names)
    if len(axis.points) > SHORT_AXIS:
        return None
    units, place = axis_units(axis), axis.names.index(name)
    return frozenset(point_texts(point, units)[place] for point in axis.points)


def _same_name(scenario: Scenario, second: Scenario) -> Diagnostic:
    first, later = sorted((scenario, second), key=lambda each: (each.span.file, each.span.line, each.span.column))
    return Diagnostic(
        "CAMP200",
        f"cells of {later.label_text} and of {first.label_text} could share a name",
        later.span,
        hint="give the instances labels that differ in a fixed part",
        related=(Related(first.span, "the other instance"),),
    )
