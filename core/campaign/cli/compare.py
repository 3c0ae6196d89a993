"""``campaign compare A B``: two campaigns cell by cell, what differs between them first; for people and for CI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from campaign.analysis.beside import read_beside
from campaign.analysis.comparison import (
    LEVEL,
    Change,
    Compared,
    Comparison,
    Count,
    Identity,
    Rate,
    Shift,
    by_name,
    compare,
    variant,
)
from campaign.analysis.differences import Difference, differences
from campaign.cli import complete
from campaign.cli.options import format_option, workspace_option
from campaign.cli.recorded import as_it_stands, choose_campaign, open_ledger
from campaign.cli.tables import cut, print_json, table
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow

SCHEMA = "campaign.comparison/1"
#: What ``--fail-on`` takes, and which cells that means.
_FAIL_ON: dict[str, tuple[Change, ...]] = {
    "regressed": (Change.REGRESSED, Change.WORSE),
    "new": (Change.NEW_FAILING,),
    "failing": (Change.REGRESSED, Change.WORSE, Change.NEW_FAILING, Change.STILL_FAILING, Change.BETTER),
    "flaky": (Change.FLAKY,),
    "not-run": (Change.NOT_RUN,),
    "never": (),
}
#: Lines of a table; ``--format json`` has them all.
_MOST_SHOWN = 100
_WIDTH = 60


@click.command("compare")
@click.argument("a", required=False, shell_complete=complete.campaigns)
@click.argument("b", required=False, shell_complete=complete.campaigns)
@click.option("--variants", metavar="AXIS=X,Y", help="Compare two values of an axis within one campaign.")
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(list(_FAIL_ON)),
    help="What ends with status 1; may be given again.  Without it: regressed.",
)
@format_option()
@workspace_option
def command(
    a: str | None, b: str | None, variants: str | None, fail_on: Sequence[str], output_format: str, workspace: str
) -> int:
    """Compare campaign B with campaign A, the baseline, cell by cell and run by run.

    With one campaign, its baseline is the one of its name before it; with none, the newest one is meant.  Status 1
    where a cell regressed: it passed, and fails now, or fails more often than chance explains; and where all cells
    together do.
    """
    with open_ledger(workspace) as ledger:
        sides, identities = _sides(ledger, a, b, variants)
        rows = tuple(as_it_stands(workspace, row) for row in sides)
        known = [(row, read_beside(row.run_root)) for row in rows]
        differing = [] if variants else differences(known[0], known[1])
        first, second = (ledger.outcomes(row.id, axes=variants is not None) for row in rows)
        found = compare(first, second, identities)
    if variants is not None:
        _check_variants(variants, found)
    titles = _titles(rows[0], rows[1], variants)
    if output_format == "json":
        print_json(_record(titles, rows, differing, found))
    else:
        _show(titles, differing, found, not variants)
    return int(_status(found, fail_on or ("regressed",)))


def _sides(
    ledger: LedgerReader, a: str | None, b: str | None, variants: str | None
) -> tuple[tuple[CampaignRow, CampaignRow], tuple[Identity, Identity]]:
    """Which campaigns are meant and how their cells are called; raises CampaignError."""
    if variants is not None:
        row = choose_campaign(ledger, a)
        axis, x, y = _variants(variants, b)
        return (row, row), (variant(axis, x), variant(axis, y))
    first = choose_campaign(ledger, a)
    if b is not None:
        return (first, choose_campaign(ledger, b)), (by_name, by_name)
    return (_before(ledger, first), first), (by_name, by_name)


def _variants(text: str, b: str | None) -> tuple[str, str, str]:
    axis, _, values = text.partition("=")
    x, comma, y = values.partition(",")
    if not axis or not x or not comma or not y or b is not None:
        summary = f"--variants {text}: " + ("this is within one campaign" if b is not None else "write AXIS=X,Y")
        raise CampaignError([Diagnostic("CAMP596", summary, hint="--variants sync=off,full")])
    return axis.strip(), x.strip(), y.strip()


def _check_variants(text: str, found: Comparison) -> None:
    """Raise CampaignError where no run has one of the values: a word that is misspelt must not look like a result."""
    axis, _, values = text.partition("=")
    counts = (any(each.a for each in found.cells), any(each.b for each in found.cells))
    for value, there in zip(values.split(","), counts, strict=False):
        if not there:
            summary = f"--variants {text}: no run has {axis.strip()}={value.strip()}"
            raise CampaignError([Diagnostic("CAMP596", summary, hint="campaign show --runs lists the cells")])


def _before(ledger: LedgerReader, row: CampaignRow) -> CampaignRow:
    """The campaign of that name before this one; raises CampaignError for none."""
    earlier = (each for each in ledger.campaigns() if each.name == row.name and each.created_at < row.created_at)
    found = next(earlier, None)
    if found is None:
        summary = f"{row.id} is the first campaign called {row.name} here: there is none before it to compare with"
        raise CampaignError([Diagnostic("CAMP596", summary, hint="name both: campaign compare A B")])
    return found


def _status(found: Comparison, fail_on: Sequence[str]) -> ExitStatus:
    bad = {change for word in fail_on for change in _FAIL_ON[word]}
    if "regressed" in fail_on and found.overall.worse:
        return ExitStatus.FAILED
    return ExitStatus.FAILED if any(each.change in bad for each in found.cells) else ExitStatus.PASSED


def _titles(a: CampaignRow, b: CampaignRow, variants: str | None) -> tuple[str, str]:
    if variants is None:
        return a.id, b.id
    axis, _, values = variants.partition("=")
    x, _, y = values.partition(",")
    return f"{a.id} with {axis}={x}", f"{b.id} with {axis}={y}"


# --- for programs -----------------------------------------------------------------------------------------------


def _record(
    titles: tuple[str, str], rows: Sequence[CampaignRow], differing: Sequence[Difference], found: Comparison
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "a": {"campaign": rows[0].id, "title": titles[0], "state": rows[0].state},
        "b": {"campaign": rows[1].id, "title": titles[1], "state": rows[1].state},
        "differences": differing,
        "changes": {str(change): found.changes[change] for change in Change},
        **msgspec.structs.asdict(found),
    }


# --- for people -------------------------------------------------------------------------------------------------


def _show(titles: tuple[str, str], differing: Sequence[Difference], found: Comparison, campaigns: bool) -> None:
    click.echo(f"A  {visible(titles[0])}\nB  {visible(titles[1])}\n")
    if campaigns:
        click.echo(_differing(differing) + "\n")
    not_run = [each for each in found.cells if each.change is Change.NOT_RUN]
    if not_run:
        click.echo(f"NOT RUN in B: {_cells(len(not_run))} of A{_named(not_run)}\n")
    told = [each for each in found.cells if each.change not in (Change.PASSING, Change.NOT_RUN)]
    if told:
        click.echo(_cell_table(sorted(told, key=lambda each: list(Change).index(each.change))[:_MOST_SHOWN]))
        click.echo(_more(len(told)))
    moved = [each for each in found.shifts if each.chance < LEVEL]
    if moved:
        click.echo(_shift_table(moved[:_MOST_SHOWN]))
        click.echo(_more(len(moved)))
    click.echo("\n".join(_totals(found, len(moved))))


def _differing(differing: Sequence[Difference]) -> str:
    if not differing:
        return "no difference in spec, rule sets, options, seed, versions or host"
    rows = [[each.kind, each.name, *(cut(side or "-", _WIDTH) for side in (each.a, each.b))] for each in differing]
    return table(["differs", "what", "A", "B"], rows)


def _cell_table(cells: Sequence[Compared]) -> str:
    headers = ["change", "cell", "A", "B", "difference", "chance"]
    rows = [
        [
            each.change,
            each.cell,
            _count(each.a),
            _count(each.b),
            _points(each.difference, each.interval),
            _chance(each.chance),
        ]
        for each in cells
    ]
    return table(headers, rows, numbers=("A", "B", "chance"))


def _shift_table(shifts: Sequence[Shift]) -> str:
    headers = ["measured", "instance", "median A", "median B", "B / A", "effect", "chance"]
    rows = [
        [
            each.metric,
            each.instance,
            *(f"{number:.4g} {each.unit}".rstrip() for number in each.medians),
            f"{each.medians[1] / each.medians[0]:.3g} x" if each.medians[0] else "",
            f"{each.effect:+.2f}",
            _chance(each.chance),
        ]
        for each in shifts
    ]
    return table(headers, rows, numbers=("median A", "median B", "B / A", "effect", "chance"))


def _totals(found: Comparison, moved: int) -> list[str]:
    overall = found.overall
    counts = ", ".join(f"{found.changes[change]:,} {change}" for change in Change if found.changes[change])
    lines = [f"{_cells(len(found.cells))}: {counts}" if counts else "neither has a run"]
    if overall.cells:
        lines.append(
            f"win rate of the {_cells(overall.cells)} that both ran: {_rate(overall.a)} -> {_rate(overall.b)}, "
            f"difference {_points(overall.difference, overall.interval)}"
        )
        test = "" if overall.chance is None else f"; by chance alone with p = {_chance(overall.chance)}"
        lines.append(
            f"{overall.pairs:,} runs have the same cell and seed: {overall.fixed:,} fixed, "
            f"{overall.regressed:,} regressed{test}"
        )
    if overall.worse:
        lines.append("all together it is worse")
    still = len(found.shifts) - moved
    if still:
        lines.append(f"{still:,} more measured, without a difference that chance does not explain")
    return lines


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"


def _named(cells: Sequence[Compared]) -> str:
    names = ", ".join(visible(each.cell) for each in cells[:5])
    return f": {names}{', …' if len(cells) > 5 else ''}"


def _more(count: int) -> str:
    return f"… and {count - _MOST_SHOWN:,} more: --format json has them all\n" if count > _MOST_SHOWN else ""


def _count(count: Count | None) -> str:
    if count is None:
        return "-"
    notes = [f"{count.errors} error" if count.errors else "", f"{count.flaky} flaky" if count.flaky else ""]
    told = ", ".join(filter(None, notes))
    return f"{count.passed}/{count.trials}" + (f" ({told})" if told else "")


def _rate(rate: Rate) -> str:
    if rate.rate is None or rate.interval is None:
        return "-"
    low, high = rate.interval
    return f"{rate.rate:.1%} ({low:.1%} to {high:.1%}, {rate.passed:,} of {rate.trials:,})"


def _points(difference: float | None, interval: tuple[float, float] | None) -> str:
    if difference is None or interval is None:
        return ""
    low, high = interval
    return f"{100 * difference:+.1f} % ({100 * low:+.1f} to {100 * high:+.1f})"


def _chance(chance: float | None) -> str:
    return "" if chance is None else f"{chance:.2g}" if chance >= 1e-4 else "< 0.0001"
