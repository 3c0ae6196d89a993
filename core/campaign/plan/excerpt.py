"""A spec of some cells of a plan and nothing else: what an iteration carries out again.

Each cell stands at its label, its axes with the values that they have there, so that cell, key and draws are those of
the whole spec, and campaigns can be compared cell by cell.  Cells of one instance that differ in nothing but plain axes
become one joint sweep; the others an instance each.  See ``repro.py``, which writes one run.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.format import format_source
from campaign.language.providers import ProviderLookup
from campaign.language.source import Source
from campaign.plan.identity import run_key
from campaign.plan.matrix import Run, run_of
from campaign.plan.plan import Plan
from campaign.plan.repro import Writer, joined, planned_again

FILE = "excerpt.camp"
_UNUSED = "CAMP104"
_CELLS = "# cells: "
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
    found = _runs(plan, cells)
    absent = tuple(name for name in cells if name not in found)
    if not found:
        summary = f"none of the cells to be carried out is in the spec any more: {', '.join(absent[:3])}"
        raise CampaignError([Diagnostic("CAMP594", summary, hint="campaign iterate SPEC --anew begins anew")])
    wanted = {name: cells[name] for name in found}
    blocks = _blocks(found, {name: Writer(plan, run, root, any_seed=True) for name, run in found.items()}, wanted)
    wrong: list[Diagnostic] = []
    for _ in range(_MOST_PRUNED):
        text = format_source(Source(FILE, "\n".join(_lines(blocks, remarks))))
        wrong = _wrong(text, plan, wanted, providers)
        if not wrong:
            return text, absent
        if not _prune(text, wrong, blocks):
            break
    raise CampaignError(wrong)


class _Block(Struct, frozen=True):
    """Cells that are written as one instance: they differ in the values of their axes alone."""

    writers: list[Writer]
    names: list[str]
    points: list[tuple[tuple[str, str], ...] | None]
    seeds: tuple[int, ...]
    unused: set[str]

    def lines(self) -> list[str]:
        """The instance."""
        first = self.writers[0]
        seeds = f"seeds [{', '.join(map(str, self.seeds))}]"
        return first.framed([seeds, *self._axes(), *first.rest(self.unused), *first.policies()])

    def _axes(self) -> list[str]:
        points = [point for point in self.points if point]
        if len(points) < 2:
            return self.writers[0].axes()
        names = [name for name, _ in points[0]]
        texts = [[text for _, text in point] for point in points]
        if len(names) == 1:
            return [f"sweep {names[0]} = [{', '.join(text for (text,) in texts)}]"]
        return [f"sweep {joined(names)} = [{', '.join(map(joined, texts))}]"]


class _Excerpted(Struct, frozen=True):
    """A cell as it is written; ``point`` are its axes' values, None where not all axes are plain."""

    name: str
    writer: Writer
    point: Mapping[str, str] | None
    alike: object


def _blocks(
    runs: Mapping[str, Run], writers: Mapping[str, Writer], wanted: Mapping[str, tuple[int, ...]]
) -> list[_Block]:
    """Cells of one instance together, where all but their axes is the same."""
    instances: dict[int, list[_Excerpted]] = {}
    for name, writer in writers.items():
        point = writer.point()
        alike = name if point is None else (wanted[name], tuple(writer.framed(writer.rest(()))))
        cell = _Excerpted(name, writer, None if point is None else dict(point), alike)
        instances.setdefault(id(runs[name].scenario), []).append(cell)
    return [
        _Block(
            [each.writer for each in part],
            [each.name for each in part],
            [None if each.point is None else tuple(each.point.items()) for each in part],
            wanted[part[0].name],
            set(),
        )
        for cells in instances.values()
        for part in _parted(cells)
    ]


def _parted(cells: Sequence[_Excerpted]) -> Iterator[Sequence[_Excerpted]]:
    """Cells of one instance, parted by the values of axes until those that are together are alike.

    So any two parts have an axis of which they share no value, from which the check proves their names distinct.
    """
    if len({each.alike for each in cells}) == 1:
        yield cells
        return
    if cells[0].point is None:
        yield from ([each] for each in cells)
        return
    values = min((_by_value(cells, axis) for axis in cells[0].point), key=_least_parts)
    parts: dict[object, list[_Excerpted]] = {}
    for value, there in values.items():
        kinds = {each.alike for each in there}
        parts.setdefault(kinds.pop() if len(kinds) == 1 else value, []).extend(there)
    for part in parts.values():
        yield from _parted(part)


def _by_value(cells: Sequence[_Excerpted], axis: str) -> dict[str, list[_Excerpted]]:
    values: dict[str, list[_Excerpted]] = {}
    for each in cells:
        values.setdefault((each.point or {})[axis], []).append(each)
    return values


def _least_parts(values: Mapping[str, Sequence[_Excerpted]]) -> tuple[bool, int]:
    """How good an axis is to part by, the least the best; one that does not part at all comes last."""
    return len(values) == 1, sum(len({each.alike for each in there}) for there in values.values())


def _runs(plan: Plan, cells: Container[str]) -> dict[str, Run]:
    """A run of each of these cells that the plan holds, in its order."""
    found = (cell for cell in plan.cells() if cell.name in cells)
    return {cell.name: run_of(cell, cell.scenario.seeds[0], plan.name, plan.seed) for cell in found}


def _lines(blocks: Sequence[_Block], remarks: Iterable[str]) -> Iterator[str]:
    yield from (f"# {line}" for remark in remarks for line in remark.splitlines())
    yield ""
    first = blocks[0].writers[0]
    yield from first.head(first.course())
    yield from dict.fromkeys(tool for block in blocks for tool in block.writers[0].tools())
    for block in blocks:
        more = f" and {len(block.names) - 1:,} more" if len(block.names) > 1 else ""
        yield f"\n{_CELLS}{block.names[0]}{more}"
        yield from block.lines()


def _prune(text: str, wrong: Iterable[Diagnostic], blocks: Sequence[_Block]) -> bool:
    """Remember the settings of blocks that nothing uses there; whether there were any."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_CELLS)]
    places = [each.span.line - 1 for each in wrong if each.code == _UNUSED and each.span is not None]
    for place in places:
        blocks[bisect(starts, place) - 1].unused.add(lines[place].partition("=")[0].strip())
    return bool(places)


def _wrong(
    text: str, plan: Plan, wanted: Mapping[str, tuple[int, ...]], providers: Callable[[], ProviderLookup]
) -> list[Diagnostic]:
    """What keeps the text from being a spec of just these runs."""
    again, found = planned_again(FILE, text, plan, providers)
    if again is None:
        return found
    keys = {each.key for each in again.runs()}
    missing = {run_key(name, seed) for name, seeds in wanted.items() for seed in seeds} ^ keys
    return [Diagnostic("CAMP594", f"{min(missing)} cannot be written into a spec of its own")] if missing else []
