"""Which of several minimizations of one failure counts, told from what they came to as ``run.json`` has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from campaign.units import UnitError, parse_quantity

#: What a minimization came to: ``minimized`` of a run.
Told: TypeAlias = "dict[str, Any]"


def smallest(found: Iterable[Told]) -> Told | None:
    """The one that counts, of all in the order in which they ended; None where there is none."""
    best: Told | None = None
    for told in found:
        best = told if counts(told, best) else best
    return best


def counts(told: Told, best: Told | None) -> bool:
    """Whether a minimization takes the place of ``best``, which counted before it.

    What made nothing smaller takes no place of what did, and a larger one none of a smaller one.  Two that made other
    things smaller, other parameters say, cannot be compared: there the later one is what was wanted last.
    """
    smaller = bool(told.get("smaller"))
    if best is None or smaller != bool(best.get("smaller")):
        return best is None or smaller
    return not (smaller and _is_larger(told, best))


def _is_larger(one: Told, other: Told) -> bool:
    """Whether it is known to be larger: the first thing that differs decides, in the order in which they were named."""
    mine, theirs = one.get("result"), other.get("result")
    if not (isinstance(mine, dict) and isinstance(theirs, dict) and list(mine) == list(theirs)):
        return False
    if one.get("by") != other.get("by"):
        return False
    differing = ((mine[name], theirs[name]) for name in mine if mine[name] != theirs[name])
    for left, right in differing:
        try:
            if _size(left) != _size(right):
                return bool(_size(left) > _size(right))
        except (TypeError, UnitError):
            return False  # a file, say
    return False


def _size(value: Any) -> Any:
    """A value, as it can be compared; raises UnitError for a text that is no quantity."""
    if isinstance(value, str):
        return parse_quantity(value)
    return len(value) if isinstance(value, list) else value


def in_runs(number: int) -> str:
    """A number of runs, for people."""
    return "1 run" if number == 1 else f"{number:,} runs"


def in_words(result: Told) -> str:
    """What a minimization came to, for people: ``threads = 1, keys = 111``, ``3 of 120 operations``."""
    for name in ("operations", "lines"):
        if name in result and "of" in result:
            of = f" of {result['parameter']}" if "parameter" in result else ""
            return f"{result[name]:,} of {result['of']:,} {name}{of}"
    shown = ((name, ", ".join(map(str, each)) if isinstance(each, list) else each) for name, each in result.items())
    return ", ".join(f"{name} = {each}" for name, each in shown)
