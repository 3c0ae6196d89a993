"""``csv``: a table of every step of every attempt, for spreadsheets and data frames.

Axes and metrics are columns of their own.  Which ones there are is known only when the last run was seen, so rows
wait in a temporary file, not in memory.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from campaign.plugins.api import Reporter, RunView, Summary, hookimpl
from campaign_standard._plain import plain

api = 1

_RUN = ("campaign", "key", "instance", "cell", "seed", "tier", "attempt", "origin", "state", "verdict", "reason")
_FAILURE = ("kind", "fingerprint")
_TIMES = ("started_at", "finished_at", "duration_s", "passed", "verified", "flaky")
_STEP = ("step", "index", "tool", "exit_code", "signal", "timeout", "ok", "step_started_at_s", "step_duration_s")
_FIXED = (*_RUN, *_FAILURE, *_TIMES, *_STEP)
_IN_MEMORY = 1 << 20
#: Letters that a cell of a spreadsheet holds; what is longer is cut, an apostrophe in front included.
_LONGEST = 32_767

#: What a spreadsheet would compute rather than show (OWASP, «CSV Injection»).
_FORMULA = re.compile(r"\s*[=+\-@\t]")
#: Numbers and quantities begin with a sign and are harmless.
_SIGNED = re.compile(r"[+-](?:\d+(?:\.\d+)?)(?:[A-Za-z]{0,3}|%)")


class CsvReporter(Reporter):
    """Writes one row for each step of each attempt; an attempt without steps has one row."""

    name = "csv"
    about = "one row a step, axes and metrics as columns"
    filename = "runs.csv"

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:  # noqa: ARG002
        """Write the header and the rows."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8") as waiting:
            columns = dict.fromkeys(_FIXED)
            for row in (row for run in runs for row in _rows(run)):
                columns.update(dict.fromkeys(row))
                waiting.write(json.dumps(row) + "\n")
            waiting.seek(0)
            line = io.StringIO()
            writer = csv.writer(line, lineterminator="\n")
            writer.writerow([_harmless(column) for column in columns])
            for text in waiting:
                row = json.loads(text)
                writer.writerow([_cell(row.get(column)) for column in columns])
                write(line.getvalue())
                line.seek(0)
                line.truncate()
            write(line.getvalue())


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [CsvReporter()]


def _rows(run: RunView) -> Iterator[dict[str, Any]]:
    """The rows of an attempt, by column."""
    head = {name: getattr(run, name) for name in (*_RUN, *_TIMES)}
    if run.failure is not None:
        head |= {"kind": run.failure.kind, "fingerprint": run.failure.fingerprint}
    head |= {_axis(name): value for name, value in run.axes.items()}
    for step in run.steps:
        yield {
            **head,
            "step": step.label,
            "index": step.index,
            "tool": step.tool,
            "ok": step.ok,
            "exit_code": step.exit.code,
            "signal": step.exit.signal,
            "timeout": step.exit.timeout,
            "step_started_at_s": step.started_at_s,
            "step_duration_s": step.duration_s,
            **{f"metrics.{name}": value for name, value in step.metrics.items()},
        }
    if not run.steps:
        yield head


def _axis(name: str) -> str:
    """The column of an axis: its name, unless that is one of ours."""
    return f"axis.{name}" if name in _FIXED else name


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return _harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _harmless(text: str) -> str:
    """``text`` as a cell that no spreadsheet takes for a formula: with an apostrophe in front where it might."""
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")  # csv quotes line feeds, not returns
    text = plain(text, _LONGEST - 1)
    return f"'{text}" if _FORMULA.match(text) and not _SIGNED.fullmatch(text) else text
