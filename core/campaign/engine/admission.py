"""Whether this machine can carry a plan out: what it has, and what the plan cannot do without.

Everything here is asked before anything runs, and every objection comes at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from threading import Thread
from typing import cast

from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Span, failed
from campaign.engine.capacity import Capacity
from campaign.plan.admit import Demand, Machine, admit
from campaign.plan.plan import Plan
from campaign.plan.render import RenderContext, render
from campaign.plan.scenario import Scenario
from campaign.plan.selection import Selected
from campaign.plan.variables import environment_problems, unset_variables
from campaign.plugins.parameters import from_json
from campaign.plugins.registry import Kind, Registry
from campaign.records import (
    FaultOrder,
    GuardOrder,
    HoldOrder,
    OracleOrder,
    Order,
    ServiceOrder,
    StepOrder,
    WatchOrder,
    mask_text,
    secrets_of,
)
from campaign.supervise.processes import StartError, find_program

#: A check that looks at the machine has that long.
DEADLINE_S = 5.0
#: Stands for a variable that is not set and was told as such, so that all else can be looked at.
_UNSET = "<not set>"
_KINDS = {"run": "tool", "serve": "tool", "fault": "fault", "hold": "fault", "oracle": "oracle", "watch": "oracle"}


def objections(plan: Plan, capacity: Capacity, registry: Registry, context: RenderContext) -> list[Diagnostic]:
    """Everything that keeps the plan from running on this machine, all of it at once."""
    scenarios = plan.scenarios
    demands = list(_demands(plan))
    answers = {(each.kind, each.name): available(registry, each.kind, each.name, each.span) for each in demands}
    machine = Machine(slots=capacity.slots, sources=capacity.sources, unavailable=answers)
    found = admit(scenarios, demands, machine)
    found += environment_problems((scenario.program for scenario in scenarios), context.env)
    found += _unguarded(plan, registry, context.guards)
    return found + _missing_programs(plan, registry, context, broken=failed(found))


def available(registry: Registry, kind: str, name: str, span: Span | None) -> Diagnostic | None:
    """Why a provider cannot be used here, whatever its settings, at its place; None where it can."""
    return in_time(lambda: registry.unavailable(cast("Kind", kind), name), f"{kind} {name}", span)


def lacks(registry: Registry, kind: str, name: str, env: Mapping[str, str], span: Span | None) -> Diagnostic | None:
    """What an oracle, fault or hold lacks with its default settings, at its place; None where nothing."""
    if kind not in {"oracle", "fault"}:
        return None
    ask = partial(registry.missing, name, {}, env) if kind == "oracle" else partial(registry.fault_missing, name, {})
    return in_time(ask, f"{kind} {name}", span)


def in_time(
    ask: Callable[[], Diagnostic | None], who: str, span: Span | None, deadline_s: float = DEADLINE_S
) -> Diagnostic | None:
    """What a provider's check says, or that it says nothing in time; raises what it raises but CampaignError.

    A sensor may hang, and its check with it: that is left behind in its thread, and the command ends without it.
    """
    output = sys.stdout
    found: list[Diagnostic | None] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            found.append(ask())
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(deadline_s)
    if raised and isinstance(raised[0], CampaignError) and raised[0].diagnostics:
        return replace(raised[0].diagnostics[0], status=ExitStatus.SETUP)
    if raised:
        raise raised[0]
    if found:
        return found[0]
    sys.stdout = output  # the check that hangs has led it aside
    summary = f"{who} cannot be used here: whether it can did not come out within {deadline_s:g} s"
    hint = "what it reads does not answer: a sensor that hangs, a FIFO without a writer"
    return Diagnostic("CAMP408", summary, span, hint, status=ExitStatus.SETUP)


def _demands(plan: Plan) -> Iterator[Demand]:
    """The plugins' providers that the plan cannot do without; under the virtual clock faults alone."""
    seen: set[tuple[str, str]] = set()
    for scenario in plan.scenarios:
        virtual = scenario.program.word("clock", "real") == "virtual"
        for recipe in scenario.program.recipes:
            part = recipe.part
            if virtual and part.kind != "fault":
                continue
            known = (_KINDS.get(part.kind, ""), part.facts.name)
            if part.facts.provider is not None and known[0] and known not in seen and _required(part.engine):
                seen.add(known)
                yield Demand(*known, part.placed.span)


def _required(engine: Mapping[str, object]) -> bool:
    """Whether an item must be there: all but oracles with ``required = false``."""
    return getattr(engine.get("required"), "value", True) is not False


