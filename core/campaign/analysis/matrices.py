"""An instance's cells as a table, where they are few, and what each value of each axis came to; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from campaign.analysis.cells import Cells, Counts, Labels, scale_of, tally_of, without
from campaign.records.overview import Margin, Matrix, MatrixRow, Share

#: Cells that a table shows, columns it has, values of an axis that are listed.
MOST_SHOWN, MOST_COLUMNS, MOST_VALUES = 400, 24, 60
#: Columns that stand side by side on a screen.
_EASY = 14


def matrix_of(cells: Cells) -> Matrix:
    """The matrix of one instance."""
    axes, counts = _column_last(cells)
    columns = scale_of("", (labels[-1] for labels in counts)).values if axes else ()
    small = len(cells.counts) <= MOST_SHOWN and len(columns) <= MOST_COLUMNS
    return Matrix(
        instance=cells.instance,
        tally=tally_of(cells.all),
        cells=len(cells.counts),
        axes=axes,
        columns=columns if small else (),
        rows=tuple(_rows(counts, columns)) if small and axes else (),
        margins=tuple(_margin(cells, name) for name in cells.axes),
    )


def _column_last(cells: Cells) -> tuple[Labels, Mapping[Labels, Counts]]:
    """The axis of the columns put last: the one with the most values that stand easily side by side, else the last."""
    sizes = [len({labels[index] for labels in cells.counts}) for index in range(len(cells.axes))]
    easy = [index for index, size in enumerate(sizes) if size <= _EASY]
    column = max(easy, key=lambda index: (sizes[index], index), default=len(sizes) - 1)

    def moved(labels: Labels) -> Labels:
        return (*labels[:column], *labels[column + 1 :], *labels[column : column + 1])

    return moved(cells.axes), {moved(labels): each for labels, each in cells.counts.items()}


def _rows(cells: Mapping[Labels, Counts], columns: tuple[str, ...]) -> Iterable[MatrixRow]:
    rows: dict[Labels, dict[str, Counts]] = {}
    for labels, counts in cells.items():
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
