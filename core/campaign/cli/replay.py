"""``campaign replay RUN``: carry out an attempt again as it was, and say whether the same failure came back."""

from __future__ import annotations

import os
from typing import Any

import click

from campaign.cli import complete
from campaign.cli.beside import carried_out, subject
from campaign.cli.options import format_option, no_progress_option, workspace_option
from campaign.cli.tables import cut, print_json, table
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine.asking import now
from campaign.engine.desk import new_submission
from campaign.ledger.rows import CANCELED, FAILED, AttemptRecord, RequestRow

_MOST_TIMES = 10_000
#: Of more replays the folder is named that holds theirs.
_MOST_FOLDERS = 5
_WORDS = {
    "passed": "it passed",
    "same": "the same failure came back",
    "other": "another failure",
    "canceled": "canceled",
}


@click.command("replay")
@click.argument("run", shell_complete=complete.runs)
@click.option("--times", type=click.IntRange(1, _MOST_TIMES), default=1, metavar="N", help="So often, in parallel.")
@format_option()
@no_progress_option
@workspace_option
def command(run: str, times: int, output_format: str, progress: bool, workspace: str) -> int:
    """Carry out RUN again; its verdict stays what it is.

    From its trace, where it has one, else with the same commands, environment, seed and instants of faults.

    RUN is [campaign/]cell#seed[@attempt] or an id; without an attempt it is the last one.
    """
    parent = subject(workspace, run, "replayed")
    asked = RequestRow(
        id=new_submission(),
        campaign=parent.row.campaign,
        kind="replay",
        parent=parent.row.token,
        settings={"times": times},
        at=now(),
    )
    ended = carried_out(workspace, asked, times, live=progress)
    runs = (ended.result or {}).get("runs", [])
    if ended.state == FAILED:
        summary = f"{parent.row.name} could not be replayed: {(ended.result or {}).get('why', 'nobody knows why')}"
        raise CampaignError([Diagnostic("CAMP590", summary, status=ExitStatus.SETUP)])
    _show(parent, runs, output_format)
    if ended.state == CANCELED:
        return int(ExitStatus.CANCELED)
    return int(ExitStatus.FAILED) if any(each["verdict"] in {"fail", "error"} for each in runs) else 0


def _show(parent: AttemptRecord, runs: list[dict[str, Any]], output_format: str) -> None:
    same = sum(each["outcome"] == "same" for each in runs)
    if output_format == "json":
        failure = parent.decision.failure if parent.decision else None
        print_json(
            {
                "run": parent.row.name,
                "campaign": parent.row.campaign,
                "verdict": parent.row.verdict,
                "fingerprint": failure.fingerprint if failure else None,
                "came_back": same > 0,
                "runs": runs,
            }
        )
        return
    how = {True: "its trace", False: "its arguments", None: ""}
    rows = [
        [
            each["name"],
            how[each.get("from_trace")],
            each["verdict"],
            _WORDS[each["outcome"]],
            cut(each["message"] or "", 80),
        ]
        for each in runs
    ]
    click.echo(table(["replay", "from", "verdict", "outcome", "message"], rows))
    if parent.row.verdict in {"fail", "error"}:
        click.echo(f"the same failure came back in {same} of {len(runs)}")
    folders = [visible(each["directory"]) for each in runs]
    if len(folders) > _MOST_FOLDERS:
        folders = [f"{os.path.commonpath(folders)}/ ({len(folders):,} folders)"]
    for folder in folders:
        click.echo(f"evidence: {folder}")
