"""``campaign release RUN``: give back what a lost run holds, or one whose faults could not be taken back."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.queueing import tell
from campaign.cli.recorded import choose_run, open_ledger
from campaign.cli.tables import facts, utc_now, when
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError
from campaign.engine import wire
from campaign.engine.asking import ask
from campaign.engine.releasing import Held, Scene, give_up, held, look, project, take_back
from campaign.engine.states import State

_MOST_PROCESSES = 8


@click.command("release")
@click.argument("run", shell_complete=complete.runs)
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@workspace_option
def command(run: str, yes: bool, workspace: str) -> int:
    """Show what is known of RUN and give its slots back: it is lost, or what it did to the machine is not undone.

    RUN is [campaign/]cell#seed[@attempt] or an id.
    """
    found = [(each, look(each.order)) for each in _held(workspace, run)]
    for each, scene in found:
        click.echo(_known(each, scene))
    if not yes:
        _need_somebody()
    clear = [_put_back(each, scene) for each, scene in found]
    if not yes and not all(clear) and not _agreed():
        click.echo("nothing was released", err=True)
        return 0
    for each, _ in found:
        asked = wire.Token(each.row.token)
        ask(workspace, "release", asked, lambda desk, asked=asked: desk.release(asked))  # type: ignore[misc]
        _give_up(each)
        click.echo(f"released: {each.row.key}, attempt {each.row.attempt}{_units(each, ': ')}")
        _write(workspace, each)
    return 0


def _held(workspace: str, word: str) -> list[Held]:
    """The attempts of a run that hold something.  Raises CampaignError where none does."""
    with open_ledger(workspace) as ledger:
        attempts = choose_run(ledger, word)
        found = []
        for row in attempts:
            try:
                found.append(held(ledger, row))
            except CampaignError:
                if row is attempts[-1] and not found:
                    raise
    return found


def _need_somebody() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; --yes gives it back")


def _agreed() -> bool:
    return click.confirm("Give it back? What may still run, or is still in force, is then yours to see to.", err=True)


def _put_back(found: Held, scene: Scene) -> bool:
    """Try once more to take back what is in force; whether nothing is left that a person has to look at."""
    if not scene.undo:
        return False
    if scene.supervised or scene.processes:
        failed: tuple[str, ...] = ("it is not tried while something of the run is there",)
    else:
        failed = take_back(found.order)
    left = look(found.order).undo
    for each in scene.undo:
        if each not in left:
            click.echo(f"put back: {visible(each)}")
    for each in left:
        tell(f"NOT put back: {each}: put it back by hand")
    for each in failed:
        tell(f"why: {each}")
    return not (left or failed or scene.returned or found.row.state == State.LOST)


def _known(found: Held, scene: Scene) -> str:
    row = found.row
    pairs: list[tuple[str, object]] = [
        ("run", f"{row.campaign}/{row.name}"),
        ("state", row.state if row.verdict is None else f"{row.state}, {row.verdict}"),
        ("since", when(found.since, utc_now())),
        ("holds", _units(found) or "no slots"),
        *(("why", each) for each in found.why),
        *_seen(scene),
        ("evidence", row.directory),
        ("private", scene.private),
    ]
    return facts(pairs)


def _seen(scene: Scene) -> Iterator[tuple[str, str]]:
    """What stands in its folder and runs of it now."""
    if not scene.folder:
        yield "now", "its private folder is gone"
    if scene.trouble:
        yield "now", f"its private folder cannot be read: {scene.trouble}"
    if scene.supervised:
        yield "now", "its supervisor lives"
    if scene.ended:
        yield "now", "its exit record is there"
    for each in scene.undo:
        yield "in force", each
    for each in scene.returned:
        yield "put back", f"{each}; but it did not read as it was set: see what is wrong with it"
    shown = ", ".join(map(str, scene.processes[:_MOST_PROCESSES]))
    more = len(scene.processes) - _MOST_PROCESSES
    yield "processes", f"{shown}{f' and {more} more' if more > 0 else ''}" if shown else "none that bears its mark"


def _units(found: Held, before: str = "") -> str:
    units = ", ".join(f"{name} {','.join(map(str, indexes))}" for name, indexes in found.units.items())
    return f"{before}{units}" if units else ""


def _give_up(found: Held) -> None:
    """What it held or faulted can be had again by other runs."""
    try:
        give_up(found.order)
    except OSError as error:
        tell(f"{error.filename}, which keeps others from what is in force, could not be put aside: {error.strerror}")


def _write(workspace: str, found: Held) -> None:
    try:
        with open_ledger(workspace) as ledger:
            project(ledger, found.row.token)
    except OSError as error:
        tell(f"{found.row.directory}/run.json, a file for readers, could not be written: {error.strerror}")
