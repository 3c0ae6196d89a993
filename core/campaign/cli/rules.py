"""``campaign rules``: check rule sets, explain what they come to, test their examples, tighten a limit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from campaign.cli.files import read_file
from campaign.cli.options import format_option
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, failed

if TYPE_CHECKING:
    from campaign.rules.files import Bound
    from campaign.rules.structs import Origin, RuleBook

# Rule sets (YAML), tables and plugins are imported where they are needed: help must not wait for them.


@click.group("rules", subcommand_metavar="check|explain|test|tighten …")
def command() -> None:
    """Look after rule sets."""


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@format_option("text", "json", "sarif", "github")
def check(files: tuple[str, ...], output_format: str) -> int:
    """Check rule sets: shape, values, conditions, matchers, what they extend; each by itself."""
    from campaign.cli.check import write_found
    from campaign.cli.lines import Lines

    found = [each for path in dict.fromkeys(files) for each in _bind([path])[1]]
    status = CampaignError(found).status if failed(found) else ExitStatus.PASSED
    write_found(list(dict.fromkeys(found)), output_format, Lines(read=read_file), status, len(files))
    return int(status)


@command.command("explain")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@format_option()
def explain(files: tuple[str, ...], output_format: str) -> None:
    """Show what rule sets come to side by side: every effective value, and where it comes from."""
    from campaign.cli.tables import print_json, table
    from campaign.cli.terminal import visible

    bound = _bound(files)
    rows = list(_rows(bound.book))
    if output_format == "json":
        names = ("rule", "name", "value", "rule_set", "place", "why")
        print_json({"sets": bound.book.names, "rules": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    click.echo(f"{', '.join(bound.book.names)}\n")
    shown = [tuple(visible(str(cell or "")) for cell in row) for row in rows]
    click.echo(table(("rule", "of", "is", "set", "from", "why"), shown))


def _rows(book: RuleBook) -> Iterator[tuple[str, str, str, str, str, str | None]]:
    """Every effective value: the rule, of what, what it is, the rule set, the place, why."""
    from campaign.units import format_exact

    for limit in book.limits.values():
        for word, end in (("min", limit.low), ("max", limit.high)):
            if end is not None:
                origin = end.origin
                value = f"{word} {format_exact(end.value)}"
                yield "limit", limit.name, value, origin.rule_set, str(origin.span), origin.why
        if limit.allowed is not None:
            values = " or ".join(map(format_exact, limit.allowed.values))
            for origin in limit.allowed.origins:
                yield "limit", limit.name, values, origin.rule_set, str(origin.span), origin.why
    for override in book.overrides:
        replaced = ", ".join(dict.fromkeys(each.rule_set for each in override.replaced))
        origin = override.origin
        yield "override", override.key, f"replaces {replaced}", origin.rule_set, str(origin.span), origin.why
    if book.unbounded is not None:
        yield "unbounded", "", "deny", book.unbounded.rule_set, str(book.unbounded.span), None
    for sla in book.slas.values():
        yield "sla", sla.name, f"within {sla.within}", *_from(sla.origin)
    yield from _duties(book)


def _duties(book: RuleBook) -> Iterator[tuple[str, str, str, str, str, str | None]]:
    for guard in book.guards:
        yield "guard", guard.oracle, f"every {guard.every}", guard.origin.rule_set, str(guard.origin.span), None
    for need in book.requires:
        tags = ", ".join(need.tags)
        yield "require", tags, need.oracle, need.origin.rule_set, str(need.origin.span), need.origin.why
    for skip in book.skips:
        of = skip.cell or skip.instance or ", ".join(skip.tags)
        yield "skip", of, skip.issue or "", skip.origin.rule_set, str(skip.origin.span), skip.origin.why
    for rule in book.triage.values():
        yield "triage", rule.id, rule.when, rule.origin.rule_set, str(rule.origin.span), rule.cause
    for known in book.quarantine.values():
        until = f"until {known.until} ({known.issue})"
        yield "quarantine", known.fingerprint, until, known.origin.rule_set, str(known.origin.span), known.origin.why
    for merge in book.merges:
        first, *others = merge.same
        yield "fingerprints", first, f"also {', '.join(others)}", *_from(merge.origin)
    for apart in book.splits:
        yield "fingerprints", apart.fingerprint, f"one for each {apart.by}", *_from(apart.origin)
    if book.orphans is not None:
        yield "orphans", "", book.orphans.word, book.orphans.origin.rule_set, str(book.orphans.origin.span), None


def _from(origin: Origin) -> tuple[str, str, str | None]:
    return origin.rule_set, str(origin.span), origin.why


@command.command("test")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@format_option()
def test(files: tuple[str, ...], output_format: str) -> int:
    """Hold rule sets against their own examples, and say which rules no example touches.

    Status 1 where a rule set says something else than its example.
    """
    from campaign.cli.render import print_diagnostics
    from campaign.cli.tables import print_json, table
    from campaign.plugins.registry import Registry
    from campaign.rules import examples

    tested = [each for path in dict.fromkeys(files) for each in examples.test(_bound([path]), Registry(), read_file)]
    wrong = [failure for each in tested for failure in each.failures]
    rows = [
        {
            "rule_set": each.rule_set.name,
            "file": each.rule_set.path,
            "examples": len(each.outcomes),
            "failed": sum(not outcome.fine for outcome in each.outcomes),
            "rules": each.rules,
            "covered": each.rules - len(each.untouched),
            "untouched": list(each.untouched),
        }
        for each in tested
    ]
    if wrong:
        print_diagnostics(wrong, sys.stderr)
    if output_format == "json":
        print_json(rows)
    else:
        cells = [
            (r["rule_set"], r["examples"], r["failed"], f"{r['covered']}/{r['rules']}", ", ".join(r["untouched"]))  # type: ignore[arg-type]
            for r in rows
        ]
        click.echo(table(("rule set", "examples", "failed", "covered", "no example of"), cells))
    return int(ExitStatus.FAILED if wrong else ExitStatus.PASSED)


@command.command("tighten")
@click.argument("file", type=click.Path())
@click.argument("name")
@click.option("--min", "low", metavar="VALUE", help="The new least value.")
@click.option("--max", "high", metavar="VALUE", help="The new most.")
@click.option("--why", metavar="TEXT", help="Why.")
def tighten(file: str, name: str, low: str | None, high: str | None, why: str | None) -> None:
    """Make the limit of NAME in FILE narrower; comments and order stay.  What would widen it is refused."""
    from campaign.cli.quarantine import read, refuse_wrong, write
    from campaign.rules.writing import tightened

    if low is None and high is None:
        raise click.UsageError("give --min, --max or both")
    ends = {word: text for word, text in (("min", low), ("max", high), ("why", why)) if text is not None}
    refuse_wrong(ends)
    narrower = tightened(file, read(file), name, ends)
    _refuse_unknown(file, name)
    write(file, narrower)
    click.echo(f"{file}: {name} is narrower now", err=True)


def _refuse_unknown(file: str, name: str) -> None:
    """To tighten is not to invent: a misspelt limit would bind nothing.  Raises CampaignError."""
    from difflib import get_close_matches

    from campaign.plan.idle import is_known
    from campaign.plugins.names import canonical
    from campaign.plugins.registry import Registry
    from campaign.rules.structs import TYPE

    limits, key, registry = _bound([file]).book.limits, canonical(name), Registry()
    registry.use(plugin.name for plugin in registry.installed() if not plugin.problems)
    if key in limits or key.startswith(TYPE) or is_known(key, registry):
        return
    near = get_close_matches(key, limits, n=1)
    by_hand = "write a limit of what a spec's own tool takes into the file by hand"
    hint = f"did you mean {limits[near[0]].name}?" if near else by_hand
    summary = f"{file} is left as it is: it has no limit of {name}, and nothing known takes such a value"
    raise CampaignError([Diagnostic("CAMP331", summary, hint=hint)])


def _bound(files: Sequence[str]) -> Bound:
    bound, found = _bind(files)
    if bound is None:
        raise CampaignError(found)
    return bound


def _bind(files: Sequence[str]) -> tuple[Bound | None, list[Diagnostic]]:
    """Rule sets side by side, their matchers and guards known too."""
    from campaign.plan.duties import unknown_guards
    from campaign.plugins.registry import Registry
    from campaign.rules.files import Named, bind
    from campaign.rules.match import check_matchers

    bound, found = bind([Named(path, "") for path in files], read_file)
    if bound is not None:
        registry = Registry()
        found += check_matchers([each.rule_set for each in bound.sets], registry)
        found += unknown_guards(bound.book, registry)
    return (None if failed(found) else bound), found
