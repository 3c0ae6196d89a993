"""What can be known before anything runs: whether this machine has what the plan asks for.

Pure: what the machine answered is passed in.  Every objection at once, never only the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from campaign.diagnostics import Diagnostic, ExitStatus, Span
from campaign.plan.scenario import Scenario


class Machine(Struct, frozen=True, kw_only=True):
    """What is there: named slots, how many of each and who says so, and why providers cannot be used.

    ``unavailable`` has one entry for each provider that was asked, by (kind, name); None: it can be used.
    """

    slots: Mapping[str, int] = {}
    sources: Mapping[str, str] = {}
    unavailable: Mapping[tuple[str, str], Diagnostic | None] = {}


class Demand(Struct, frozen=True):
    """A provider that a plan cannot do without, and where the spec asks for it."""

    kind: str
    name: str
    span: Span | None = None


def admit(scenarios: Sequence[Scenario], demands: Iterable[Demand], machine: Machine) -> list[Diagnostic]:
    """Everything that keeps the plan from running here; all are setup errors (status 3)."""
    found = [each for scenario in scenarios for each in _slots(scenario, machine)]
    return found + [each for demand in demands if (each := _demanded(demand, machine)) is not None]


def _slots(scenario: Scenario, machine: Machine) -> list[Diagnostic]:
    """Slots that a scenario needs and the machine can never give; what it only prefers falls back at run time."""
    return [
        Diagnostic(
            "CAMP220",
            f"{scenario.label_text} needs {count} {name}, this machine has {_stock(name, machine)}",
            scenario.span,
            hint=f"write `prefer {name} = {count}` where it can do without, or say `slots {name} = …` in the campaign",
            status=ExitStatus.SETUP,
        )
        for name, count in scenario.needs.items()
        if count > machine.slots.get(name, 0)
    ]


def _stock(name: str, machine: Machine) -> str:
    source = machine.sources.get(name)
    return f"{machine.slots.get(name, 0)} ({source})" if source else str(machine.slots.get(name, 0))


def _demanded(demand: Demand, machine: Machine) -> Diagnostic | None:
    why_not = machine.unavailable.get((demand.kind, demand.name))
    if why_not is None:
        return None
    return Diagnostic(why_not.code, why_not.summary, demand.span, why_not.hint, status=ExitStatus.SETUP)
