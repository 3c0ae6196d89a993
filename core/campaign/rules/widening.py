"""Where a rule book allows more than an earlier one did: in words, for whoever has to agree to it.

What cannot be compared (another unit, a guard with other settings) counts as wider: better one question too many.
"""

from __future__ import annotations

from collections.abc import Iterator

from campaign.rules.limits import dimension, limit_text, object_to
from campaign.rules.structs import Bound, Guard, Limit, RuleBook
from campaign.units import format_exact


def widened(before: RuleBook, now: RuleBook) -> Iterator[str]:
    """Every limit and every guard of ``before`` that ``now`` lacks, or has less narrow."""
    for key, limit in before.limits.items():
        found = now.limits.get(key)
        if found is None:
            yield f"{limit.name} is no longer limited, it was {limit_text(limit)}"
        elif _is_wider(limit, found):
            yield f"{limit.name}: {limit_text(found)}, it was {limit_text(limit)}"
    if before.unbounded is not None and now.unbounded is None:
        yield "what no limit binds is no longer denied"
    for guard in before.guards:
        if not any(_watches(each, guard) for each in now.guards):
            yield f"the guard {_shown(guard)} is gone, or watches less"


def _is_wider(before: Limit, now: Limit) -> bool:
    """Whether some value that ``before`` refuses is taken now."""
    if now.allowed is not None:  # what is listed is all there is
        taken = [value for value in now.allowed.values if object_to(now, value) is None]
        return any(object_to(before, value) is not None for value in taken)
    if before.allowed is not None:
        return True
    return _gives_way(before.low, now.low, upwards=False) or _gives_way(before.high, now.high, upwards=True)


def _gives_way(before: Bound | None, now: Bound | None, *, upwards: bool) -> bool:
    """Whether an end of a limit is gone, was moved outwards, or became one of another dimension."""
    if before is None:
        return False
    if now is None or dimension(before.value) != dimension(now.value):
        return True
    return now.value > before.value if upwards else now.value < before.value


def _watches(guard: Guard, wanted: Guard) -> bool:
    """Whether a guard asks the same of the same oracle, at least as often."""
    return (guard.oracle, guard.settings) == (wanted.oracle, wanted.settings) and guard.every <= wanted.every


def _shown(guard: Guard) -> str:
    settings = ", ".join(f"{name} = {value}" for name, value in guard.settings.items())
    return f"{guard.oracle} ({settings}) every {format_exact(guard.every)}" if settings else guard.oracle
