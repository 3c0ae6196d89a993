"""The held conditions and guards of a plan as text."""

from __future__ import annotations

from collections.abc import Iterable

from campaign.cli.tables import table
from campaign.cli.terminal import visible
from campaign.plan.held import Held, HeldValue, guarded_by
from campaign.rules.structs import RuleBook

_SHOWN_INSTANCES = 2


def held_text(held: Iterable[Held]) -> str:
    """A row for each hold and parameter; what is alike in several instances once.  Empty for none."""
    alike: dict[tuple[str, str, tuple[HeldValue, ...]], list[str]] = {}
    for each in held:
        alike.setdefault((each.label, each.hold, each.values), []).append(each.instance)
    rows = [
        (label if not number else "", hold if not number else "", str(value), "; ".join(value.limits), where)
        for (label, hold, values), instances in alike.items()
        for number, value in enumerate(values)
        for where in ("" if number else _instances(instances),)
    ]
    cells = [tuple(visible(cell) for cell in row) for row in rows]
    return table(("held", "by", "sets", "limited by", "in"), cells) if rows else ""


def _instances(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_INSTANCES])
    more = len(names) - _SHOWN_INSTANCES
    return f"{shown} and {more} more" if more > 0 else shown


def guards_text(book: RuleBook) -> str:
    """A line for each guard; empty for none."""
    lines = []
    for each in guarded_by(book):
        settings = ", ".join(f"{name} = {value}" for name, value in each.settings.items())
        about = f" ({settings})" if settings else ""
        lines.append(visible(f"guarded by {each.oracle}{about} every {each.every}: {each.rule_set}, {each.place}"))
    return "\n".join(lines)
