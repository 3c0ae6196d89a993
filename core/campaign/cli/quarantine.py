"""``campaign quarantine FINGERPRINT``: write into a rule set that a failure is known and does not count for now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from campaign.cli.files import read_file, replace_file, unwritable
from campaign.diagnostics import CampaignError, Diagnostic


@click.command("quarantine")
@click.argument("fingerprint")
@click.option("--rules", "path", required=True, type=click.Path(), metavar="FILE", help="The rule set to write into.")
@click.option("--issue", required=True, metavar="ID", help="Where the failure is followed up.")
@click.option("--until", required=True, metavar="DATE", help="The last day on which it does not count: 2027-01-31.")
@click.option("--owner", metavar="WHO", help="Who sees to it.")
@click.option("--runs", metavar="N", help="So many runs without it, and the campaign says that it is gone.")
def command(fingerprint: str, path: str, issue: str, until: str, owner: str | None, runs: str | None) -> None:
    """Quarantine the failure of FINGERPRINT: it does not count until DATE.

    The rule set is written whole or not at all; its comments and order stay.
    """
    from campaign.rules.writing import already, quarantined  # late: a verb's help needs no YAML

    entry = {"fingerprint": fingerprint, "issue": issue, "until": until}
    entry |= {name: given for name, given in (("owner", owner), ("runs", runs)) if given is not None}
    refuse_wrong(entry, {"fingerprint": "FINGERPRINT"})
    data = read(path)
    before = already(path, data, fingerprint)
    write(path, quarantined(path, data, entry))
    instead = f", instead of until {before.until} ({before.issue})" if before is not None else ""
    click.echo(f"{path}: {fingerprint} does not count until {until} ({issue}){instead}", err=True)
    if until < datetime.now(UTC).date().isoformat():
        click.echo(f"warning: {until} is over: the failure counts", err=True)


def refuse_wrong(given: Mapping[str, str], arguments: Mapping[str, str] | None = None) -> None:
    """Raise UsageError for what no rule set can hold, named as it was given: an option unless ``arguments`` says."""
    from campaign.rules.schema import objection_to  # late, as above

    for key, text in given.items():
        why = objection_to(key, text)
        if why is not None:
            raise click.BadParameter(why, param_hint=(arguments or {}).get(key, f"--{key}"))


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
