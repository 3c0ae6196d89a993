"""``campaign groups``: the groups that a spec holds, and how much is in each."""

from __future__ import annotations

from collections.abc import Iterable

import click
from msgspec import Struct

from campaign.cli.matrix import InstanceRow, instance_rows
from campaign.cli.options import format_option, selection_options
from campaign.cli.planned import load_plan
from campaign.cli.tables import print_json, table
from campaign.plan.plan import Options


class GroupRow(Struct, frozen=True):
    """A top-level group: its instances, cells and runs."""

    group: str
    instances: int
    cells: int
    runs: int
    tags: tuple[str, ...]


@click.command()
@click.argument("spec", type=click.Path())
@selection_options
@format_option()
def command(spec: str, options: Options, output_format: str) -> None:
    """List the groups of SPEC, and how many instances, cells and runs each holds."""
    rows = group_rows(instance_rows(load_plan(spec, options)))
    if output_format == "json":
        print_json(rows)
        return
    headers = ("group", "instances", "cells", "runs", "tags")
    cells = [(r.group, f"{r.instances:_}", f"{r.cells:_}", f"{r.runs:_}", ", ".join(r.tags)) for r in rows]
    click.echo(table(headers, cells, numbers=("instances", "cells", "runs")))


def group_rows(instances: Iterable[InstanceRow]) -> list[GroupRow]:
    """Instances summed up by their top-level group, in order of first appearance."""
    members: dict[str, list[InstanceRow]] = {}
    for row in instances:
        members.setdefault(row.group, []).append(row)
    return [
        GroupRow(
            group=group,
            instances=len(rows),
            cells=sum(row.cells for row in rows),
            runs=sum(row.runs for row in rows),
            tags=tuple(dict.fromkeys(tag for row in rows for tag in row.tags)),
        )
        for group, rows in members.items()
    ]
