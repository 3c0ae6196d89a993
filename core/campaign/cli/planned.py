"""What the verbs that look ahead share: making the plan of a spec, and saying what is wrong with it."""

from __future__ import annotations

import sys

from campaign.cli.files import read_file
from campaign.cli.render import print_diagnostics
from campaign.diagnostics import CampaignError
from campaign.language.files import Reader
from campaign.plan.identity import ID_BYTES, run_key
from campaign.plan.matrix import Run
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plugins.registry import Registry


def load_plan(spec: str, options: Options, read: Reader = read_file) -> Plan:
    """The plan of a spec; warnings go to standard error, anything worse raises CampaignError."""
    plan, found = make_plan(spec, read, options, Registry)
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
    """What the safety limits say of a plan, in one line."""
    if plan.checked is not None and plan.checked.rules:
        return "the rule sets that this spec names are not read yet: no value has been held against a limit"
    return "no rule set binds this campaign: no value is limited"
