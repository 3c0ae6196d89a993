"""``campaign plan``: the matrix of a spec, its counts, every run of it, and what changed in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click
import msgspec

from campaign.cli.options import format_option, selection_options, workspace_option
from campaign.cli.planned import limits_note, load_plan, rules_view
from campaign.diagnostics import Severity
from campaign.plan.plan import Options, Plan
from campaign.records.plan import PlanCounts

if TYPE_CHECKING:
    from campaign.engine.capacity import Capacity

# Tables (tabulate) and rendering are imported where they are needed: counting a matrix must not wait for them.

_BATCH = 500  # lines written at once: few system calls, and still a stream


@click.command()
@click.argument("spec", type=click.Path())
@selection_options
@click.option("--list", "listing", is_flag=True, help="Every run, one a line, in order.")
@click.option("--count", "counting", is_flag=True, help="How many instances, cells and runs there are.")
@click.option("--diff", "other", metavar="OTHER", help="What changed since a spec, REV:path, or a recorded campaign.")
@format_option()
@workspace_option
def command(
    spec: str, options: Options, listing: bool, counting: bool, other: str | None, output_format: str, workspace: str
) -> None:
    """Show the matrix of SPEC: what would run, without running anything."""
    if listing + counting + (other is not None) > 1:
        raise click.UsageError("--list, --count and --diff are three different questions; ask one")
    plan = load_plan(spec, options)
    as_json = output_format == "json"
    if other is not None:
        from campaign.cli.plan_diff import show_differences

        show_differences(plan, other, workspace, as_json)
    elif listing:
        _write_lines(_listed_json(plan) if as_json else _listed_text(plan))
    elif counting:
        counts = plan.count()
        _warn_of_nothing(plan, counts)
        _show_counts(counts, as_json)
    else:
        _show_matrix(plan, as_json)


def _listed_json(plan: Plan) -> Iterator[str]:
    from campaign.plan.listing import listed  # late: rendering is not needed to count

    encode = msgspec.json.Encoder().encode
    return (encode(listed(run, plan)).decode() for run in plan.runs())


def _listed_text(plan: Plan) -> Iterator[str]:
    from campaign.cli.terminal import visible

    return (f"{run.id}  {visible(run.key)}" for run in plan.runs())


def _write_lines(lines: Iterator[str]) -> None:
    """Write a stream of lines in constant memory; a reader that leaves (``| head``) ends it by BrokenPipeError."""
    while batch := list(islice(lines, _BATCH)):
        sys.stdout.write("\n".join(batch) + "\n")
    sys.stdout.flush()


def _show_counts(counts: PlanCounts, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(counts).decode())
        return
    for name in ("instances", "cells", "runs", "excluded"):
        click.echo(f"{name:<9}  {getattr(counts, name):>13,}".replace(",", "_"))


def _show_matrix(plan: Plan, as_json: bool) -> None:
    from campaign.cli.held import guards_text, held_text
    from campaign.cli.matrix import added_up, instance_rows, rows_table
    from campaign.plan.held import guarded_by, held_in
    from campaign.rules.structs import RuleBook

    rows = list(instance_rows(plan))
    counts = plan.count() if plan.options.limit is not None else added_up(rows)
    _warn_of_nothing(plan, counts)
    capacity = _capacity(plan)
    book = plan.rules.book if plan.rules is not None else RuleBook()
    held = [each for scenario in plan.scenarios for each in held_in(scenario, book)]
    if as_json:
        from campaign.cli.tables import print_json

        head = {"campaign": plan.name, "seed": plan.seed, "tier": plan.options.tier}
        print_json(
            {
                **head,
                "counts": counts,
                "instances": rows,
                "slots": capacity.named if capacity else {},
                "rules": rules_view(plan),
                "holds": held,
                "guards": guarded_by(book),
            }
        )
        return
    tier = f", tier {plan.options.tier}" if plan.options.tier else ""
    click.echo(f"{plan.name}: {_many(counts.runs, 'run')} of {_many(counts.cells, 'cell')}{tier}, seed {plan.seed}")
    if counts.excluded:
        click.echo(f"{_many(counts.excluded, 'cell')} excluded")
    if not rows:
        click.echo()
        return
    click.echo(f"\n{rows_table(rows)}\n\n{limits_note(plan)}")
    for part in (held_text(held), guards_text(book)):
        if part:
            click.echo(f"\n{part}")
    if capacity is not None:
        from campaign.engine.capacity import slots_line

        click.echo(f"slots here: {slots_line(capacity)}")


def _warn_of_nothing(plan: Plan, counts: PlanCounts) -> None:
    """To look at nothing is no mistake; to carry it out would be one."""
    if counts.runs:
        return
    from campaign.cli.render import print_diagnostics
    from campaign.plan.nothing import nothing_selected  # late: there hardly ever is nothing

    found = nothing_selected(plan)
    if found is not None:
        print_diagnostics([msgspec.structs.replace(found, severity=Severity.WARNING)], sys.stderr)


def _capacity(plan: Plan) -> Capacity | None:
    """What this machine has of the slots that the plan names; None where it names none."""
    if not any(scenario.needs or scenario.prefers for scenario in plan.scenarios):
        return None
    from campaign.engine.capacity import capacity_of  # late: few plans name slots

    return capacity_of(plan, None, os.environ)


def _many(count: int, what: str) -> str:
    return f"{count:_} {what}{'' if count == 1 else 's'}"
