"""``campaign explain``: one run of a spec, a cell that is not in its plan, or a diagnostic code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from campaign.cli.codes import all_codes, code_page, is_code
from campaign.cli.options import format_option, selection_options
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Span

if TYPE_CHECKING:
    from campaign.plan.matrix import Run
    from campaign.plan.plan import Options, Plan

_LONGEST = 300

# What plans, and tables (tabulate), are imported where they are needed: a page of a code needs neither.


@click.command()
@click.argument("spec", metavar="SPEC|CODE", type=click.Path())
@click.argument("run", required=False)
@selection_options
@format_option()
def command(spec: str, run: str | None, options: Options, output_format: str) -> int:
    """Explain one RUN of SPEC (a key or an id): where every value comes from, and its argument vectors.

    Of a run that is not in the plan: why not.  With a CODE such as CAMP012 alone, print that code's page.
    """
    as_json = output_format == "json"
    if run is not None:
        return _explain_run(spec, run, options, as_json)
    if not _looks_like_code(spec):
        raise click.UsageError("say which RUN of the spec: a key such as crash.wal.full#3, or an id")
    return _explain_code(spec, as_json)


def _looks_like_code(word: str) -> bool:
    """Whether a word is a code, or was meant as one: ``CAMP9999``."""
    return is_code(word) or (word[:4].upper() == "CAMP" and word[4:].isdigit() and not os.path.exists(word))


def _explain_code(code: str, as_json: bool) -> int:
    page = code_page(code)
    if page is None:
        raise click.UsageError(f"there is no code {code}; they go from {all_codes()[0]} to {all_codes()[-1]}")
    if as_json:
        from campaign.cli.tables import print_json

        print_json(page)
    else:
        click.echo(page.markdown.rstrip())
    return ExitStatus.PASSED


def _explain_run(spec: str, word: str, options: Options, as_json: bool) -> int:
    from campaign.cli.planned import find_run, load_plan
    from campaign.cli.tables import cut, print_json

    plan = load_plan(spec, options)
    key, run = find_run(plan, word)
    if run is not None:
        _show_run(run, plan, as_json)
        return ExitStatus.PASSED
    reason, hint = plan.why_not(key), _elsewhere(plan, key)
    assert reason is not None
    if not reason.known and hint is None:
        raise CampaignError([Diagnostic("CAMP214", cut(reason.summary, _LONGEST), hint=_nearest(plan, key))])
    if as_json:
        print_json({"key": key, "in_plan": False, "reason": reason.summary, "place": _place(reason.span), "hint": hint})
    else:
        place = f" ({reason.span})" if reason.span else ""
        click.echo(visible(f"{key} is not in the plan: {reason.summary}{place}") + (f"\n{hint}" if hint else ""))
    return ExitStatus.PASSED


def _elsewhere(plan: Plan, key: str) -> str | None:
    from campaign.plan.plan import elsewhere
    from campaign.plugins.registry import Registry

    option = elsewhere(plan, key, Registry(plan.checked.uses if plan.checked else ()))
    return f"with {option} it is in the plan" if option else None


def _nearest(plan: Plan, key: str) -> str | None:
    from difflib import get_close_matches
    from itertools import islice

    if len(key) > _LONGEST:
        return None
    near = get_close_matches(key, [run.key for run in islice(plan.runs(), 10_000)], n=1)
    return f"did you mean {near[0]}?" if near else None


def _show_run(run: Run, plan: Plan, as_json: bool) -> None:
    from campaign.cli.held import guards_text, held_text
    from campaign.cli.planned import limits_note
    from campaign.cli.tables import facts, print_json, table
    from campaign.plan.explanation import explain_values
    from campaign.plan.held import guarded_by, held_in
    from campaign.plan.limits import binding_of
    from campaign.plan.listing import listed
    from campaign.rules.structs import RuleBook

    shown = listed(run, plan)
    limits = list(binding_of(run, plan.rules.book)) if plan.rules is not None else []
    book = plan.rules.book if plan.rules is not None else RuleBook()
    values = explain_values(run, plan.seed, book)
    held = list(held_in(run.scenario, book, run))
    if as_json:
        rows = [
            {"kind": v.kind, "name": v.name, "value": v.value, "place": _place(v.span), "note": v.note} for v in values
        ]
        print_json(
            {
                "in_plan": True,
                "run": shown,
                "place": _place(run.scenario.span),
                "values": rows,
                "limits": limits,
                "holds": held,
                "guards": guarded_by(book),
            }
        )
        return
    about = [("id", run.id), ("instance", f"{shown.instance} ({run.scenario.span})"), ("about", run.scenario.about)]
    more = [("tags", ", ".join(run.scenario.tags)), ("needs", ", ".join(f"{n} = {c}" for n, c in shown.needs.items()))]
    click.echo(f"{visible(run.key)}\n{facts([*about, *more])}\n")
    rows_shown = [(v.name, v.value, str(v.span) if v.span else "", v.note or "") for v in values]
    click.echo(table(("value of", "is", "from", ""), rows_shown))
    click.echo(f"\n{limits_note(plan)}\n")
    if limits:
        bound = [(b.name, b.value, b.allows, "; ".join(b.origins)) for b in limits]
        click.echo(f"{table(('limit on', 'value', 'allows', 'from'), bound)}\n")
    for part in (held_text(held), guards_text(book)):
        if part:
            click.echo(f"{part}\n")
    for step in shown.steps:
        click.echo(visible(f"{step.label}: {_argv(step.argv)}"))


def _argv(argv: tuple[str, ...]) -> str:
    from shlex import join

    return join(argv)


def _place(span: Span | None) -> str | None:
    return str(span) if span else None
