"""An analysis for people: on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from campaign.cli.tables import cut, table
from campaign.cli.terminal import visible
from campaign.plugins.analyzed import Section, headline, sections
from campaign.records.analysis import Analysis

#: Letters of a cell of a table, so that a line stands on a screen.
_WIDTH = 60


def shown(analysis: Analysis) -> str:
    """The whole as text, sections apart."""
    head = visible(f"{analysis.campaign} ({analysis.state})\n{headline(analysis)}".replace("\n", " · "))
    return "\n\n".join((head, *(("\n".join(_section(each))) for each in sections(analysis))))


def _section(section: Section) -> Iterator[str]:
    yield section.title.upper()
    yield from (visible(line) for line in section.lines)
    if section.rows:
        rows = [[cut(" ".join(text.split()), _WIDTH) for text in row] for row in section.rows]
        yield table(section.headers, rows, numbers=section.numbers)
