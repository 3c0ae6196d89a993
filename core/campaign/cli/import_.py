"""``campaign import FILE``: a campaign from an archive, of which nothing is believed."""

from __future__ import annotations

import os

import click

from campaign.cli.files import unwritable
from campaign.cli.options import workspace_option
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine.importing import Import
from campaign.units import Dimension, UnitError, parse_quantity


def _size(context: click.Context, param: click.Parameter, given: str) -> int:
    """``16GiB``."""
    try:
        size = parse_quantity(given)
        if size.dimension is not Dimension.SIZE or size.value < 0:
            raise UnitError("it is no size")
        return int(size.value)
    except UnitError as error:
        raise click.BadParameter(f"{given!r}: {error}; write 16GiB", context, param) from None


@click.command("import")
@click.argument("file", type=click.Path())
@click.option(
    "--most", callback=_size, default="16GiB", show_default=True, metavar="SIZE", help="What it may hold at most."
)
@workspace_option
def command(file: str, most: int, workspace: str) -> int:
    """Take in a campaign that campaign export has written; list, show, report, compare and rerun then know it."""
    path = os.path.abspath(file)
    if not os.path.exists(path):
        raise CampaignError([Diagnostic("CAMP586", f"{path} is no archive to be trusted: there is no such file")])
    try:
        click.echo(Import(path, workspace, most).run())
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else workspace  # a descriptor's number says nothing
        raise CampaignError([unwritable(where, error)]) from error
    return 0
