"""``campaign quarantine FINGERPRINT``: write into a rule set that a failure is known and does not count for now."""

from __future__ import annotations

import click

from campaign.cli.files import read_file, replace_file, unwritable
from campaign.diagnostics import CampaignError, Diagnostic


@click.command("quarantine")
@click.argument("fingerprint")
@click.option("--rules", "path", required=True, type=click.Path(), metavar="FILE", help="The rule set to write into.")
@click.option("--issue", required=True, metavar="ID", help="Where the failure is followed up.")
@click.option("--until", required=True, metavar="DATE", help="The last day on which it does not count: 2027-01-31.")
@click.option("--owner", metavar="WHO", help="Who sees to it.")
def command(fingerprint: str, path: str, issue: str, until: str, owner: str | None) -> None:
    """Quarantine the failure of FINGERPRINT: it does not count until DATE.

    The rule set is written whole or not at all; its comments and order stay.
    """
    from campaign.rules.writing import quarantined  # late: a verb's help needs no YAML

    entry = {"fingerprint": fingerprint, "issue": issue, "until": until}
    if owner is not None:
        entry["owner"] = owner
    write(path, quarantined(path, read(path), entry))
    click.echo(f"{path}: {fingerprint} does not count until {until} ({issue})", err=True)


def read(path: str) -> bytes:
    """The bytes of a rule set; raises CampaignError."""
    try:
        return read_file(path)
    except OSError as error:
        summary = f"{path} cannot be read: {error.strerror or error}"
        raise CampaignError([Diagnostic("CAMP311", summary)]) from error


def write(path: str, data: bytes) -> None:
    """Write a rule set whole or not at all; raises CampaignError."""
    try:
        replace_file(path, data)
    except OSError as error:
        raise CampaignError([unwritable(path, error)]) from error
