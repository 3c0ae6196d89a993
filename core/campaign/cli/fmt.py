"""``campaign fmt``: specs in the canonical layout, comments kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
from msgspec import Struct

from campaign.cli.files import STDIN, STDIN_NAME, read_file, read_stdin, replace_file, unreadable, unwritable
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, failed


class Formatted(Struct, frozen=True):
    """A file before and after, or why it could not be formatted (``after`` is None)."""

    path: str
    before: bytes
    after: bytes | None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the layout was not canonical."""
        return self.after is not None and self.after != self.before


@click.command()
@click.argument("specs", nargs=-1, required=True, type=click.Path())
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change, and end with 1.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and end with 1.")
def command(specs: tuple[str, ...], check: bool, diff: bool) -> int:
    """Write SPECS in the canonical layout; comments are kept and the meaning never changes.

    A spec with errors is left as it is (status 2).  A single - formats standard input to standard output.
    """
    results = [_formatted(path) for path in dict.fromkeys(specs)]
    problems = [problem for result in results for problem in result.diagnostics]
    for result in results:
        if diff:
            click.echo("".join(_diff(result)), nl=False)
        if check and result.changed:
            click.echo(f"would change {result.path}", err=True)
        if not check and not diff:
            problems += _write(result)
    if failed(problems):
        raise CampaignError(problems)
    unwritten = (check or diff) and any(result.changed for result in results)
    return int(ExitStatus.FAILED if unwritten else ExitStatus.PASSED)


def _formatted(spec: str) -> Formatted:
    """Read and format one file; nothing is written."""
    from campaign.language.format import format_source  # late: a verb's help needs neither
    from campaign.language.source import read_source

    path = STDIN_NAME if spec == STDIN else spec
    try:
        data = read_stdin() if spec == STDIN else read_file(spec)
    except OSError as error:
        return Formatted(path, b"", None, (unreadable(path, error),))
    source, problems = read_source(path, data)
    after = None
    try:
        after = format_source(source).encode() if source else None
    except CampaignError as error:
        problems = problems + list(error.diagnostics)
    return Formatted(path, data, None if failed(problems) else after, tuple(problems))


def _write(result: Formatted) -> list[Diagnostic]:
    """Put a formatted file in its place, or on standard output where it came from standard input."""
    if result.path == STDIN_NAME and result.after is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(result.after)
    elif result.changed and result.after is not None:
        try:
            replace_file(result.path, result.after)
        except OSError as error:
            return [unwritable(result.path, error)]
        click.echo(f"formatted {result.path}", err=True)
    return []


def _diff(result: Formatted) -> Iterator[str]:
    """A unified diff of one file, empty where nothing changes; hostile characters written out."""
    from difflib import unified_diff  # late: slow to import, rarely needed

    from campaign.cli.terminal import visible

    if result.after is None:
        return
    before = result.before.decode("utf-8-sig").splitlines(keepends=True)
    after = result.after.decode().splitlines(keepends=True)
    for line in unified_diff(before, after, result.path, result.path):
        yield visible(line.rstrip("\n"), keep="\t") + "\n"
