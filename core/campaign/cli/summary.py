"""What a campaign came to, as the text that ends ``exec`` and that ``show`` prints: pure, over a ``Summary``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from campaign.cli.tables import cut, table, took
from campaign.cli.terminal import visible
from campaign.records import InstanceCounts, PlanSkip, Summary, Verdict

_WIDTH = 70  # of a failure's message
_MOST_INSTANCES = 40
_MOST_FAILURES = 10
_MOST_SKIPPED = 10
_CLASSES = ("new", "known", "flaky", "quarantined")


def summary_text(summary: Summary, run_root: str) -> str:
    """Instances by verdict, unique failures with their evidence, and what to do next; ends without a newline."""
    return "\n\n".join(part for part in _parts(summary, run_root) if part)


def _parts(summary: Summary, run_root: str) -> Iterator[str]:
    yield _instances(summary)
    yield _failures(summary, run_root)
    yield _skipped(summary)
    yield headline(summary)
    yield _repeats(summary, run_root)
    yield "\n".join(f"→ {visible(step)}" for step in summary.next_steps)


def _repeats(summary: Summary, run_root: str) -> str:
    """What ``--until-fail`` came to."""
    repeats = summary.repeats
    if repeats is None:
        return ""
    runs = "1 run" if repeats.runs == 1 else f"{repeats.runs:,} runs"
    if repeats.failed is None:
        return f"repeated until {runs} had passed"
    where = os.path.join(run_root, repeats.evidence or "")
    return f"repeated for {runs}: {visible(repeats.failed)} did not pass\n  {visible(where)}"


def headline(summary: Summary) -> str:
    """One line: what came out, of how many runs, how surely, in what time."""
    counts = [f"{count:,} {verdict}" for verdict, count in summary.verdicts.items() if count]
    if summary.quarantined:
        counts.append(f"{summary.quarantined:,} of them quarantined")
    if summary.flaky:
        counts.append(f"{summary.flaky:,} of them flaky" if counts else f"{summary.flaky:,} flaky")
    runs = "1 run" if summary.total == 1 else f"{summary.total:,} runs"
    time = f" in {took(summary.duration_s)}" if summary.duration_s is not None else ""
    rate = ""
    if summary.win_rate is not None and summary.win_rate_interval is not None:
        low, high = summary.win_rate_interval
        rate = f"; win rate {summary.win_rate:.1%} ({low:.1%} to {high:.1%})"
    return f"{visible(summary.name)}: {runs}{time}: {', '.join(counts) or 'none decided'}{rate}"


def _skipped(summary: Summary) -> str:
    """What the rule sets keep from running, and why."""
    lines = [_skip(each) for each in summary.skipped[:_MOST_SKIPPED]]
    left = len(summary.skipped) - len(lines)
    more = [f"… and {left:,} more in summary.json"] if left else []
    return "\n".join(["Skipped by rule sets:", *lines, *more]) if lines else ""


def _skip(skip: PlanSkip) -> str:
    cells = f", cells {skip.cells}" if skip.cells else ""
    issue = f" ({skip.issue})" if skip.issue else ""
    return visible(f"{skip.instance}{cells}: {cut(skip.why, _WIDTH)}{issue}")


def _instances(summary: Summary) -> str:
    verdicts = [verdict.value for verdict in Verdict if summary.verdicts.get(verdict)]
    if not summary.instances or not verdicts:
        return ""
    shown = _most_telling(summary.instances)
    rows = [[each.instance, *(each.verdicts.get(verdict) for verdict in verdicts)] for each in shown]
    left = len(summary.instances) - len(shown)
    more = f"\n… and {left:,} more instances" if left else ""
    return table(["instance", *verdicts], rows, numbers=verdicts) + more


def _most_telling(instances: Sequence[InstanceCounts]) -> list[InstanceCounts]:
    """As many as are shown, in the order of the plan; of more, those that fail most."""
    worst_first = sorted(range(len(instances)), key=lambda index: _badness(instances[index].verdicts), reverse=True)
    return [instances[index] for index in sorted(worst_first[:_MOST_INSTANCES])]


def _badness(verdicts: dict[str, int]) -> tuple[int, int]:
    return (verdicts.get(Verdict.FAIL, 0), verdicts.get(Verdict.ERROR, 0))


def _failures(summary: Summary, run_root: str) -> str:
    if not summary.failures:
        return ""
    blocks = []
    for each in summary.failures[:_MOST_FAILURES]:
        times = "once" if each.count == 1 else f"{each.count:,} times"
        kind = f"{each.classification or 'new'}, {each.kind}, {times}"
        evidence = os.path.normpath(os.path.join(run_root, each.evidence))
        known = f"; first of all {each.duplicate_of}" if each.duplicate_of else ""
        held = f"; {each.quarantine.issue}, until {each.quarantine.until}" if each.quarantine else ""
        lines = [
            f"{each.fingerprint}  {cut(each.message, _WIDTH)}",
            f"  {kind}; first {each.first}{known}{held}",
            f"  {evidence}",
        ]
        blocks.append("\n".join(visible(line) for line in lines))
    left = len(summary.failures) - len(blocks)
    more = [f"… and {left:,} more: campaign failures {summary.campaign}"] if left else []
    classes = ", ".join(f"{count:,} {name}" for name in _CLASSES if (count := summary.classes.get(name)))
    head = f"Unique failures: {len(summary.failures):,}" + (f" ({classes})" if classes else "")
    return "\n".join([head, *blocks, *more])
