"""Scenarios made by hand: the plan's own food, without any text of a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from campaign.diagnostics import Span
from campaign.language.syntax import Hole
from campaign.plan.assignment import Assignment
from campaign.plan.scenario import Axis, Combination, Exclusion, Scenario
from campaign.units import Quantity, Value, parse_quantity

SPAN = Span("made.camp", 1, 1, 1, 2)


def value(text: Value) -> Value:
    """A quantity where a text reads as one, else what was given."""
    if isinstance(text, str) and text[:1].isdigit() and not text.isdigit():
        return parse_quantity(text)
    return text


def axis(name: str, *values: Value, jitter: Quantity | None = None, units: tuple[str | None, ...] = ()) -> Axis:
    """An axis; a name with commas makes a joint one, of tuples."""
    names = tuple(name.split(","))
    points = [cast("tuple[Value, ...]", v) if len(names) > 1 else (v,) for v in values]
    made = tuple(tuple(value(v) for v in point) for point in points)
    return Axis(names=names, points=made, declared=(SPAN,), jitter=jitter, units=units)


def exclusion(test: Callable[..., bool], names: str, *, uses_seed: bool = False, line: int = 1) -> Exclusion:
    """An exclude over the axes named; ``test`` takes their values by name, and ``seed`` where it uses it."""

    def asked(values: Assignment, seed: int) -> bool:
        given: Mapping[str, Any] = {name: values[name] for name in names.split()}
        return test(**given, seed=seed) if uses_seed else test(**given)

    return Exclusion(
        names=frozenset(names.split()), uses_seed=uses_seed, test=asked, span=Span("made.camp", line, 3, line, 9)
    )


def scenario(
    label: str,
    *axes: Axis,
    exclusions: Sequence[Exclusion] = (),
    combine: tuple[str, int] = ("all", 0),
    seeds: Sequence[int] = (0,),
    tags: tuple[str, ...] = (),
) -> Scenario:
    """An instance; ``{name}`` in the label is a placeholder."""
    return Scenario(
        label=tuple(_parts(label)),
        group=label.split(".", maxsplit=1)[0],
        axes=axes,
        exclusions=tuple(exclusions),
        combination=Combination(cast("Any", combine[0]), combine[1]),
        seeds=seeds,
        priority=0,
        tags=tags,
        needs={},
        prefers={},
        span=SPAN,
        about=None,
        program=cast("Any", None),
    )


def _parts(label: str) -> list[str | Hole]:
    parts: list[str | Hole] = []
    for piece in label.replace("{", "\0{").replace("}", "}\0").split("\0"):
        if piece.startswith("{"):
            parts.append(Hole(piece[1:-1], None, SPAN))
        elif piece:
            parts.append(piece)
    return parts
