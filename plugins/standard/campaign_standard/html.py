"""``html``: one page with everything that a campaign came to, to read offline, on a phone, in print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from campaign.plugins.api import Reporter, Schema, Value, hookimpl
from campaign.plugins.results import Results

api = 1


class HtmlReporter(Reporter):
    """Writes the page from templates, the user's own where there are any."""

    name = "html"
    about = "one page: verdicts, failures, shmoo, matrix, timeline, distributions, runs, host, provenance"
    filename = "report.html"
    parameters: ClassVar[Schema] = {
        "template": {"type": "path", "meta": {"help": "a folder with templates that replace ours, file by file"}},
        "x": {"type": "string", "meta": {"help": "the shmoo's axis across; else one of the two numeric ones"}},
        "y": {"type": "string", "meta": {"help": "the shmoo's axis upwards"}},
        "panels": {"type": "int", "default": 24, "min": 1, "max": 400, "meta": {"help": "the shmoo's panels at most"}},
        "runs": {"type": "int", "default": 1000, "min": 0, "max": 10_000, "meta": {"help": "runs listed at most"}},
        "bars": {
            "type": "int",
            "default": 1500,
            "min": 0,
            "max": 10_000,
            "meta": {"help": "attempts that the timeline draws one by one; beyond, it counts them by interval"},
        },
    }

    def render(self, results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
        """Gather what the page shows, then fill the templates."""
        from campaign_standard._page import write_page  # late: a template engine, for those who write a page

        write_page(results, settings, write)


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [HtmlReporter()]
