"""A spec of some cells of a plan and nothing else: what an iteration carries out again.

Each cell is an instance at its label, its axes with the one value that they have there, so that cell, key and draws are
those of the whole spec, and campaigns can be compared cell by cell.  See ``repro.py``, which writes one run.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.format import format_source
from campaign.language.providers import ProviderLookup
from campaign.language.resolve import check
from campaign.language.source import Source
from campaign.plan.identity import run_key
from campaign.plan.lookup import named_choice
from campaign.plan.matrix import Run
from campaign.plan.plan import Options, Plan, plan_checked
from campaign.plan.repro import Writer
from campaign.plan.space import Space

FILE = "excerpt.camp"
_UNUSED = "CAMP104"
_CELL = "# cell "
_MOST_PRUNED = 100


def excerpt(
    plan: Plan,
    cells: Mapping[str, tuple[int, ...]],
    root: str,
    remarks: Iterable[str],
    providers: Callable[[], ProviderLookup],
) -> tuple[str, tuple[str, ...]]:
    """The text of a spec of these cells with these seeds, and the names of those that the plan no longer holds.

    ``root`` is the folder to which the spec's own paths are relative; ``remarks`` stand above as comments.  Seeds may
    be others than the plan's.  Raises CampaignError where no such spec can be written.
    """
    found = {name: run for name in cells if (run := _run_of(plan, name)) is not None}
    absent = tuple(name for name in cells if name not in found)
    if not found:
        summary = f"none of the cells to be carried out is in the spec any more: {', '.join(absent[:3])}"
        raise CampaignError([Diagnostic("CAMP594", summary, hint="campaign iterate SPEC --anew begins anew")])
    wanted = {name: cells[name] for name in found}
    writers = {name: Writer(plan, run, root, frozenset(), {}) for name, run in found.items()}
    unused: dict[str, set[str]] = {name: set() for name in found}
    wrong: list[Diagnostic] = []
    for _ in range(_MOST_PRUNED):
        text = format_source(Source(FILE, "\n".join(_lines(writers, wanted, remarks, unused))))
        wrong = _wrong(text, plan, wanted, providers)
        if not wrong:
            return text, absent
        if not _prune(text, wrong, unused):
            break
    raise CampaignError(wrong)


def _run_of(plan: Plan, cell: str) -> Run | None:
    """Some run of that cell; None where the plan does not hold the cell."""
    for each in plan.selected:
        if named_choice(Space(each.scenario, each.leaves_out), cell) is not None:
            runs = (plan.find(run_key(cell, seed)) for seed in each.scenario.seeds)
            return next((run for run in runs if run is not None), None)
    return None


def _lines(
    writers: Mapping[str, Writer],
    wanted: Mapping[str, tuple[int, ...]],
    remarks: Iterable[str],
    unused: Mapping[str, set[str]],
) -> Iterator[str]:
    yield from (f"# {line}" for remark in remarks for line in remark.splitlines())
    yield ""
    first = next(iter(writers.values()))
    yield from first.head(first.course())
    yield from dict.fromkeys(tool for writer in writers.values() for tool in writer.tools())
    for name, writer in writers.items():
        yield f"\n{_CELL}{name}"
        yield from writer.instance(unused[name], wanted[name], writer.policies())


def _prune(text: str, wrong: Iterable[Diagnostic], unused: Mapping[str, set[str]]) -> bool:
    """Remember the settings of cells that nothing uses there; whether there were any."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_CELL)]
    places = [each.span.line - 1 for each in wrong if each.code == _UNUSED and each.span is not None]
    for place in places:
        name = lines[starts[bisect(starts, place) - 1]].removeprefix(_CELL)
        unused[name].add(lines[place].partition("=")[0].strip())
    return bool(places)


def _wrong(
    text: str, plan: Plan, wanted: Mapping[str, tuple[int, ...]], providers: Callable[[], ProviderLookup]
) -> list[Diagnostic]:
    """What keeps the text from being a spec of just these runs."""

    def read(path: str) -> bytes:
        if path != FILE:
            raise FileNotFoundError(2, "No such file", path)
        return text.encode()

    registry = providers()
    checked, found = check(FILE, read, registry)
    if checked is None or not checked.sound:
        return found
    again, found = plan_checked(checked, Options(), registry, plan.rules)
    if again is None:
        return found
    keys = {each.key for each in again.runs()}
    missing = {run_key(name, seed) for name, seeds in wanted.items() for seed in seeds} ^ keys
    return [Diagnostic("CAMP594", f"{min(missing)} cannot be written into a spec of its own")] if missing else []
