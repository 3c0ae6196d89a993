"""The reporters that a spec or a command line names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plugins.api import Reporter
from campaign.plugins.names import split_name
from campaign.plugins.registry import Registry
from campaign.records import RunView, Summary

_SHORT = {"md": "markdown"}


class JsonReport(Reporter):
    """The records themselves: the summary, then every attempt."""

    name = "json"
    about = "summary and runs as one JSON object"
    filename = "report.json"

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """Write ``{"schema", "summary", "runs": […]}``, a run at a time."""
        encode = msgspec.json.Encoder().encode
        write('{"schema":"campaign.report/1","summary":' + encode(summary).decode() + ',"runs":[')
        for number, run in enumerate(runs):
            write((",\n" if number else "\n") + encode(run).decode())
        write("\n]}\n")


def find_reporter(name: str) -> Reporter:
    """The reporter of that name; raises CampaignError for none and for a broken plugin."""
    if name == JsonReport.name:
        return JsonReport()
    name = _SHORT.get(name, name)
    registry = Registry([split_name(name)[0]])
    found = registry.find("reporter", name)
    if not isinstance(found, Reporter):
        known = ", ".join(sorted({*registry.names("reporter"), "json"}))
        raise CampaignError([Diagnostic("CAMP582", f"no reporter is called {name}", hint=f"there are {known}")])
    return found
