"""What the verbs that look ahead share: making the plan of a spec, and saying what is wrong with it."""

from __future__ import annotations

import sys

from campaign.cli.files import read_file
from campaign.cli.here import this_host
from campaign.cli.render import print_diagnostics
from campaign.diagnostics import CampaignError
from campaign.language.files import Reader
from campaign.plan.counts import count
from campaign.plan.identity import ID_BYTES, run_key
from campaign.plan.idle import names_of
from campaign.plan.limits import unbound_values
from campaign.plan.matrix import Run
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plan.selection import Selected
from campaign.plugins.registry import Registry


def load_plan(spec: str, options: Options, read: Reader = read_file) -> Plan:
    """The plan of a spec; warnings go to standard error, anything worse raises CampaignError."""
    plan, found = make_plan(spec, read, options, Registry, this_host())
    if plan is None:
        raise CampaignError(found)
    if found:
        print_diagnostics(found, sys.stderr)
    return plan


def find_run(plan: Plan, word: str) -> tuple[str, Run | None]:
    """The key that ``word`` (a key, a cell of one seed, or an id) stands for, and its run where the plan holds it."""
    if is_id(word):
        run = next((run for run in plan.runs() if run.id == word), None)
        return (run.key, run) if run else (word, None)
    key = word if "#" in word else _only_seed(plan, word)
    return key, plan.find(key)


def is_id(word: str) -> bool:
    """Whether a word has the form of a run's id: 20 hex digits."""
    return len(word) == 2 * ID_BYTES and set(word) <= set("0123456789abcdef")


def _only_seed(plan: Plan, cell: str) -> str:
    """The key of a cell without its seed: the first of the seeds that the plan has for such a cell."""
    for scenario in plan.scenarios:
        key = run_key(cell, scenario.seeds[0])
        if plan.find(key) is not None:
            return key
    return run_key(cell, plan.scenarios[0].seeds[0] if plan.scenarios else 0)


def limits_note(plan: Plan) -> str:
    """What the rule sets say of a plan: the sets, values that nothing limits, cells that are skipped."""
    if plan.rules is None:
        return "no rule set binds this campaign: no value is limited"
    book = plan.rules.book
    idle = names_of(plan.scenarios).idle(book)
    count = len(book.limits) - len(idle)
    lines = [f"bound by {', '.join(book.names)}: every value keeps {count} {'limit' if count == 1 else 'limits'}"]
    if idle:
        lines.append(f"no value here is bound by the limits of {', '.join(each.name for each in idle)}")
    unbound = unbound_values(plan.selected, book)
    if unbound:
        lines.append(f"no limit binds {', '.join(f'{each.name} ({each.value})' for each in unbound)}")
    skipped = skipped_cells(plan)
    if skipped:
        lines.append(f"{skipped:_} {'cell is' if skipped == 1 else 'cells are'} skipped by rule sets")
    return "\n".join(lines)


def rules_view(plan: Plan) -> dict[str, object] | None:
    """The same for programs; None where no rule set binds the campaign."""
    if plan.rules is None:
        return None
    book = plan.rules.book
    return {
        "sets": list(book.names),
        "files": sorted(plan.rules.files),
        "limits": len(book.limits),
        "idle": [each.name for each in names_of(plan.scenarios).idle(book)],
        "unbound": unbound_values(plan.selected, book),
        "skipped": skipped_cells(plan),
    }


def skipped_cells(plan: Plan) -> int:
    """How many cells the rule sets skip; raises CampaignError where that cannot be counted."""
    whole = [Selected(each.scenario) for each in plan.left_out if each.ruled]
    some = [each for each in plan.selected if any(exclusion.why for exclusion in each.leaves_out)]
    with_skips = [Selected(each.scenario, tuple(e for e in each.leaves_out if not e.why)) for each in some]
    return count([*whole, *with_skips], plan.seed).cells - count(some, plan.seed).cells