def _unguarded(plan: Plan, registry: Registry, guards: Sequence[GuardOrder]) -> Iterator[Diagnostic]:
    """What keeps the guards of the rule sets, whose settings were checked, from watching on this machine."""
    asked = plan.rules.book.guards if plan.rules is not None else ()
    for guard, rule in zip(guards, asked, strict=True):
        provider = registry.find("oracle", guard.oracle)
        if provider is not None:
            settings = from_json(provider, guard.settings)
            span = rule.origin.span
            ask = partial(registry.missing, guard.oracle, settings, {})
            why = available(registry, "oracle", guard.oracle, span) or in_time(ask, f"oracle {guard.oracle}", span)
            if why is not None:
                yield replace(why, span=span)


def _missing_programs(plan: Plan, registry: Registry, context: RenderContext, *, broken: bool) -> list[Diagnostic]:
    """Programs of tools and oracles that are not there, found by rendering the first run of each scenario.

    ``broken``: something else is missing already, and what cannot be rendered for it is not told once more.
    """
    found: dict[str, Diagnostic] = {}
    unset = unset_variables((scenario.program for scenario in plan.scenarios), context.env)
    context = replace(context, env={**context.env, **dict.fromkeys(unset, _UNSET)})
    for selected in plan.selected:
        order = _first_order(plan, selected, context, broken=broken)
        if order is not None and order.clock == "real":
            lacking = (
                *_missing(order, selected.scenario.span),
                *_unarmed(order, selected.scenario, registry),
                *_unjudged(order, selected.scenario, registry),
            )
            for each in lacking:
                if _UNSET in each.summary:
                    continue  # where it would lead is not known
                shown = replace(each, summary=mask_text(each.summary, secrets_of(order)))
                found[shown.summary] = shown
    return list(found.values())


def _first_order(plan: Plan, selected: Selected, context: RenderContext, *, broken: bool) -> Order | None:
    run = next(plan.runs_of(selected), None)
    try:
        return render(run, 1, context) if run is not None else None
    except CampaignError:
        if broken:
            return None
        raise


def _unarmed(order: Order, scenario: Scenario, registry: Registry) -> Iterator[Diagnostic]:
    """What its holds and faults lack on this machine."""
    acting: list[tuple[str, HoldOrder | FaultOrder]] = [("hold", each) for each in order.holds]
    acting += [("fault", each) for each in order.faults]
    spans = {(each.part.kind, each.part.label): each.part.placed.span for each in scenario.program.recipes}
    for kind, each in acting:
        provider = registry.find("fault", each.fault)
        if provider is not None:
            settings = from_json(provider, each.settings)
            span = spans.get((kind, each.label))
            why = in_time(partial(registry.fault_missing, each.fault, settings), f"fault {each.fault}", span)
            if why is not None:
                yield replace(why, span=span)


def _unjudged(order: Order, scenario: Scenario, registry: Registry) -> Iterator[Diagnostic]:
    """What its oracles and watches lack on this machine; they are the same ones in every run of a scenario."""
    asked = (each.part for each in scenario.program.recipes if each.part.kind in {"oracle", "watch"})
    spans = {part.label: part.placed.span for part in asked}
    oracles: tuple[OracleOrder | WatchOrder, ...] = (*order.oracles, *order.watches)
    for oracle in oracles:
        provider = registry.find("oracle", oracle.oracle)
        if provider is not None and oracle.required:
            settings = from_json(provider, oracle.settings)
            ask = partial(registry.missing, oracle.oracle, settings, order.environment)
            span = spans.get(oracle.label)
            why = in_time(ask, f"oracle {oracle.oracle}", span)
            if why is not None:
                yield replace(why, span=span)


def _missing(order: Order, span: Span) -> Iterator[Diagnostic]:
    processes: tuple[ServiceOrder | StepOrder, ...] = (*order.services, *order.steps)
    for each in processes:
        why = program_problem(each.argv, each.env, order.directories.work)
        if why is not None:
            yield program_missing(each.tool, why, span)


def program_missing(tool: str, why: str, span: Span) -> Diagnostic:
    """A tool whose program is not there."""
    hint = "install it and have PATH lead to it, or write its path in the tool's command"
    return Diagnostic("CAMP511", f"the tool {tool} cannot be started: {why}", span, hint, status=ExitStatus.SETUP)


def program_problem(argv: tuple[str, ...], env: Mapping[str, str], work: str) -> str | None:
    """Why a program cannot be started, as far as that can be seen now; one that a run itself makes is not looked at."""
    try:
        path = find_program(argv, env)
    except StartError as error:
        return str(error)
    if not path.startswith("/") or path.startswith(f"{work}/"):
        return None
    if not os.path.exists(path):
        return f"{path} does not exist"
    if os.path.isdir(path):
        return f"{path} is a folder"
    return None if os.access(path, os.X_OK) else f"{path} is not executable"
