"""``campaign plan --diff OTHER``: a spec, a git revision ``REV:path``, or a recorded campaign, and what changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import msgspec

from campaign.cli.planned import load_plan
from campaign.cli.recorded import find_campaign, open_ledger
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.files import Reader
from campaign.plan import snapshot
from campaign.plan.diff import Change, compare
from campaign.plan.plan import Options, Plan, from_snapshot
from campaign.plugins.registry import Registry

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_GIT_SECONDS = 30


def show_differences(plan: Plan, other: str, workspace: str, as_json: bool) -> None:
    """Write what changed from ``other`` to ``plan``, one cell (JSON: one object) after the other."""
    counts = dict.fromkeys(_SIGNS, 0)
    for change in compare(other_plan(other, plan.options, workspace), plan):
        counts[change.change] += 1
        for line in [msgspec.json.encode(change).decode()] if as_json else _lines(change):
            sys.stdout.write(f"{line}\n")
    if not as_json:
        click.echo(", ".join(f"{count} {what}" for what, count in counts.items()), err=True)


def _lines(change: Change) -> Iterator[str]:
    yield visible(f"{_SIGNS[change.change]} {change.cell}")
    for name, before, after in change.values:
        yield visible(f"    {name}: {_shown(before)} -> {_shown(after)}")


def _shown(value: str | None) -> str:
    return "(nothing)" if value is None else value


def other_plan(other: str, options: Options, workspace: str) -> Plan:
    """The plan to compare with; raises CampaignError where there is none.

    A file that exists is a spec; what holds a colon is ``REV:path``; anything else is a recorded campaign, with the
    options that it was started with.
    """
    if os.path.exists(other):
        return load_plan(other, options)
    revision, colon, path = other.partition(":")
    if colon:
        return load_plan(path, options, git_reader(revision))
    return _recorded(other, workspace)


def git_reader(revision: str) -> Reader:
    """Reads files as they were in a git revision; paths are relative to the root of the repository.

    Git gets an argument vector, and a revision can be no option of it; raises CampaignError for one that is none.
    """
    if not revision or revision.startswith("-") or not revision.isprintable() or " " in revision:
        raise _no_other(revision, "this is not a git revision")

    def read(path: str) -> bytes:
        argv = ["git", "cat-file", "blob", f"{revision}:{path}"]
        try:
            done = subprocess.run(argv, capture_output=True, check=False, timeout=_GIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"git did not answer in {_GIT_SECONDS} s") from error
        if done.returncode:
            raise OSError(done.stderr.decode(errors="replace").strip().removeprefix("fatal: "))
        return done.stdout

    return read


def _recorded(word: str, workspace: str) -> Plan:
    with open_ledger(workspace) as ledger:
        row = find_campaign(ledger, word)
        if row is None or row.snapshot is None:
            raise _no_other(word, "it is no file, no REV:path and no recorded campaign")
        taken = snapshot.load(row.snapshot, ledger.blob)
        plan, found = from_snapshot(taken, ledger.blob, Registry)
    if plan is None:
        raise CampaignError(found)
    return plan


def _no_other(other: str, why: str) -> CampaignError:
    hint = "give another spec, REV:path of a git repository, or a campaign that `campaign list` shows"
    return CampaignError([Diagnostic("CAMP215", f"--diff {other}: {why}", hint=hint)])
