"""``campaign instances``: the scenarios that a spec holds."""

from __future__ import annotations

import click

from campaign.cli.matrix import axis_text, instance_rows
from campaign.cli.options import format_option, selection_options
from campaign.cli.planned import load_plan
from campaign.cli.tables import print_json, table
from campaign.plan.plan import Options


@click.command()
@click.argument("spec", type=click.Path())
@selection_options
@format_option()
def command(spec: str, options: Options, output_format: str) -> None:
    """List the instances of SPEC: what each is about, its axes, tags and numbers."""
    rows = list(instance_rows(load_plan(spec, options)))
    if output_format == "json":
        print_json(rows)
        return
    headers = ("instance", "axes", "cells", "runs", "tags", "about")
    cells = [
        (
            row.instance,
            " x ".join(axis_text(axis) for axis in row.axes),
            f"{row.cells:_}",
            f"{row.runs:_}",
            ", ".join(row.tags),
            row.about,
        )
        for row in rows
    ]
    click.echo(table(headers, cells, numbers=("cells", "runs")))
