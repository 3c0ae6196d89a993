"""A selection of nothing: which option, tier or clause leaves no run, and what could be asked for instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from msgspec.structs import replace

from campaign.diagnostics import Diagnostic
from campaign.language.names import shown
from campaign.plan.counts import count
from campaign.plan.names import axis_units, point_texts
from campaign.plan.plan import Options, Plan, plan_of, providers_of
from campaign.plan.scenario import Scenario
from campaign.plan.selection import KEYS, Clause, Selected, facts, parse_filter
from campaign.plan.space import UncountableError

#: Values that are named, and values of a long axis that are looked at for them.
_MOST_NAMED = 20


def nothing_selected(plan: Plan) -> Diagnostic | None:
    """What is wrong where a plan has no run, ``--limit`` aside; None where it has one, or cannot be counted.

    What rule sets skip is no mistake of whoever selects: a plan is judged as it was before they did.
    """
    try:
        if plan.options.limit == 0 or count(_before_skips(plan), plan.seed, 1).runs:
            return None
    except UncountableError:
        return None
    return Diagnostic("CAMP216", *_told(plan))


def _before_skips(plan: Plan) -> Iterator[Selected]:
    for each in plan.selected:
        yield replace(each, leaves_out=tuple(other for other in each.leaves_out if other.why is None))
    yield from (Selected(each.scenario, each.leaves_out) for each in plan.left_out if each.ruled)


def _told(plan: Plan) -> tuple[str, None, str | None]:
    """What leaves nothing, and what there would be."""
    scenarios = [*plan.scenarios, *(each.scenario for each in plan.left_out)]
    if not scenarios:
        return _no_scenario(plan)
    clauses = _clauses(plan.options.filter, scenarios)
    for clause in clauses:
        if not _some(plan, scenarios, Options(filter=clause.text)):
            return f"--filter {clause.text} selects no run", None, _values(clause, scenarios)
    if not _some(plan, scenarios, Options()):
        return "there is no run: every cell is excluded", None, "campaign explain SPEC RUN tells which line excludes it"
    given = [f"--group {plan.options.group}"] if plan.options.group is not None else []
    given += [f"--filter {clause.text}" for clause in clauses] or ([] if given else ["--seeds"])
    return f"{' and '.join(given)} select no run together", None, "campaign plan SPEC --list shows the runs there are"


def _no_scenario(plan: Plan) -> tuple[str, None, str | None]:
    tier, checked = plan.options.tier, plan.checked
    others = [name for name in (None, *(checked.tiers if checked else ())) if name != tier]
    holding = [f"--tier {name}" if name else "no --tier" for name in others if checked and any(checked.holding(name))]
    if holding:
        with_tier = f"with --tier {tier}" if tier else "without a tier"
        return f"there is no instance {with_tier}, so there is nothing to run", None, f"give {' or '.join(holding)}"
    return "the campaign has no instance, so there is nothing to run", None, "write `instance NAME { run TOOL }`"


def _clauses(text: str | None, scenarios: Iterable[Scenario]) -> Sequence[Clause]:
    names = {name for scenario in scenarios for axis in scenario.axes for name in axis.names}
    return parse_filter(text, names)[0] if text is not None else ()


def _some(plan: Plan, scenarios: Sequence[Scenario], options: Options) -> bool:
    """Whether these options alone leave a run."""
    other, _ = plan_of(plan.name, plan.seed, scenarios, options, providers_of)
    return count(other.selected, plan.seed, 1).runs > 0


def _values(clause: Clause, scenarios: Iterable[Scenario]) -> str | None:
    """The values that a key of ``--filter`` has."""
    if clause.key == "cell":
        return "campaign plan SPEC --list shows the cells there are"
    each = (_of_scenario(clause.key, scenario) for scenario in scenarios)
    found = list(islice(dict.fromkeys(text for texts in each for text in texts), _MOST_NAMED + 1))
    if not found:
        return f"nothing here has a {clause.key}"
    more = ", …" if len(found) > _MOST_NAMED else ""
    return f"{clause.key} is one of {', '.join(map(shown, found[:_MOST_NAMED]))}{more}"


def _of_scenario(key: str, scenario: Scenario) -> Iterable[str]:
    if key in KEYS:
        return sorted(facts(scenario, key, providers_of))
    return (
        point_texts(point, axis_units(axis))[axis.names.index(key)]
        for axis in scenario.axes
        if key in axis.names
        for point in islice(axis.points, _MOST_NAMED * _MOST_NAMED)
    )
