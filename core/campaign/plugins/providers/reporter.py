"""Reporters: files made of a campaign's record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from campaign.plugins.providers import Provider
from campaign.records import RunView, Summary
from campaign.units import Value

if TYPE_CHECKING:
    from campaign.plugins.results import Results


class Reporter(Provider):
    """Writes a file from a campaign's record and its runs.

    It brings ``report``, or ``render`` where it wants settings, the host, or a campaign as pictures show it.
    """

    #: The file it writes unless told otherwise: ``junit.xml``.
    filename: ClassVar[str]
    #: Whether ``campaign report`` prints it, unless a file is named.
    printed: ClassVar[bool] = False

    def file(self, settings: Mapping[str, Value]) -> str:
        """The file it writes with these settings unless told otherwise."""
        return self.filename

    def objection(self, file: str, settings: Mapping[str, Value]) -> str | None:
        """Why it cannot write a file of that name with these settings, as the end of a sentence; None where it can."""
        return None

    def render(self, results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
        """Write the report in pieces, of text or of bytes; ``settings`` hold every parameter that has a value."""
        self.report(results.summary, results.runs(), write)

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """Write the report in pieces; ``runs`` can be very many and is read once, in order of cell and seed.

        A run that was attempted more than once comes once for each attempt, in order.
        """
        raise NotImplementedError(f"{type(self).__name__}.report")
