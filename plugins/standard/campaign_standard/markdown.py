"""``markdown``: a summary to read, to paste into an issue, or to append to a CI job's page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from campaign.plugins.analyzed import Section, in_report
from campaign.plugins.api import PlanTool, Reporter, RunView, Summary, UniqueFailure, Value, Verdict, hookimpl
from campaign.plugins.results import Analysis, Results
from campaign_standard._plain import UNSEEN

api = 1

#: Runs listed one by one; what is more stands in ``runs.csv``.
_MOST = 200
_LONGEST = 1_000  # letters of one text
#: What Markdown may read as markup; `!=` begins no image.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&]|!(?!=))")


class MarkdownReporter(Reporter):
    """Writes verdicts by instance, unique failures, the runs that did not pass, and what to do next."""

    name = "markdown"
    about = "a summary in Markdown"
    filename = "report.md"

    def render(self, results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
        """Write the sections; runs are listed as they come."""
        for section in sections(results.summary, results.runs(), results.analysis()):
            for line in section:
                write(line)

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """The same without an analysis."""
        for section in sections(summary, runs):
            for line in section:
                write(line)


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [MarkdownReporter()]


def sections(
    summary: Summary, runs: Iterator[RunView], analysis: Analysis | None = None
) -> tuple[Iterator[str], Iterator[str], Iterator[str]]:
    """The lines of a summary with its analysis, of the attempts that did not pass, and of what took part."""
    return _head(summary, analysis), _listed(runs), (f"{line}\n" for line in _facts(summary))


def _head(summary: Summary, analysis: Analysis | None) -> Iterator[str]:
    yield f"# {_text(summary.name)}\n\n{_headline(summary)}\n\n"
    before, after = (_instances, _failures), (_remarks, _skipped, _next_steps)
    analyzed = () if analysis is None else in_report(analysis)
    parts = (*(part(summary) for part in before), *map(_section, analyzed), *(part(summary) for part in after))
    for section in parts:
        for line in section:
            yield f"{line}\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {_text(section.title)}\n"
    for line in section.lines:
        yield f"{_text(line)}\n"
    if section.rows:
        yield _row(map(_text, section.headers))
        yield _row("---:" if header in section.numbers else "---" for header in section.headers)
        yield from (_row(map(_text, row)) for row in section.rows)
        yield ""


def _headline(summary: Summary) -> str:
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in summary.verdicts.items() if count)
    rate = ""
    if summary.win_rate is not None and summary.win_rate_interval is not None:
        low, high = summary.win_rate_interval
        rate = f" Win rate {summary.win_rate:.1%} (95 % interval {low:.1%} to {high:.1%}; errors are no trials)."
    flaky = f" {summary.flaky:,} flaky." if summary.flaky else ""
    held = f" {summary.quarantined:,} quarantined, which do not count." if summary.quarantined else ""
    return f"**{summary.total:,} runs**: {counts or 'none decided'}.{held}{rate}{flaky}"


def _instances(summary: Summary) -> Iterator[str]:
    if not summary.instances:
        return
    verdicts = [verdict.value for verdict in Verdict if summary.verdicts.get(verdict)]
    yield "## Instances\n"
    yield _row(["instance", *verdicts])
    yield _row(["---", *("---:" for _ in verdicts)])
    for each in summary.instances:
        yield _row([_text(each.instance), *(f"{each.verdicts.get(verdict, 0):,}" for verdict in verdicts)])
    yield ""


def _failures(summary: Summary) -> Iterator[str]:
    if not summary.failures:
        return
    yield "## Unique failures\n"
    yield _row(["fingerprint", "class", "kind", "count", "what", "first", "evidence"])
    yield _row(["---", "---", "---", "---:", "---", "---", "---"])
    for each in summary.failures:
        words = [each.fingerprint, _class(each), each.kind, f"{each.count:,}", each.message]
        yield _row([_text(word) for word in (*words, each.first, each.evidence)])
    yield ""


def _remarks(summary: Summary) -> Iterator[str]:
    if not summary.remarks:
        return
    yield "## Remarks\n"
    for each in summary.remarks[:_MOST]:
        of = f" {_text(each.key)}" if each.key else ""
        marked = " (marked)" if each.mark else ""
        yield f"- {_text(each.at)}{of}{marked}{': ' if each.text else ''}{_text(each.text)}"
    if len(summary.remarks) > _MOST:
        yield f"- {len(summary.remarks) - _MOST:,} more stand in summary.json."
    yield ""


def _skipped(summary: Summary) -> Iterator[str]:
    if not summary.skipped:
        return
    yield "## Skipped by rule sets\n"
    yield _row(["instance", "cells", "why", "issue", "rule set"])
    yield _row(["---", "---", "---", "---", "---"])
    for each in summary.skipped[:_MOST]:
        words = (each.instance, each.cells or "all", each.why, each.issue or "", f"{each.rule_set} ({each.place})")
        yield _row(map(_text, words))
    if len(summary.skipped) > _MOST:
        yield f"\n{len(summary.skipped) - _MOST:,} more stand in summary.json."
    yield ""


def _class(failure: UniqueFailure) -> str:
    """With what it is a duplicate of, and where it is followed up."""
    told = [failure.classification or ""]
    if failure.quarantine is not None:
        told.append(f"{failure.quarantine.issue} until {failure.quarantine.until}")
    if failure.duplicate_of is not None:
        told.append(f"first {failure.duplicate_of}")
    return ", ".join(filter(None, told))


def _next_steps(summary: Summary) -> Iterator[str]:
    """As an indented code block: nothing in it is markup, so that commands can be copied as they are."""
    if not summary.next_steps:
        return
    yield "## Next steps\n"
    yield from (f"    {UNSEEN.sub('', ' '.join(step[:_LONGEST].splitlines()))}" for step in summary.next_steps)
    yield ""


def _listed(runs: Iterator[RunView]) -> Iterator[str]:
    listed = 0
    for run in runs:
        if run.verdict in (None, "pass"):
            continue
        listed += 1
        if listed == 1:
            yield "## Attempts that did not pass\n\n" + _row(["run", "verdict", "reason"]) + "\n"
            yield _row(["---", "---", "---"]) + "\n"
        if listed <= _MOST:
            yield _row([_text(f"{run.key}@{run.attempt}"), _text(str(run.verdict)), _text(run.reason or "")]) + "\n"
    if listed > _MOST:
        yield f"\n{listed - _MOST:,} more stand in runs.csv.\n"
    if listed:
        yield "\n"


def _facts(summary: Summary) -> Iterator[str]:
    yield "## About this campaign\n"
    environment = summary.environment
    facts = {
        "campaign": summary.campaign,
        "started": summary.started_at,
        "finished": summary.finished_at or summary.state,
        "seed": str(summary.seed),
        "plan": summary.plan_hash,
        "version of campaign": environment.campaign,
        "version of Python": environment.python,
        "version of the kernel": environment.system,
    }
    yield from (f"- {name}: {_text(value)}" for name, value in facts.items() if value)
    if environment.plugins:
        yield "- plugins:"
        yield from (f"  - {_text(name)}: {_text(version)}" for name, version in environment.plugins.items())
    if environment.tools:
        yield "- tools:"
        yield from (f"  - {_text(tool.tool)}: {_text(_version(tool))}" for tool in environment.tools)


def _version(tool: PlanTool) -> str:
    """What is known of which tool it was."""
    if tool.distribution:
        return f"{tool.distribution} {tool.version}"
    changed = f"of {tool.modified_at}" if tool.modified_at else None
    digest = f"BLAKE2b {tool.digest}" if tool.digest else None
    return ", ".join(fact for fact in (tool.path, changed, digest) if fact) or "not found"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """``text`` as plain words of one line, whatever it holds: no markup, no HTML, no hidden characters."""
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return _SPECIAL.sub(r"\\\1", UNSEEN.sub("", " ".join(text.split())))
