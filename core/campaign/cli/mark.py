"""``campaign mark``: what is notable, and must not be cleaned away."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.recorded import choose_subject
from campaign.cli.remarks import subject_text
from campaign.engine import wire
from campaign.engine.asking import ask


@click.command("mark")
@click.argument("what", metavar="CAMPAIGN|RUN", shell_complete=complete.campaigns)
@click.argument("why", default="")
@click.option("--off", is_flag=True, help="Take the mark away.")
@workspace_option
def command(what: str, why: str, off: bool, workspace: str) -> int:
    """Mark a campaign, or one of its runs, as notable; clean never removes it.

    RUN is [CAMPAIGN/]cell#seed or an id. WHY is shown with the mark; the newest one counts.
    """
    if off and why:
        raise click.UsageError("a mark that is taken away needs no reason")
    campaign, key = choose_subject(workspace, what)
    asked = wire.Mark(campaign, key, why, not off)
    done, _ = ask(workspace, "mark", asked, lambda desk: desk.mark(asked))
    word = "marked" if not off else "no longer marked" if done.count else "was not marked"
    click.echo(f"{word}: {subject_text(campaign, key)}")
    return 0
