"""``campaign minimize RUN``: make one failure smaller, with smaller parameters or fewer elements of a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from msgspec.structs import asdict

from campaign.analysis.smallest import in_runs, in_words
from campaign.cli import complete
from campaign.cli.beside import carried_out, subject
from campaign.cli.options import format_option, no_progress_option, workspace_option
from campaign.cli.tables import cut, print_json, table
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine.asking import now
from campaign.engine.desk import new_submission
from campaign.engine.minimize import ATTEMPTS, SECONDS, Wish
from campaign.ledger.rows import CANCELED, FAILED, AttemptRecord, RequestRow
from campaign.units import Dimension, UnitError, parse_quantity

_MOST_ATTEMPTS = 1_000_000


@click.command("minimize")
@click.argument("run", shell_complete=complete.runs)
@click.option("--by", metavar="NAME", help="`parameters`, `ddmin`, or a plugin's minimizer; else as the spec says.")
@click.option("--order", metavar="A,B", help="What is made smaller, the first one first; of ddmin a parameter's file.")
@click.option("--attempts", type=click.IntRange(1, _MOST_ATTEMPTS), metavar="N", help=f"At most so many; {ATTEMPTS}.")
@click.option("--time", "time_", metavar="DURATION", help="None begun after that; 1h.")
@format_option()
@no_progress_option
@workspace_option
def command(
    run: str,
    by: str | None,
    order: str | None,
    attempts: int | None,
    time_: str | None,
    output_format: str,
    progress: bool,
    workspace: str,
) -> int:
    """Make the failure of RUN smaller: candidates run beside the plan; the smallest becomes repro.camp.

    RUN is [campaign/]cell#seed[@attempt] or an id; without an attempt it is the last one.
    """
    parent = subject(workspace, run, "minimized")
    wish = _wish(parent, by, order, attempts, time_)
    asked = RequestRow(
        id=new_submission(),
        campaign=parent.row.campaign,
        kind="minimize",
        parent=parent.row.token,
        settings=asdict(wish),
        at=now(),
    )
    ended = carried_out(workspace, asked, None, live=progress)
    result = ended.result or {}
    if ended.state == FAILED:
        summary = f"{parent.row.name} could not be minimized: {result.get('why', 'nobody knows why')}"
        raise CampaignError([Diagnostic("CAMP591", summary, status=ExitStatus.SETUP)])
    if ended.state == CANCELED:
        click.echo("canceled", err=True)
        return int(ExitStatus.CANCELED)
    _show(parent, result, output_format)
    found = result.get("repro") or (result.get("smaller") and result.get("outdone"))
    return 0 if found else int(ExitStatus.FAILED)


def _wish(parent: AttemptRecord, by: str | None, order: str | None, attempts: int | None, time_: str | None) -> Wish:
    """What the command line says, and where it is silent the spec, as it was when the run was planned."""
    said = parent.order.minimize
    names = tuple(name.strip() for name in order.split(",") if name.strip()) if order is not None else None
    return Wish(
        by=by or (said.by if said else Wish().by),
        order=names if names is not None else (said.order if said and by in {None, said.by} else ()),
        attempts=attempts or (said.attempts if said else ATTEMPTS),
        seconds=_seconds(time_) if time_ is not None else (said.seconds if said else SECONDS),
    )


def _seconds(text: str) -> float:
    try:
        quantity = parse_quantity(text)
    except UnitError as error:
        raise click.BadParameter(str(error), param_hint="--time") from error
    if quantity.dimension is not Dimension.DURATION or quantity.value <= 0:
        raise click.BadParameter(f"{text} is no span of time", param_hint="--time")
    return float(quantity.value)


def _show(parent: AttemptRecord, result: dict[str, Any], output_format: str) -> None:
    if output_format == "json":
        print_json({"run": parent.row.name, "campaign": parent.row.campaign, "minimized": result})
        return
    rows = list(_rows(result.get("steps", [])))
    if rows:
        click.echo(table(["candidate", "from", "to", "still fails", "runs", "in"], rows))
    repeats = result["repeats"]
    click.echo(f"the original failed in {repeats['failed']} of {repeats['runs']} repeats")
    if repeats["passes_after"] and repeats["passes_after"] > 1:
        click.echo(
            f"so a candidate counts as failing after {repeats['fails_after']} failures on end, "
            f"as not failing after {repeats['passes_after']} runs without one"
        )
    click.echo(f"{in_runs(result['attempts'])}: {result['stopped']}{_enough(result.get('needed'))}")
    if result.get("smaller"):
        click.echo(f"smallest: {cut(in_words(result['result']), 200)}")
    if result.get("outdone"):
        click.echo(f"an earlier minimization of {visible(parent.row.name)} found a smaller one: its repro.camp stays")
    if result.get("repro"):
        click.echo(f"campaign exec {visible(result['repro'])}")


def _enough(needed: int | None) -> str:
    """How to come to the end, where that can be told and may be asked for."""
    if needed is None or needed > _MOST_ATTEMPTS:
        return ""
    return f"; to come to an end it takes about --attempts {needed}"


def _rows(steps: list[dict[str, Any]]) -> Iterator[list[str]]:
    """The candidates in order; one that failed and, repeated at the end, did not is told from one that never did."""
    failed: set[str | None] = set()
    for step in steps:
        fails = "yes" if step["still_fails"] else "not each time" if step["run"] in failed else "no"
        if "refused" in step:
            fails = "refused: " + cut(step["refused"], 60)
        failed |= {step["run"]} if step["still_fails"] else set()
        old, new = (cut(str(step[side]), 40) for side in ("from", "to"))
        yield [step["parameter"], old, new, fails, str(step["runs"] or ""), step["run"] or ""]
