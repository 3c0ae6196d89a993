"""``campaign note``: a remark on a campaign or on one of its runs."""

from __future__ import annotations

import click

from campaign.cli import complete
from campaign.cli.options import workspace_option
from campaign.cli.recorded import choose_subject
from campaign.cli.remarks import subject_text
from campaign.engine import wire
from campaign.engine.asking import ask


@click.command("note")
@click.argument("what", metavar="CAMPAIGN|RUN", shell_complete=complete.campaigns)
@click.argument("text")
@workspace_option
def command(what: str, text: str, workspace: str) -> int:
    """Keep TEXT as a remark on a campaign, or on one of its runs; show and the reports tell it.

    RUN is [CAMPAIGN/]cell#seed or an id.
    """
    campaign, key = choose_subject(workspace, what)
    asked = wire.Note(campaign, key, text)
    ask(workspace, "note", asked, lambda desk: desk.note(asked))
    click.echo(f"noted: {subject_text(campaign, key)}")
    return 0
