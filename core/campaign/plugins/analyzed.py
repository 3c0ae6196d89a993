"""An analysis as tables and sentences, for whoever shows it: a terminal, Markdown, a page; pure.

Nothing is escaped here: every text may be hostile, and is made harmless where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from campaign.records.analysis import (
    Analysis,
    AxisRates,
    Cause,
    CellRate,
    Explanation,
    FailureGroup,
    FaultRate,
    NamedRate,
    WinRate,
)

#: Rows of a table of cells, failures and causes; values of one axis; letters of a cell of a table.
MOST_ROWS, MOST_VALUES, LONGEST = 20, 12, 200
_RATES = ("win rate", "95 % interval", "passed", "failed", "errors")


class Section(Struct, frozen=True, kw_only=True):
    """A part of an analysis: sentences, then a table; ``numbers`` are the columns that stand to the right."""

    title: str
    lines: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[str, ...] = ()


def headline(analysis: Analysis) -> str:
    """The whole in one sentence."""
    rate = analysis.rate
    counts = (
        (rate.passed, "passed"),
        (rate.failed, "failed"),
        (rate.errors, "broken (errors, no trials)"),
        (rate.canceled, "canceled"),
        (rate.skipped, "skipped"),
        (rate.open, "not decided yet"),
    )
    told = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    runs = "1 run" if rate.runs == 1 else f"{rate.runs:,} runs"
    return f"{runs}: {told or 'none'}; win rate {_rate(rate)}{_sure(rate)}"


def sections(analysis: Analysis) -> Iterator[Section]:
    """The parts that have something to say, what is not understood first."""
    parts = (_failures, _causes, _suspicious, _explained, _rates, _faults, _cells, _notes, _next)
    return (section for part in parts for section in part(analysis))


def in_report(analysis: Analysis) -> Iterator[Section]:
    """The parts that belong in a report of the campaign, where anything failed or is in doubt."""
    if analysis.rate.failed or analysis.suspected:
        parts = (_failures, _causes, _suspicious, _explained, _rates, _cells, _notes)
        yield from (section for part in parts for section in part(analysis))


def _failures(analysis: Analysis) -> Iterator[Section]:
    if not analysis.failures:
        return
    left = len(analysis.failures) - MOST_ROWS + analysis.failures_left_out
    new = sum(each.classification == "new" for each in analysis.failures)
    lines = [f"no rule knows why {analysis.unexplained:,} runs failed"] if analysis.unexplained else []
    lines += [f"new in this workspace: {new:,} of {len(analysis.failures):,} fingerprints"]
    lines += [f"{left:,} further fingerprints are not shown"] if left > 0 else []
    yield Section(
        title="Failures, the unexplained first",
        lines=tuple(lines),
        headers=("fingerprint", "class", "kind", "runs", "cells", "what", "known as", "first"),
        rows=tuple(map(_failure, analysis.failures[:MOST_ROWS])),
        numbers=("runs", "cells"),
    )


def _failure(each: FailureGroup) -> tuple[str, ...]:
    known = ", ".join(_known_as(each)) or "unexplained"
    counts = f"{each.runs:,}", f"{each.cells:,}"
    kind = each.kind or each.verdict
    return each.fingerprint or "", each.classification or "", kind, *counts, _cut(each.message), known, each.first


def _known_as(each: FailureGroup) -> Iterator[str]:
    """The rules that know it, each with how many of its runs where it is not all of them."""
    for rule in (*each.rules, *each.suspicious):
        runs = each.rule_runs.get(rule, each.runs)
        yield rule if runs == each.runs else f"{rule} ({runs:,} of {each.runs:,})"
    if each.rules and each.unexplained:
        yield f"{each.unexplained:,} unexplained"


def _causes(analysis: Analysis) -> Iterator[Section]:
    if analysis.causes:
        yield Section(
            title="What rules know",
            headers=("rule", "runs", "cause", "fix", "where to look", "first"),
            rows=tuple((each.rule, f"{each.runs:,}", *_told(each)) for each in analysis.causes[:MOST_ROWS]),
            numbers=("runs",),
        )


def _suspicious(analysis: Analysis) -> Iterator[Section]:
    if analysis.suspicious:
        yield Section(
            title="Suspicious trials",
            lines=(
                f"{analysis.suspected:,} of {analysis.rate.runs:,} runs should be looked at before they are believed",
            ),
            headers=("rule", "runs", "passed", "cause", "fix", "where to look", "first"),
            rows=tuple(
                (each.rule, f"{each.runs:,}", f"{each.passed:,}", *_told(each))
                for each in analysis.suspicious[:MOST_ROWS]
            ),
            numbers=("runs", "passed"),
        )


def _told(cause: Cause) -> tuple[str, ...]:
    return _cut(cause.cause or ""), _cut(cause.fix or ""), _cut(", ".join(cause.where)), cause.first[0]


def _explained(analysis: Analysis) -> Iterator[Section]:
    explained = analysis.explained
    if explained.why is not None and not analysis.rate.failed:
        return
    lines = [explained.why] if explained.why is not None else []
    if explained.explanations:
        left = f"{explained.left_failed:,} of {explained.left_trials:,}"
        lines.append(f"read downwards, each line about what those above leave; left over: {left} failed")
    if explained.left_out:
        lines.append(f"too many values to look at: {', '.join(explained.left_out)}")
    yield Section(
        title="Which values go with failures",
        lines=tuple(lines),
        headers=("where", "failed", "of", "elsewhere", "p") if explained.explanations else (),
        rows=tuple(map(_explanation, explained.explanations)),
        numbers=("failed", "of"),
    )


def _explanation(each: Explanation) -> tuple[str, ...]:
    where = " and ".join(map(str, each.conditions))
    elsewhere = f"{each.other_failed:,} of {each.other_trials:,}"
    return _cut(where), f"{each.failed:,}", f"{each.trials:,}", elsewhere, chance(each.p)


def _rates(analysis: Analysis) -> Iterator[Section]:
    rows = [
        *_named("group", analysis.groups),
        *(_named("instance", analysis.instances) if len(analysis.instances) > 1 else ()),
        *_named("fault", analysis.faults),
        *(row for axis in analysis.axes for row in _axis(axis)),
    ]
    if rows:
        yield Section(
            title="Win rates", headers=("of", "", *_RATES), rows=tuple(rows), numbers=("win rate", *_RATES[2:])
        )


def _faults(analysis: Analysis) -> Iterator[Section]:
    """What became of the faults themselves, where any came."""
    came = [each for each in analysis.faults if each.injected]
    if came:
        left = [f"and {len(came) - MOST_ROWS:,} more faults"] if len(came) > MOST_ROWS else []
        headers = ("fault", "injected", "watched", "detected", "recovered", "longest", "in time")
        rows = tuple(map(_fault, came[:MOST_ROWS]))
        yield Section(title="Faults", lines=tuple(left), headers=headers, rows=rows, numbers=headers[1:])


def _fault(each: FaultRate) -> tuple[str, ...]:
    seen = (f"{each.detected:,}", f"{each.recovered:,}") if each.watched else ("", "")
    longest = "" if each.longest_s is None else f"{each.longest_s:,.3f} s"
    kept = f"{each.within_sla:,} of {each.with_sla:,}" if each.with_sla else ""
    return _cut(each.name), f"{each.injected:,}", f"{each.watched:,}", *seen, longest, kept


def _named(kind: str, rates: Sequence[NamedRate | FaultRate]) -> Iterator[tuple[str, ...]]:
    for each in rates[:MOST_ROWS]:
        yield kind, each.name, *_numbers(each.rate)
    yield from _more(kind, len(rates) - MOST_ROWS)


def _axis(axis: AxisRates) -> Iterator[tuple[str, ...]]:
    for each in axis.values[:MOST_VALUES]:
        yield axis.axis, each.name, *_numbers(each.rate)
    yield from _more(axis.axis, len(axis.values) - MOST_VALUES + axis.left_out)


def _more(kind: str, left: int) -> Iterable[tuple[str, ...]]:
    return [(kind, f"and {left:,} more", *("" for _ in _RATES))] if left > 0 else []


def _cells(analysis: Analysis) -> Iterator[Section]:
    if not analysis.cells or analysis.cells_counted < 2:
        return
    left = len(analysis.cells) - MOST_ROWS + analysis.cells_left_out
    yield Section(
        title="Cells that did not all pass, the worst first",
        lines=(f"{left:,} further ones are not shown",) if left > 0 else (),
        headers=("cell", *_RATES, "fingerprints"),
        rows=tuple(map(_cell, analysis.cells[:MOST_ROWS])),
        numbers=("win rate", *_RATES[2:]),
    )


def _cell(each: CellRate) -> tuple[str, ...]:
    return each.cell, *_numbers(each.rate), ", ".join(each.fingerprints)


def _notes(analysis: Analysis) -> Iterator[Section]:
    if analysis.notes:
        yield Section(title="Notes", lines=analysis.notes)


def _next(analysis: Analysis) -> Iterator[Section]:
    if analysis.next_steps:
        yield Section(title="What to do next", lines=analysis.next_steps)


# --- words ------------------------------------------------------------------------------------------------------


def _numbers(rate: WinRate) -> tuple[str, ...]:
    interval = "" if rate.interval is None else f"{percent(rate.interval[0])} to {percent(rate.interval[1])}"
    return _rate(rate), interval, f"{rate.passed:,}", f"{rate.failed:,}", f"{rate.errors:,}"


def _rate(rate: WinRate) -> str:
    return "unknown" if rate.rate is None else percent(rate.rate)


def _sure(rate: WinRate) -> str:
    if rate.interval is None:
        return ""
    return f" (95 % interval {percent(rate.interval[0])} to {percent(rate.interval[1])})"


def percent(rate: float) -> str:
    """A rate for people: 100 % and 0 % only where they are exact."""
    text = f"{rate:.1%}"
    if rate < 1 and text == "100.0%":
        text = "> 99.9%"
    elif rate > 0 and text == "0.0%":
        text = "< 0.1%"
    return text.replace(".0%", "%").replace("%", " %")


def chance(p: float) -> str:
    """How likely something is by chance, for people."""
    return "< 1e-12" if p < 1e-12 else f"{p:.2g}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
