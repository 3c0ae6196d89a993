"""Within what time a fault has to be recovered from where rule sets have a word in it: the shorter time holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from campaign.diagnostics import Diagnostic, Related
from campaign.language.items import Part, labels_of
from campaign.language.names import shown
from campaign.plan.scenario import Scenario
from campaign.plugins.names import canonical
from campaign.records import FaultOrder
from campaign.rules.structs import RuleBook, Sla


def sla_of(label: str, model: str, book: RuleBook) -> Sla | None:
    """The shortest time that a rule set gives a fault, by its model or by its label; None where none does."""
    found = [sla for name in (model, label) if (sla := book.slas.get(canonical(name))) is not None]
    return min(found, key=lambda sla: sla.within.value, default=None)


def tightened(faults: Sequence[FaultOrder], book: RuleBook) -> tuple[FaultOrder, ...]:
    """The faults of a run with the time that a rule set gives them, where that is shorter than the spec's own."""
    return tuple(_tightened(each, book) for each in faults)


def _tightened(fault: FaultOrder, book: RuleBook) -> FaultOrder:
    sla = sla_of(fault.label, fault.fault, book)
    if sla is None or (fault.sla_s is not None and fault.sla_s <= sla.within.value):
        return fault
    return replace(fault, sla_s=float(sla.within.value))


def unwatched(scenarios: Sequence[Scenario], book: RuleBook) -> Iterator[Diagnostic]:
    """Faults on the real clock that a rule set gives a time and no watch judges: nobody could say when it was over."""
    for scenario in scenarios if book.slas else ():
        if scenario.program.word("clock", "real") == "virtual":
            continue
        parts = scenario.program.case.parts
        watches = [part for part in parts if part.kind == "watch"]
        for part in parts:
            sla = sla_of(part.label, part.facts.name, book) if part.kind == "fault" else None
            if sla is not None and not any(_judges(watch, part.label) for watch in watches):
                within = f"{shown(part.label)} has to be recovered from within {sla.within}"
                related = (Related(sla.origin.span, f"says the rule set {sla.origin.rule_set}"),)
                summary = f"{within}, and nothing watches whether it is"
                hint = "add a watch: watch ORACLE { every = 100ms }"
                yield Diagnostic("CAMP327", summary, part.placed.provider.span, hint, related)


def _judges(watch: Part, fault: str) -> bool:
    named = watch.engine.get("faults")
    return named is None or fault in [label for label, _ in labels_of(named)]
