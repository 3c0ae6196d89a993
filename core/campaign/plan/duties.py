"""What rule sets add to a plan beside limits: cells that are skipped, oracles that some instances must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from campaign.diagnostics import Diagnostic, Related
from campaign.language.names import shown
from campaign.language.providers import ProviderLookup
from campaign.language.syntax import Boolean
from campaign.plan.assignment import Assignment
from campaign.plan.names import axis_units, point_texts, template
from campaign.plan.program import Recipe
from campaign.plan.scenario import Exclusion, Scenario
from campaign.plan.selection import LeftOut, Selected
from campaign.plugins.names import canonical
from campaign.plugins.parameters import validate
from campaign.plugins.wildcards import matches
from campaign.rules.structs import Require, RuleBook, Skip


def skip(selected: Iterable[Selected], book: RuleBook) -> tuple[list[Selected], list[LeftOut]]:
    """What the skips of a rule book leave of a selection, and the instances that they skip as a whole."""
    kept: list[Selected] = []
    left_out: list[LeftOut] = []
    for each in selected:
        scenario = each.scenario
        whole = next((rule for rule in book.skips if _is_whole(rule, scenario)), None)
        if whole is not None:
            left_out.append(LeftOut(scenario, _reason(whole), ruled=True, leaves_out=each.leaves_out))
        else:
            dropped = tuple(_exclusion(rule, scenario) for rule in book.skips if _may_drop(rule, scenario))
            kept.append(Selected(scenario, (*each.leaves_out, *dropped)))
    return kept, left_out


def skipped_by(scenario: Scenario, book: RuleBook) -> list[Skip]:
    """The skip that leaves a scenario out as a whole, or else those that may name cells of it."""
    whole = next((rule for rule in book.skips if _is_whole(rule, scenario)), None)
    return [whole] if whole is not None else [rule for rule in book.skips if _may_drop(rule, scenario)]


def _is_whole(rule: Skip, scenario: Scenario) -> bool:
    """Whether a skip is about every cell of an instance."""
    return rule.cell is None and _concerns(rule, scenario)


def _concerns(rule: Skip, scenario: Scenario) -> bool:
    """Whether an instance is what a skip asks for; of several things it asks for, all have to fit."""
    if rule.instance is not None and not matches(rule.instance, scenario.label_text):
        return False
    return all(any(matches(wanted, tag) for tag in scenario.tags) for wanted in rule.tags)


def _may_drop(rule: Skip, scenario: Scenario) -> bool:
    """Whether a skip can name cells of an instance, told from what all their names begin with."""
    if rule.cell is None or not _concerns(rule, scenario):
        return False
    wanted, star, _ = rule.cell.partition("*")
    fixed = scenario.label_text.partition("{")[0]
    return wanted.startswith(fixed) or (bool(star) and fixed.startswith(wanted))


def _exclusion(rule: Skip, scenario: Scenario) -> Exclusion:
    named = template(scenario)
    axes = [(axis.names, axis_units(axis)) for axis in scenario.axes]
    pattern = rule.cell or "*"

    def drops(values: Assignment, _: int) -> bool:
        texts = [point_texts(tuple(values[name] for name in names), units) for names, units in axes]
        return matches(pattern, named.fill(texts))

    return Exclusion(
        names=frozenset(name for names, _ in axes for name in names),
        uses_seed=False,
        test=drops,
        span=rule.origin.span,
        why=_reason(rule),
    )


def _reason(rule: Skip) -> str:
    issue = f" ({rule.issue})" if rule.issue else ""
    return f"a skip of the rule set {rule.origin.rule_set}{issue}: {rule.origin.why}"


# --- required oracles -------------------------------------------------------------------------------------------


def missing_oracles(scenarios: Sequence[Scenario], book: RuleBook) -> Iterator[Diagnostic]:
    """Instances without an oracle that their tags make mandatory; one that is advisory or may be missing is none."""
    for scenario in scenarios:
        for rule in book.requires:
            if set(rule.tags) <= set(scenario.tags) and not _has(rule, scenario):
                tags = ", ".join(rule.tags)
                why = f": {rule.origin.why}" if rule.origin.why else ""
                summary = f"{shown(scenario.label_text)} is tagged {tags} and lacks the oracle {rule.oracle}{why}"
                related = (Related(rule.origin.span, f"required by {rule.origin.rule_set}"),)
                yield Diagnostic("CAMP325", summary, scenario.span, f"write: oracle {rule.oracle}", related)


def _has(rule: Require, scenario: Scenario) -> bool:
    return any(
        recipe.part.kind == "oracle"
        and canonical(recipe.part.facts.name) == canonical(rule.oracle)
        and recipe.part.placed.condition is None
        and _counts(recipe)
        for recipe in scenario.program.recipes
    )


def _counts(recipe: Recipe) -> bool:
    """Whether an oracle is asked and counts, whatever the run."""
    engine = recipe.part.engine
    required, advisory = engine.get("required", Boolean(True)), engine.get("advisory", Boolean(False))
    return isinstance(required, Boolean) and required.value and isinstance(advisory, Boolean) and not advisory.value


# --- guards -----------------------------------------------------------------------------------------------------


def unknown_guards(book: RuleBook, find: ProviderLookup) -> Iterator[Diagnostic]:
    """Guards whose oracle no plugin brings, or that give it what it does not take."""
    for guard in book.guards:
        oracle = find.find("oracle", guard.oracle)
        if oracle is None:
            summary = f"no oracle is called {shown(guard.oracle)}"
            yield Diagnostic("CAMP140", summary, guard.origin.span, find.hint("oracle", guard.oracle))
            continue
        for problem in validate(oracle, guard.settings):
            yield Diagnostic("CAMP112", f"{guard.oracle}: {problem}", guard.origin.span)
