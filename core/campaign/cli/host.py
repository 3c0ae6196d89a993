"""``campaign host``: the machine as a campaign would record it, or as one did, and how two of them differ."""

from __future__ import annotations

import os

import click
from msgspec import structs

from campaign.analysis.beside import read_beside
from campaign.analysis.hosts import HostChange, differences, disk_text, gpu_text, sensor_name, size_text
from campaign.cli import complete
from campaign.cli.host_rules import RuleSetMatch, matches_text, rule_set_matches
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import choose_campaign, open_ledger
from campaign.cli.tables import facts, print_json, table
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine.host import describe_host
from campaign.records.host import HostRecord, SensorView


@click.command()
@click.argument("campaign", required=False, shell_complete=complete.campaigns)
@click.option(
    "--diff", "other", metavar="CAMPAIGN", shell_complete=complete.campaigns, help="What differs from that one's host."
)
@format_option()
@workspace_option
def command(campaign: str | None, other: str | None, output_format: str, workspace: str) -> int:
    """Show this machine, or the one that CAMPAIGN ran on; what cannot be had says why."""
    host = describe_host() if campaign is None else recorded_host(workspace, campaign)
    if other is not None:
        _show_difference(differences(recorded_host(workspace, other), host), output_format)
    else:
        _show(host, output_format)
    return 0


class Shown(HostRecord, frozen=True, kw_only=True):
    """A host as ``--format json`` tells it: its record, and which rule sets are for it."""

    rule_sets: tuple[RuleSetMatch, ...] = ()


def _show(host: HostRecord, output_format: str) -> None:
    rule_sets = tuple(rule_set_matches(host.facts, os.getcwd()))
    if output_format == "json":
        print_json(Shown(**structs.asdict(host), rule_sets=rule_sets))
        return
    click.echo("\n\n".join(part for part in (_text(host), matches_text(rule_sets)) if part))


def recorded_host(workspace: str, word: str) -> HostRecord:
    """The machine that a campaign ran on, from its ``host.json``.  Raises CampaignError where there is none."""
    with open_ledger(workspace) as ledger:
        row = choose_campaign(ledger, word)
    host = read_beside(row.run_root).host
    if host is None:
        summary = f"the host of {row.id} is not known: there is no host.json in {row.run_root}, or it is damaged"
        hint = "a campaign's host is written when its first run is planned; what has been queued has none"
        raise CampaignError([Diagnostic("CAMP583", summary, hint=hint)])
    return host


def _show_difference(found: tuple[HostChange, ...], output_format: str) -> None:
    if output_format == "json":
        print_json(found)
    elif found:
        click.echo(table(["what", "before", "after"], [(each.what, each.before, each.after) for each in found]))
    else:
        click.echo("the two hosts do not differ")


def _text(host: HostRecord) -> str:
    cores = {"logical": host.cores, "physical": host.physical_cores, "sockets": host.sockets, "usable": host.cpus}
    pairs: list[tuple[str, object]] = [
        ("host", host.id),
        ("boot", host.boot_id),
        ("name", host.hostname),
        ("kernel", f"{host.system} {host.release} {host.version or ''}".strip()),
        ("architecture", host.architecture),
        ("cpu", host.cpu_model),
        ("microcode", host.microcode),
        ("cores", ", ".join(f"{count} {name}" for name, count in cores.items() if count is not None)),
        ("governors", ", ".join(host.governors)),
        ("memory", None if host.memory_bytes is None else size_text(host.memory_bytes)),
        *((f"dmi {field}", text) for field, text in host.dmi.items()),
        *((f"gpu {number}", gpu_text(gpu)) for number, gpu in enumerate(host.gpus)),
        *((f"disk {disk.name}", disk_text(disk)) for disk in host.disks),
        *((f"sensor {sensor_name(each)}", _reading(each)) for each in host.sensors),
        ("libc", host.libc),
        ("python", host.python),
        ("campaign", host.campaign),
        *((f"plugin {name}", text) for name, text in host.plugins.items()),
        *((f"no {name.removesuffix('_bytes')}", why) for name, why in host.missing.items()),
    ]
    return facts(pairs)


def _reading(sensor: SensorView) -> str:
    return f"{sensor.value:g} {sensor.unit}" if sensor.value is not None else f"no answer: {sensor.why}"
