"""``github``: the page of a job in GitHub Actions; never longer than such a page may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from campaign.plugins.api import Reporter, RunView, Summary, Value, hookimpl
from campaign.plugins.results import Analysis, Results
from campaign_standard.markdown import sections

api = 1

#: A step's summary is refused beyond 1 MiB (https://docs.github.com, «Adding a job summary»); room for what ends it.
_MOST_BYTES = (1 << 20) - 4096
_CUT = "\n\n**The report was cut here: GitHub shows at most 1 MiB.** The whole is in the campaign's own reports.\n"


class GithubReporter(Reporter):
    """Writes what ``markdown`` does, as far as it fits."""

    name = "github"
    about = "a summary for the page of a GitHub Actions job, 1 MiB at most"
    filename = "github.md"

    def render(self, results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
        """Write line by line until the room is used up; runs are listed in a part that opens on demand."""
        _write(_lines(results.summary, results.runs(), results.analysis()), write)

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """The same without an analysis."""
        _write(_lines(summary, runs, None), write)


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [GithubReporter()]


def _write(lines: Iterator[str], write: Callable[[str], None]) -> None:
    room = _MOST_BYTES
    for line in lines:
        size = len(line.encode("utf-8", "backslashreplace"))
        if size > room:
            write(_CUT)
            return
        room -= size
        write(line)


def _lines(summary: Summary, runs: Iterator[RunView], analysis: Analysis | None) -> Iterator[str]:
    head, failed, facts = sections(summary, runs, analysis)
    yield from head
    first = next(failed, None)
    if first is not None:
        yield "<details><summary>Attempts that did not pass</summary>\n\n"
        yield first
        yield from failed
        yield "</details>\n\n"
    yield from facts
