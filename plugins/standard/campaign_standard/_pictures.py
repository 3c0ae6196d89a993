"""Pictures as SVG: a shmoo, a timeline, a distribution.

Colours come from the page's style by class, so that one picture fits light, dark and print; a picture of its own
carries that style with it.  Every text that comes from a campaign goes through ``_text``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from campaign.plugins.results import MIXED, NOT_RUN, Panel, Shmoo, Tally
from campaign_standard._plain import one_line
from campaign_standard._words import notes_of, title_of

#: Points that say their numbers when the pointer rests on them; beyond, a picture is made of few large shapes.
_MOST_TITLED = 6_000
_STANDALONE = """
svg{font:12px system-ui,sans-serif;background:#fff}text{fill:#57606a}.title{fill:#1d2429;font-weight:600}
.s-pass{fill:#2e8f6c}.s-fail{fill:#c5483a}.s-error{fill:#8a5bb5}.s-none{fill:#eef0f2}
.m1{fill:#d98a4a}.m2{fill:#dd9a4a}.m3{fill:#e0a94c}.m4{fill:#e2b84f}.m5{fill:#e0c053}.m6{fill:#d3c257}
.m7{fill:#c0c25d}.m8{fill:#a9bf63}.m9{fill:#8fb968}
@media(prefers-color-scheme:dark){svg{background:#14181b}text{fill:#9aa4ad}.title{fill:#e6eaed}.s-none{fill:#22282d}}
"""


def _text(text: str, most: int = 200) -> str:
    return escape(one_line(text, most))


def class_of(tally: Tally | None) -> str:
    """The class that colours a point: ``s-pass``, ``s-fail``, ``s-error``, ``s-none``, or ``m1`` to ``m9``."""
    if tally is None or tally.state == NOT_RUN:
        return "s-none"
    if tally.state == MIXED and tally.rate is not None:
        return f"m{max(1, min(9, round(tally.rate * 10)))}"
    return f"s-{tally.state}"


def told(tally: Tally | None) -> str:
    """A tally in words: ``3 of 5 passed``."""
    if tally is None or not tally.runs:
        return "not run"
    trials = tally.passed + tally.failed
    words = [f"{tally.passed:,} of {trials:,} passed"] if trials else []
    others = (("error", tally.errors), ("canceled", tally.canceled), ("skipped", tally.skipped), ("open", tally.open))
    return ", ".join([*words, *(f"{count:,} {word}" for word, count in others if count)])


# --- shmoo ------------------------------------------------------------------------------------------------------


def shmoo_panel(shmoo: Shmoo, panel: Panel, room: int = 520) -> str:
    """One panel: the highest value of the upward axis on top, labels where there is room."""
    columns, rows = len(shmoo.x.values), len(shmoo.y.values)
    side = max(4, min(26, room // max(columns, 1)))
    labels = [one_line(value, 18) for value in shmoo.y.values]
    left = 8 * max(map(len, labels)) + 14
    width = left + max(side * columns, 120) + 24
    height = side * rows + 44
    parts = [*_rows_of_labels(labels, left, side), *_points(shmoo, panel, left, side)]
    parts += _columns_of_labels([one_line(value, 18) for value in shmoo.x.values], left, side, side * rows)
    parts.append(f'<text class="axis" x="{left}" y="{side * rows + 38}">{_text(shmoo.x.name, 60)} →</text>')
    about = f"Shmoo of {shmoo.y.name} over {shmoo.x.name}, {title_of(panel)}"
    return (
        f'<svg class="shmoo" role="img" aria-label="{_text(about)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(parts)}</svg>'
    )


def _rows_of_labels(labels: Sequence[str], left: int, side: int) -> Iterator[str]:
    every = -(-14 // side)
    for index, label in enumerate(reversed(labels)):
        if index % every == 0:
            yield f'<text x="{left - 8}" y="{index * side + side / 2 + 4:g}" text-anchor="end">{escape(label)}</text>'


def _columns_of_labels(labels: Sequence[str], left: int, side: int, top: int) -> Iterator[str]:
    free = 0
    for index, label in enumerate(labels):
        at = index * side
        if at >= free:
            yield f'<path class="tick" d="M{left + at + side / 2:g} {top}v4"/>'
            yield f'<text x="{left + at}" y="{top + 18}">{escape(label)}</text>'
            free = at + 7 * len(label) + 14


def _points(shmoo: Shmoo, panel: Panel, left: int, side: int) -> Iterator[str]:
    gap = 1 if side > 7 else 0
    if len(shmoo.x.values) * len(shmoo.y.values) * len(shmoo.panels) > _MOST_TITLED:
        yield from _shapes(panel, left, side, gap)
        return
    for row, points in enumerate(reversed(panel.points)):
        up = one_line(shmoo.y.values[len(panel.points) - 1 - row], 40)
        for column, tally in enumerate(points):
            across = one_line(shmoo.x.values[column], 40)
            place = f'x="{left + column * side}" y="{row * side}" width="{side - gap}" height="{side - gap}"'
            title = escape(f"{up}, {across}: {told(tally)}")
            yield f'<rect class="{class_of(tally)}" {place}><title>{title}</title></rect>'


def _shapes(panel: Panel, left: int, side: int, gap: int) -> Iterator[str]:
    """One path a colour: a tenth of the letters that a rectangle a point would take."""
    paths: dict[str, list[str]] = {}
    for row, points in enumerate(reversed(panel.points)):
        for column, tally in enumerate(points):
            size = side - gap
            paths.setdefault(class_of(tally), []).append(f"M{left + column * side} {row * side}h{size}v{size}h-{size}z")
    for colour, shapes in paths.items():
        yield f'<path class="{colour}" d="{"".join(shapes)}"/>'


def standalone(shmoo: Shmoo, name: str) -> str:
    """All panels below each other, as a file of its own."""
    parts: list[str] = []
    top, width = 40, 320
    for panel in shmoo.panels:
        drawn = shmoo_panel(shmoo, panel)
        size = drawn.partition('viewBox="0 0 ')[2].partition('"')[0].split()
        parts.append(f'<text class="title" x="12" y="{top + 14}">{escape(title_of(panel))}</text>')
        parts.append(drawn.replace("<svg ", f'<svg x="12" y="{top + 24}" ', 1))
        top += int(size[1]) + 40
        width = max(width, int(size[0]) + 24)
    width = max(width, *(8 * len(title_of(panel)) + 24 for panel in shmoo.panels), 480)
    parts += _legend(top)
    for number, note in enumerate(notes_of(shmoo)):
        parts.append(f'<text x="12" y="{top + 40 + 18 * number}">{escape(note)}</text>')
    height = top + 40 + 18 * len(list(notes_of(shmoo)))
    title = f"{name}: {shmoo.y.name} over {shmoo.x.name}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<style>{_STANDALONE}</style>"
        f'<text class="title" x="12" y="24">{_text(title)}</text>{"".join(parts)}</svg>\n'
    )


def _legend(top: int) -> Iterator[str]:
    x = 12
    for colour, word in (
        ("s-pass", "pass"),
        ("m5", "mixed"),
        ("s-fail", "fail"),
        ("s-error", "error"),
        ("s-none", "not run"),
    ):
        yield f'<rect class="{colour}" x="{x}" y="{top}" width="12" height="12"/>'
        yield f'<text x="{x + 18}" y="{top + 11}">{word}</text>'
        x += 36 + 7 * len(word)
