"""Options that several verbs share, so that run selection, formats and workspaces are the same everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec.structs import replace

from campaign.cli import complete
from campaign.cli.workspace import find_workspace
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus

if TYPE_CHECKING:
    from campaign.plan.plan import Options

_Command = TypeVar("_Command", bound=Callable[..., Any])

_MOST_SEEDS = 1_000_000
#: As in a spec, ``language.instances.MAXIMUM_SEED``; not imported, as a verb's help needs no language.
LARGEST_SEED = (1 << 64) - 1


def _seeds(context: click.Context, param: click.Parameter, given: str | None) -> tuple[int, ...] | None:
    """``1,2`` or ``1..50`` or both: the seeds in the order written, each once."""
    if given is None:
        return None
    seeds: dict[int, None] = {}
    for part in given.split(","):
        seeds.update(dict.fromkeys(_seed_range(part.strip(), context, param)))
    return tuple(seeds)


def _seed_range(text: str, context: click.Context, param: click.Parameter) -> range:
    first, dots, last = text.partition("..")
    try:
        found = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a seed; write 1,2 or 1..50", context, param) from None
    if found.start < 0 or found.stop > LARGEST_SEED + 1:
        raise click.BadParameter(f"{text!r}: a seed is a whole number from 0 to {LARGEST_SEED}", context, param)
    if not 0 < found.stop - found.start <= _MOST_SEEDS:
        raise click.BadParameter(f"{text!r} is not a range of 1 to {_MOST_SEEDS:,} seeds", context, param)
    return found


_SELECTION: tuple[Callable[[_Command], _Command], ...] = (
    click.option(
        "--tier",
        shell_complete=complete.tiers,
        metavar="NAME",
        help="The intensity level; without it, what is limited to tiers is left out.",
    ),
    click.option(
        "--group",
        shell_complete=complete.groups,
        metavar="PREFIX",
        help="Only labels that start with these whole segments: stress.read.",
    ),
    click.option("--filter", "filter_", metavar="CLAUSES", help="Only runs that match: 'tag=db,tool!=x|y'."),
    click.option(
        "--seeds", callback=_seeds, metavar="LIST", help="The runs' seeds, instead of the spec's: 1,2 or 1..50."
    ),
    click.option(
        "--campaign-seed",
        type=click.IntRange(min=0, max=LARGEST_SEED),
        metavar="N",
        help="The campaign's seed, instead of the spec's.",
    ),
    click.option(
        "--set", "sets", multiple=True, metavar="NAME=VALUE", help="A setting that beats every other; repeat it."
    ),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most this many runs, the first ones."),
)


def selection_options(function: _Command) -> _Command:
    """Add run selection to a verb: it gets one argument ``options``, a ``plan.plan.Options``."""

    @wraps(function)
    def gathered(*args: Any, **given: Any) -> Any:
        from campaign.plan.plan import Options  # late: the plan is not needed to print a verb's help

        names = ("tier", "group", "seeds", "campaign_seed", "sets", "limit")
        chosen = {name: given.pop(name) for name in names}
        return function(*args, options=Options(filter=given.pop("filter_"), **chosen), **given)

    for option in reversed(_SELECTION):
        option(gathered)
    return gathered  # type: ignore[return-value]


def repeat_options(function: _Command) -> _Command:
    """Add ``--until-fail`` and ``--max-runs``, below ``selection_options``: of these there are as many runs at most."""

    @click.option("--until-fail", is_flag=True, help="Repeat the selection until a run does not pass.")
    @click.option("--max-runs", type=click.IntRange(min=1), metavar="N", help="With --until-fail: so many runs in all.")
    @wraps(function)
    def repeated(options: Options, until_fail: bool, max_runs: int | None, **given: Any) -> Any:
        if max_runs is not None and not until_fail:
            raise click.UsageError("--max-runs is about --until-fail")
        if max_runs is not None:
            options = replace(options, limit=min(max_runs, options.limit or max_runs))
        return function(options=options, until_fail=until_fail, max_runs=max_runs, **given)

    return repeated  # type: ignore[return-value]


def format_option(*formats: str) -> Callable[[_Command], _Command]:
    """Add ``--format``; the verb gets ``output_format``.  The first one is the default, else table and json."""
    choices = formats or ("table", "json")
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How to write the result.",
    )


def workspace_option(function: _Command) -> _Command:
    """Add ``--workspace``; the verb gets ``workspace``, an absolute path that may not exist yet."""
    return click.option(
        "--workspace",
        type=click.Path(file_okay=False),
        callback=lambda _ctx, _param, given: _folder(find_workspace(given, os.environ, os.getcwd())),
        help="The folder of ledger and evidence, instead of the nearest .campaign.",
    )(function)


def _folder(workspace: str) -> str:
    """The same; raises CampaignError where something else has its name."""
    if os.path.lexists(workspace) and not os.path.isdir(workspace):
        summary, hint = f"the workspace {workspace} is not a folder", "move it away, or give --workspace"
        raise CampaignError([Diagnostic("CAMP506", summary, hint=hint, status=ExitStatus.SETUP)])
    return workspace


def scope_options(function: _Command) -> _Command:
    """Add CAMPAIGN, ``--group`` and ``--all``; the verb gets ``campaign``, None for every one, and ``prefix``."""

    @click.argument("campaign", required=False, shell_complete=complete.campaigns)
    @click.option("--group", "prefix", metavar="PREFIX", help="Only instances that start with these whole segments.")
    @click.option("--all", "everything", is_flag=True, help="Every campaign.")
    @wraps(function)
    def scoped(campaign: str | None, prefix: str | None, everything: bool, **given: Any) -> Any:
        if (campaign is None) != everything:
            raise click.UsageError("name a CAMPAIGN, or say --all")
        if everything and prefix is not None:
            raise click.UsageError("--group is about one CAMPAIGN")
        if prefix is not None and not prefix.strip():
            raise click.UsageError("--group is empty: it would mean the whole CAMPAIGN; leave it out to say that")
        return function(campaign=campaign, prefix=prefix, **given)

    return scoped  # type: ignore[return-value]


def no_progress_option(function: _Command) -> _Command:
    """Add ``--no-progress``; the verb gets ``progress``, false where lines should stay plain."""
    return click.option("--progress/--no-progress", default=True, help="Live progress, on a terminal only.")(function)
