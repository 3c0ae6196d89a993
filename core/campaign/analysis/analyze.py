"""A campaign analyzed: where it wins and loses, what is known of its failures, which values go with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from campaign.analysis.advice import next_steps
from campaign.analysis.cells import scale_of
from campaign.analysis.explain import Counted, explain
from campaign.analysis.faulted import FaultCounts
from campaign.analysis.knowledge import Experts, Knowledge
from campaign.analysis.trials import CONFIDENCE, Cell, Counts, Failing, Trials, added_up, counted, rate_of
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow
from campaign.records.analysis import Analysis, AxisRates, FailureGroup, FaultRate, NamedRate
from campaign.rules.failures import quarantined
from campaign.rules.structs import RuleBook

#: What a list holds at most: cells, failures, values of an axis, names of another kind.
MOST_CELLS, MOST_FAILURES, MOST_VALUES, MOST_NAMES = 10_000, 1_000, 200, 1_000
#: How the axis is called that tells instances apart.
INSTANCE = "instance"
NO_FAULT = "none"


def analyze(ledger: LedgerReader, campaign: CampaignRow, book: RuleBook, knowledge: Knowledge, now: str) -> Analysis:
    """Read the trials once; ``book`` binds the campaign, ``knowledge`` is what is asked, ``now`` is RFC 3339.

    Raises LedgerError.
    """
    experts = Experts(ledger, knowledge)
    found = counted(ledger, ledger.trials(campaign.id), experts)
    spared = frozenset(quarantined(book, campaign.created_at[:10]))
    cells = list(found.cells.values())
    bad = sorted((cell for cell in cells if cell.counts[1] or cell.counts[2]), key=_worst)
    failures = sorted(found.failures.items(), key=lambda item: (_known(item[1]), item[0] in spared, -item[1].runs))
    analysis = Analysis(
        campaign=campaign.id,
        name=campaign.name,
        state=campaign.state,
        at=now,
        spec=campaign.spec,
        tier=campaign.tier,
        seed=campaign.seed,
        plan_hash=campaign.plan_hash,
        confidence=CONFIDENCE,
        planned=campaign.total,
        rate=rate_of(found.total),
        flaky=found.flaky,
        quarantined=sum(each.runs for mark, each in failures if mark in spared),
        groups=_rates((cell.kind.group, cell.counts) for cell in cells if cell.kind.group),
        instances=_rates((cell.kind.instance, cell.counts) for cell in cells),
        faults=tuple(_faults(found, cells)),
        axes=tuple(_axes(cells)),
        cells=tuple(cell.record() for cell in bad[:MOST_CELLS]),
        cells_counted=len(cells),
        cells_left_out=max(0, len(bad) - MOST_CELLS),
        failures=tuple(_group(ledger, campaign, mark, each, spared) for mark, each in failures[:MOST_FAILURES]),
        failures_left_out=max(0, len(failures) - MOST_FAILURES),
        unexplained=found.unexplained,
        causes=experts.causes(suspicious=False),
        suspicious=experts.causes(suspicious=True),
        suspected=experts.suspected,
        explained=explain(_counted(cells)),
        rule_sets=knowledge.rule_sets,
        notes=(*knowledge.notes, *_notes(found)),
    )
    return next_steps(analysis)


def _known(each: Failing) -> bool:
    """Whether rules explain every run of it."""
    return each.explained == each.runs


def _worst(cell: Cell) -> tuple[float, int, int]:
    passed, failed, errors = cell.counts[:3]
    return (passed / (passed + failed) if passed + failed else 2.0), -failed, -errors


def _rates(pairs: Iterable[tuple[str, Counts]]) -> tuple[NamedRate, ...]:
    summed = added_up(pairs)
    return tuple(NamedRate(name, rate_of(counts)) for name, counts in list(summed.items())[:MOST_NAMES])


def _faults(found: Trials, cells: Iterable[Cell]) -> Iterator[FaultRate]:
    """Every fault, with the runs that had it and what became of it."""
    for each in _rates(_by_fault(cells)):
        yield found.faults.get(each.name, FaultCounts()).rate(each.name, each.rate)


def _by_fault(cells: Iterable[Cell]) -> Iterator[tuple[str, Counts]]:
    """Each cell under every fault that it has, those without any under ``none``; nothing without faults."""
    cells = list(cells)
    if any(cell.kind.faults for cell in cells):
        for cell in cells:
            for fault in cell.kind.faults or (NO_FAULT,):
                yield fault, cell.counts


def _axes(cells: Iterable[Cell]) -> Iterator[AxisRates]:
    """Every axis by its values, of whatever instances have it."""
    summed: dict[str, dict[str, Counts]] = {}
    pairs = ((pair, cell.counts) for cell in cells for pair in cell.axes.items())
    for (axis, value), counts in added_up(pairs).items():
        summed.setdefault(axis, {})[value] = counts
    for axis, values in list(summed.items())[:MOST_NAMES]:
        # Numbers are put in order where they are few: reading each costs.
        ordered = scale_of(axis, values).values if len(values) <= 10 * MOST_VALUES else tuple(values)
        shown = tuple(NamedRate(value, rate_of(values[value])) for value in ordered[:MOST_VALUES])
        yield AxisRates(axis=axis, values=shown, left_out=len(ordered) - len(shown))


def _counted(cells: Iterable[Cell]) -> list[Counted]:
    """The cells by their axes, the instance being one where there are several."""
    cells = list(cells)
    several = len({cell.kind.instance for cell in cells}) > 1
    return [
        Counted({INSTANCE: cell.kind.instance, **cell.axes} if several else cell.axes, cell.counts[1], cell.counts[0])
        for cell in cells
    ]


def _group(
    ledger: LedgerReader, campaign: CampaignRow, mark: str, found: Failing, spared: frozenset[str]
) -> FailureGroup:
    name, directory, verdict, kind = found.first
    held = mark in spared
    first = ledger.first_of(mark)
    seen = None if first is None else "new" if first.campaign == campaign.id else "known"
    return FailureGroup(
        fingerprint=None if first is None else mark,
        verdict=verdict,
        kind=kind,
        message=found.message,
        runs=found.runs,
        cells=found.cells,
        classification="quarantined" if held else seen,
        quarantined=held,
        rules=tuple(found.rules),
        suspicious=tuple(found.doubts),
        explained=found.explained,
        rule_runs={**found.rules, **found.doubts},
        first=name,
        first_unexplained=found.unexplained,
        evidence=os.path.relpath(directory, campaign.run_root),
    )


def _notes(found: Trials) -> Iterator[str]:
    if found.uncounted:
        yield f"{found.uncounted:,} runs are of cells beyond the first {len(found.cells):,}: counted by instance only"
    if found.untold:
        yield f"{found.untold:,} runs failed in further ways than the {len(found.failures):,} that are told apart"
