"""What to do next about a campaign, in words, most pressing first; commands as a shell takes them; pure."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from msgspec.structs import replace

from campaign.records.analysis import Analysis, Cause

#: How many unexplained failures, causes and doubts are named.
_NAMED = 3


def next_steps(analysis: Analysis) -> Analysis:
    """The analysis with its words."""
    return replace(analysis, next_steps=tuple(_steps(analysis)))


def _steps(analysis: Analysis) -> Iterator[str]:
    if not analysis.rate.runs:
        yield "nothing has been carried out yet: there is nothing to analyze"
        return
    if analysis.rate.open:
        yield f"{_runs(analysis.rate.open)} not decided yet: this is how far it has come"
    yield from _doubts(analysis)
    yield from _unexplained(analysis)
    yield from _causes(analysis)
    yield from _values(analysis)
    yield from _errors(analysis)
    yield from _after(analysis)


def _doubts(analysis: Analysis) -> Iterator[str]:
    for each in analysis.suspicious[:_NAMED]:
        passed = f", {each.passed:,} of which passed" if each.passed else ""
        named = f"{_runs(each.runs)} suspicious ({each.rule}{passed})"
        yield f"{named}: look before you believe the numbers: {_show(analysis, each.first[0])}"


def _unexplained(analysis: Analysis) -> Iterator[str]:
    found = [each for each in analysis.failures if each.verdict == "fail" and each.unexplained and not each.quarantined]
    for each in found[:_NAMED]:
        some = f"{each.unexplained:,} of " if each.explained else ""
        run = each.first_unexplained or each.first
        yield f"nothing knows yet why {some}{_runs(each.runs, 'failed')} so: {_show(analysis, run)}"
    if found:
        yield (
            "a cause that you find belongs into a rule set (triage:), so that it is named from then on; try it with: "
            f"campaign analyze {quote(analysis.campaign)} --rules FILE"
        )


def _causes(analysis: Analysis) -> Iterator[str]:
    for each in analysis.causes[:_NAMED]:
        if each.fix:
            yield f"{each.rule} ({_count(each.runs)}): {each.fix}{_where(each)}"


def _where(cause: Cause) -> str:
    return f" Look at {', '.join(cause.where)}." if cause.where else ""


def _values(analysis: Analysis) -> Iterator[str]:
    for each in analysis.explained.explanations[:1]:
        named = " and ".join(map(str, each.conditions))
        elsewhere = f"{each.other_failed:,} of {each.other_trials:,}" if each.other_trials else "nothing was tried"
        yield (
            f"where {named}, {each.failed:,} of {each.trials:,} failed, elsewhere {elsewhere}: "
            "compare a run from there with one from elsewhere"
        )


def _errors(analysis: Analysis) -> Iterator[str]:
    if analysis.rate.errors:
        yield (
            f"{_runs(analysis.rate.errors)} broken, which says nothing of what was tested: campaign doctor, then "
            f"campaign retry {quote(analysis.campaign)}"
        )


def _after(analysis: Analysis) -> Iterator[str]:
    rate = analysis.rate
    if rate.failed:
        yield f"when something was changed, carry out again what failed: campaign retry {quote(analysis.campaign)}"
    elif rate.interval is not None and not analysis.suspected:
        trials = "the one trial" if rate.trials == 1 else f"all {rate.trials:,} trials"
        yield f"{trials} passed: the true win rate may still be as low as {rate.interval[0]:.1%}; more seeds say more"


def _show(analysis: Analysis, run: str) -> str:
    return f"campaign show {quote(f'{analysis.campaign}/{run}')}"


def _runs(count: int, verb: str | None = None) -> str:
    """``1 run is``, ``1,000 runs are``; with a verb ``1 run failed``."""
    return f"{_count(count)} {verb or ('is' if count == 1 else 'are')}"


def _count(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
