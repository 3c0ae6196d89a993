"""``shmoo``: pass, fail, mixed and not run over two axes, as text, SVG or PNG."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from campaign.plugins.api import Reporter, Schema, UnableError, Value, hookimpl
from campaign.plugins.results import ERROR, FAIL, MIXED, NOT_RUN, PASS, Choice, Panel, Results, Shmoo, Tally
from campaign_standard._plain import one_line
from campaign_standard._words import notes_of, title_of

api = 1

_FORMS = ("text", "svg", "png")
_ENDINGS = (".svg", ".png", ".txt")
_MARKS = {PASS: "*", FAIL: ".", ERROR: "?", NOT_RUN: " "}
_COLOURS = {PASS: "32", FAIL: "31", MIXED: "33", ERROR: "35"}
_LEGEND = "* pass   . fail   1-9 tenths that passed   ? only errors   (blank) not run"
_WIDTH = 120


class ShmooReporter(Reporter):
    """Draws a shmoo, in a terminal or as a picture."""

    name = "shmoo"
    about = "pass, fail, mixed and not run over two axes, a panel for each value of the further ones"
    filename = "shmoo.txt"
    printed = True
    parameters: ClassVar[Schema] = {
        "x": {"type": "string", "meta": {"help": "the axis across; else one of the two numeric ones"}},
        "y": {"type": "string", "meta": {"help": "the axis upwards"}},
        "form": {
            "type": "string",
            "allowed": list(_FORMS),
            "meta": {"help": "how to draw it; else as the file's name ends, and text in a terminal"},
        },
        "panels": {"type": "int", "default": 24, "min": 1, "max": 400, "meta": {"help": "panels at most"}},
    }

    def file(self, settings: Mapping[str, Value]) -> str:
        """``shmoo.txt``, ``shmoo.svg`` or ``shmoo.png``."""
        form = settings.get("form", "text")
        return self.filename if form == "text" else f"shmoo.{form}"

    def objection(self, file: str, settings: Mapping[str, Value]) -> str | None:
        """A name that ends like another form than those it draws, where none is asked for."""
        ending = os.path.splitext(file)[1].lower()
        if "form" in settings or ending in {"", *_ENDINGS}:
            return None
        return f"a shmoo is drawn as {', '.join(_ENDINGS)}, not as {ending}; or name one: form=png"

    def render(self, results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
        """Count the runs, then draw."""
        shmoo = results.shmoo(choice_of(settings))
        if shmoo is None:
            raise UnableError("no scenario has two axes of numbers; name two axes, --set x=NAME --set y=NAME")
        form = settings.get("form") or form_of(results.target.file)
        if form == "png":
            from campaign_standard._png import png_of  # late: few campaigns want a picture

            write(png_of(shmoo, results.summary.name))
        elif form == "svg":
            from campaign_standard._pictures import standalone

            write(standalone(shmoo, results.summary.name))
        else:
            columns = results.target.columns or _WIDTH
            write("".join(f"{line}\n" for line in text_of(shmoo, results.summary.name, columns, results.target.colour)))


@hookimpl
def campaign_reporters() -> Iterable[Reporter]:
    """The reporter of this module."""
    return [ShmooReporter()]


def choice_of(settings: Mapping[str, Value]) -> Choice:
    """The axes and the number of panels that settings ask for."""
    x, y, panels = settings.get("x"), settings.get("y"), settings.get("panels")
    return Choice(
        x=x if isinstance(x, str) else None,
        y=y if isinstance(y, str) else None,
        panels=panels if isinstance(panels, int) else 24,
    )


def form_of(file: str | None) -> str:
    """The form that a file's name asks for."""
    ending = (file or "").rpartition(".")[2].lower()
    return ending if ending in _FORMS else "text"


def mark_of(tally: Tally | None) -> str:
    """One letter for a point: a digit for the tenths that passed where some did not."""
    if tally is None:
        return " "
    if tally.state == MIXED and tally.rate is not None:
        return str(max(1, min(9, round(tally.rate * 10))))
    return _MARKS[tally.state]


def text_of(shmoo: Shmoo, name: str, columns: int, colour: bool) -> Iterator[str]:
    """The shmoo as lines of at most ``columns`` letters."""
    yield f"{one_line(name, 80)}: {one_line(shmoo.y.name, 40)} over {one_line(shmoo.x.name, 40)}"
    labels = [one_line(value, 24) for value in shmoo.y.values]
    width = max(map(len, labels))
    room = max(8, columns - width - 4)
    step = _step([one_line(value, 24) for value in shmoo.x.values], room)
    for panel in shmoo.panels:
        yield ""
        yield title_of(panel)
        for first in range(0, len(shmoo.x.values), room // step):
            yield from _block(shmoo, panel, labels, width, range(first, first + room // step), step, colour)
    yield ""
    yield _LEGEND
    yield from notes_of(shmoo)


def _step(labels: list[str], room: int) -> int:
    """Letters from one column to the next: as wide as the labels, else two, else one."""
    wide = max(map(len, labels)) + 1
    return next((step for step in (max(2, wide), 2) if step * len(labels) <= room), 1)


def _block(  # noqa: PLR0913, PLR0917 - one picture's measures
    shmoo: Shmoo, panel: Panel, labels: list[str], width: int, part: range, step: int, colour: bool
) -> Iterator[str]:
    """The columns ``part`` of a panel, the highest row first, and the labels of every column that has room."""
    for index in reversed(range(len(labels))):
        points = panel.points[index][part.start : part.stop]
        cells = (_painted(point, colour) for point in points)
        yield f"{labels[index]:>{width}} | {(' ' * (step - 1)).join(cells)}".rstrip()
    shown = shmoo.x.values[part.start : part.stop]
    yield f"{'':>{width}} +{'-' * (1 + step * len(shown))}"
    line = ""
    for index, value in enumerate(shown):
        if len(line) <= index * step and (index == 0 or len(line) < index * step):
            line = f"{line:<{index * step}}{one_line(value, 24)}"
    yield f"{'':>{width}}   {line}"


def _painted(tally: Tally | None, colour: bool) -> str:
    mark = mark_of(tally)
    if not colour or tally is None or mark == " ":
        return mark
    return f"\x1b[{_COLOURS[tally.state]}m{mark}\x1b[0m"
