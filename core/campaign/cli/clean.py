"""``campaign clean``: remove what is old, and never what somebody still needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
from msgspec import Struct

from campaign.analysis.retention import Kept, examine, read_ties
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import open_ledger
from campaign.cli.render import print_diagnostics
from campaign.cli.tables import print_json, table, utc_now, when
from campaign.diagnostics import Diagnostic, ExitStatus
from campaign.engine.asking import call
from campaign.engine.household import forget, housekeeping, sweep
from campaign.ledger.rows import left_alone
from campaign.units import Dimension, UnitError, parse_quantity


class Cleaned(Struct, frozen=True, kw_only=True):
    """One old campaign as ``--format json`` tells it; ``why`` it was kept, None where it was removed, or would be."""

    campaign: str
    state: str
    finished_at: str | None
    removed: bool
    why: str | None
    run_root: str


def _age(context: click.Context, param: click.Parameter, given: str) -> timedelta:
    """``7d``, ``1h30m``."""
    try:
        age = parse_quantity(given)
        if age.dimension is not Dimension.DURATION or age.value < 0:
            raise UnitError("it is no time span")
        return timedelta(seconds=float(age.value))
    except (UnitError, OverflowError) as error:
        raise click.BadParameter(f"{given!r}: {error}; write 7d or 12h", context, param) from None


@click.command("clean")
@click.option(
    "--older-than",
    "age",
    required=True,
    callback=_age,
    metavar="TIME",
    help="What ended longer ago than this: 7d, 12h.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed and what kept, and remove nothing.")
@format_option()
@workspace_option
def command(age: timedelta, dry_run: bool, output_format: str, workspace: str) -> int:
    """Remove the evidence and the records of old campaigns.

    Never what is marked, what is not finished, and the campaign in which a failure was seen first.
    """
    before = _before(age)
    if dry_run:
        _show(_examined(workspace, before), frozenset(), output_format, dry_run=True)
        return 0
    with open_ledger(workspace):
        pass  # where there is none, there is nothing to clean and no folder to make
    with housekeeping(workspace):
        found = _examined(workspace, before)
        free = [each.campaign.id for each in found if each.why is None]
        gone = frozenset(forget(workspace, free, before.isoformat()))
        failed = sweep(workspace)
    _show(found, gone, output_format, dry_run=False)
    print_diagnostics([_not_removed(path, error) for path, error in failed], sys.stderr)
    return int(ExitStatus.SETUP if failed else ExitStatus.PASSED)


def _before(age: timedelta) -> datetime:
    try:
        return utc_now() - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _examined(workspace: str, before: datetime) -> list[Kept]:
    line = call(workspace)
    if line is not None:
        line.close()
    with open_ledger(workspace) as ledger:
        rows = [row if line is not None else left_alone(row) for row in ledger.campaigns()]
        return list(examine(rows, before, read_ties(ledger)))


def _show(found: Sequence[Kept], gone: frozenset[str], output_format: str, *, dry_run: bool) -> None:
    rows = [_cleaned(each, each.why is None if dry_run else each.campaign.id in gone) for each in found]
    if output_format == "json":
        print_json(rows)
        return
    now, done = utc_now(), "would be removed" if dry_run else "removed"
    cells = [
        [each.campaign, when(each.finished_at, now), done if each.removed else f"kept: {each.why}"] for each in rows
    ]
    click.echo(table(["campaign", "finished", "what"], cells) if cells else "nothing is that old")


def _cleaned(each: Kept, removed: bool) -> Cleaned:
    row = each.campaign
    why = None if removed else each.why or "somebody works on it"
    return Cleaned(
        campaign=row.id, state=row.state, finished_at=row.finished_at, removed=removed, why=why, run_root=row.run_root
    )


def _not_removed(path: str, error: OSError) -> Diagnostic:
    where = error.filename if isinstance(error.filename, str) and error.filename != path else None
    summary = f"{path} could not be removed: {error.strerror or error}" + (f" ({where})" if where else "")
    hint = "the ledger has forgotten the campaign; the next campaign clean tries again"
    return Diagnostic("CAMP584", summary, hint=hint, status=ExitStatus.SETUP)
