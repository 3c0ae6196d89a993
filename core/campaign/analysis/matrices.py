"""An instance's cells as a table, where they are few, and what each value of each axis came to; pure."""

from __future__ import annotations

from collections.abc import Iterable

from campaign.analysis.cells import Cells, Counts, scale_of, tally_of, without
from campaign.records.overview import Margin, Matrix, MatrixRow, Share

#: Cells that a table shows, columns it has, values of an axis that are listed.
MOST_SHOWN, MOST_COLUMNS, MOST_VALUES = 400, 24, 60


def matrix_of(cells: Cells) -> Matrix:
    """The matrix of one instance."""
    columns = tuple(scale_of("", (labels[-1] for labels in cells.counts)).values) if cells.axes else ()
    small = len(cells.counts) <= MOST_SHOWN and len(columns) <= MOST_COLUMNS
    return Matrix(
        instance=cells.instance,
        tally=tally_of(cells.all),
        cells=len(cells.counts),
        axes=cells.axes,
        columns=columns if small else (),
        rows=tuple(_rows(cells, columns)) if small and cells.axes else (),
        margins=tuple(_margin(cells, name) for name in cells.axes),
    )


def _rows(cells: Cells, columns: tuple[str, ...]) -> Iterable[MatrixRow]:
    rows: dict[tuple[str, ...], dict[str, Counts]] = {}
    for labels, counts in cells.counts.items():
        rows.setdefault(labels[:-1], {})[labels[-1]] = counts
    for labels, found in rows.items():
        each = (found.get(column) for column in columns)
        yield MatrixRow(labels=labels, cells=tuple(None if counts is None else tally_of(counts) for counts in each))


def _margin(cells: Cells, name: str) -> Margin:
    others = [other for other in cells.axes if other != name]
    summed = without(cells.axes, cells.counts, others)
    values = scale_of(name, (label for (label,) in summed)).values
    shares = tuple(Share(value, tally_of(summed[value,])) for value in values[:MOST_VALUES])
    return Margin(name=name, shares=shares, left_out=len(values) - len(shares))
