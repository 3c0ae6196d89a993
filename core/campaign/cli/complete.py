"""Values for shell completion: tiers and groups of the spec on the line, campaigns and runs of the workspace.

Whatever goes wrong while a user types gives no values, never a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from campaign.cli.files import read_file
from campaign.cli.workspace import find_workspace

if TYPE_CHECKING:
    from campaign.language import syntax

_MOST = 200

Values = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_Found = Callable[[click.Context], Iterable[tuple[str, str]]]


def _completes(find: _Found) -> Values:
    """Make click's form of completion from a function of (value, help) pairs."""

    @wraps(find)
    def values(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            fitting = ((value, about) for value, about in find(context) if value.startswith(incomplete))
            return [CompletionItem(value, help=about) for value, about in islice(fitting, _MOST)]
        except Exception:
            return []

    return values


@_completes
def tiers(context: click.Context) -> Iterator[tuple[str, str]]:
    """The tiers that the spec on the line declares."""
    for declaration in _declarations(_spec(context), set()):
        if getattr(declaration, "keyword", None) == "tier":
            yield declaration.name.text, "tier"  # type: ignore[union-attr]


@_completes
def groups(context: click.Context) -> Iterator[tuple[str, str]]:
    """The labels of groups and instances of the spec on the line, as far as they hold no axis."""
    labels = {label for declaration in _declarations(_spec(context), set()) for label in _labels(declaration, "")}
    return ((label, "group") for label in sorted(labels))


@_completes
def campaigns(context: click.Context) -> Iterator[tuple[str, str]]:
    """The campaigns of the workspace, the newest first."""
    from campaign.ledger.queries import LedgerReader  # late: sqlite3 is slow to import

    with LedgerReader(_ledger(context)) as ledger:
        yield from [(row.id, row.state) for row in islice(ledger.campaigns(), _MOST)]


@_completes
def runs(context: click.Context) -> Iterator[tuple[str, str]]:
    """The runs of the newest campaign, by key."""
    from campaign.ledger.queries import LedgerReader  # late: sqlite3 is slow to import

    with LedgerReader(_ledger(context)) as ledger:
        newest = ledger.newest_campaign()
        if newest:
            yield from [(row.key, "run") for row in islice(ledger.deciding_attempts(newest.id), 10 * _MOST)]


def _spec(context: click.Context) -> str:
    """The spec already on the line; click has not read it yet where the last word is an option without its value."""
    return str(context.params.get("spec") or next(word for word in context.args if not word.startswith("-")))


def _ledger(context: click.Context) -> str:
    workspace = context.params.get("workspace") or find_workspace(None, os.environ, os.getcwd())
    return os.path.join(str(workspace), "ledger.sqlite")


def _declarations(path: str, seen: set[str]) -> Iterator[syntax.Declaration]:
    """The declarations of a file and of what it includes, each file once; parsed only, so that it is quick."""
    from campaign.language.parser import parse  # late: completing a verb needs no parser
    from campaign.language.source import read_source
    from campaign.language.syntax import Include

    if path in seen:
        return
    seen.add(path)
    source, _ = read_source(path, read_file(path))
    for declaration in parse(source)[0].declarations if source else ():
        if isinstance(declaration, Include) and declaration.path.plain:
            yield from _declarations(os.path.join(os.path.dirname(path), declaration.path.plain), seen)
        yield declaration


def _labels(node: object, prefix: str) -> Iterator[str]:
    """The labels of a group and of all it holds, up to the first segment that names an axis."""
    label = getattr(node, "label", None)
    body = getattr(node, "body", None)
    if label is None or body is None or getattr(node, "kind", None):
        return
    whole = f"{prefix}.{label.text}" if prefix else label.text
    fixed = whole.partition("{")[0]
    if fixed == whole:
        yield whole
        for inner in body:
            yield from _labels(inner, whole)
    elif "." in fixed:
        yield fixed.rpartition(".")[0]
