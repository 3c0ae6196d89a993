"""``campaign check``: everything that can be known of specs without running them, all of it in one go."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from campaign.cli.files import STDIN, STDIN_NAME, read_file, read_stdin
from campaign.cli.lines import Lines, Read
from campaign.cli.options import format_option
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, failed


@click.command()
@click.argument("specs", nargs=-1, required=True, type=click.Path())
@format_option("text", "json", "sarif", "github")
def command(specs: tuple[str, ...], output_format: str) -> int:
    """Check SPECS: syntax, names, types, units, safety and expectations; nothing runs.

    Status 0: all is well, warnings aside.  2: a spec is wrong.  3: a plugin is missing or broken.  4: a limit is
    broken.  A single - reads standard input.
    """
    given = {STDIN_NAME: read_stdin()} if STDIN in specs else {}
    paths = [STDIN_NAME if spec == STDIN else spec for spec in dict.fromkeys(specs)]

    def read(path: str) -> bytes:
        return given[path] if path in given else read_file(path)

    found = check_files(paths, read)
    status = CampaignError(found).status if failed(found) else ExitStatus.PASSED
    write_found(found, output_format, Lines(read=read), status, len(paths))
    return int(status)


def check_files(paths: Sequence[str], read: Read) -> list[Diagnostic]:
    """The diagnostics of several specs; those of a file that several include, once."""
    found = (diagnostic for path in paths for diagnostic in _check_file(path, read))
    return list(dict.fromkeys(found))


def _check_file(path: str, read: Read) -> list[Diagnostic]:
    """One spec, then, where it is sound, its plan for no tier and for every tier."""
    from campaign.cli.here import this_host
    from campaign.language.resolve import check
    from campaign.plan.examine import examine
    from campaign.plugins.registry import Registry  # late: a verb's help needs none of these

    providers = Registry()
    checked, found = check(path, read, providers)
    if checked is None or failed(found):
        return found
    return found + examine(checked, providers, read, this_host(strict=False))


def write_found(found: Sequence[Diagnostic], output_format: str, lines: Lines, status: ExitStatus, files: int) -> None:
    """The diagnostics to standard output in the format that was asked for; late imports, one renderer each."""
    if output_format == "github":
        from campaign.cli.github import github_annotations

        text = github_annotations(found)
    elif output_format == "sarif":
        from campaign.cli.sarif import sarif

        text = _json(sarif(found, lines, status, os.getcwd()))
    elif output_format == "json":
        from campaign.cli.render import diagnostics_json

        text = _json({"schema": "campaign.diagnostics/1", "files": files, "diagnostics": diagnostics_json(found)})
    else:
        _write_text(found, lines, files)
        return
    click.echo(text, nl=bool(text))


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)


def _write_text(found: Sequence[Diagnostic], lines: Lines, files: int) -> None:
    if not found:
        click.echo(f"{files} {'file' if files == 1 else 'files'} checked, all well", err=True)
        return
    import sys

    from campaign.cli.render import counted, print_diagnostics

    print_diagnostics(found, sys.stdout, lines)
    click.echo(f"\n{counted(found)} in {files} {'file' if files == 1 else 'files'}", err=True)
