"""Pictures as SVG: a shmoo, a timeline, a distribution.

Colours come from the page's style by class, so that one picture fits light, dark and print; a picture of its own
carries that style with it.  Every text that comes from a campaign goes through ``_text``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from campaign.plugins.results import (
    MIXED,
    NOT_RUN,
    Distribution,
    Lane,
    Panel,
    SeenFault,
    SeenWatch,
    Shmoo,
    Tally,
    Timeline,
    Watched,
)
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
    wide = max(side, min(64, room // max(columns, 1)))  # few columns have room for all their labels
    labels = [one_line(value, 18) for value in shmoo.y.values]
    left = 8 * max(map(len, labels)) + 14
    width = left + max(wide * columns, 120) + 24
    height = side * rows + 44
    parts = [*_rows_of_labels(labels, left, side), *_points(shmoo, panel, left, (wide, side))]
    parts += _columns_of_labels([one_line(value, 18) for value in shmoo.x.values], left, wide, side * rows)
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


def _columns_of_labels(labels: Sequence[str], left: int, wide: int, top: int) -> Iterator[str]:
    free = 0
    for index, label in enumerate(labels):
        at = index * wide
        if at >= free:
            yield f'<path class="tick" d="M{left + at + wide / 2:g} {top}v4"/>'
            yield f'<text x="{left + at}" y="{top + 18}">{escape(label)}</text>'
            free = at + 7 * len(label) + 8


def _points(shmoo: Shmoo, panel: Panel, left: int, size: tuple[int, int]) -> Iterator[str]:
    wide, side = size
    gap = 1 if side > 7 else 0
    if len(shmoo.x.values) * len(shmoo.y.values) * len(shmoo.panels) > _MOST_TITLED:
        yield from _shapes(panel, left, size, gap)
        return
    for row, points in enumerate(reversed(panel.points)):
        up = one_line(shmoo.y.values[len(panel.points) - 1 - row], 40)
        for column, tally in enumerate(points):
            across = one_line(shmoo.x.values[column], 40)
            place = f'x="{left + column * wide}" y="{row * side}" width="{wide - gap}" height="{side - gap}"'
            title = escape(f"{up}, {across}: {told(tally)}")
            yield f'<rect class="{class_of(tally)}" {place}><title>{title}</title></rect>'


def _shapes(panel: Panel, left: int, size: tuple[int, int], gap: int) -> Iterator[str]:
    """One path a colour: a tenth of the letters that a rectangle a point would take."""
    wide, side = size
    box = f"h{wide - gap}v{side - gap}h-{wide - gap}z"
    paths: dict[str, list[str]] = {}
    for row, points in enumerate(reversed(panel.points)):
        for column, tally in enumerate(points):
            paths.setdefault(class_of(tally), []).append(f"M{left + column * wide} {row * side}{box}")
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


# --- timeline ---------------------------------------------------------------------------------------------------

_WIDE, _LEFT, _RIGHT = 1000, 116, 12
_STEPS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_STEPS_H = (1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760)
_RUNNING, _ENDED, _LANE = 64, 72, 20
_VERDICTS = ("pass", "fail", "error", "canceled", "skipped")


def timeline_picture(timeline: Timeline) -> str:
    """How many ran, how many ended and how, and what each slot did, over the campaign's time."""
    span = max(timeline.length_s, timeline.interval_s, 1e-9)
    single = any(lane.bars for lane in timeline.lanes)  # then how attempts ended can be seen one by one
    lanes_at = _RUNNING + (28 if single else _ENDED + 66)
    height = lanes_at + _LANE * len(timeline.lanes) + 30
    parts = [
        *_grid(span, height - 26),
        *_running(timeline, span),
        *(() if single else _ended(timeline, span, _RUNNING + 34)),
        *(
            part
            for number, lane in enumerate(timeline.lanes)
            for part in _lane(lane, timeline, span, lanes_at + number * _LANE)
        ),
    ]
    about = f"{timeline.attempts:,} attempts over {took(timeline.length_s)}"
    return (
        f'<svg class="timeline" role="img" aria-label="{_text(about)}" viewBox="0 0 {_WIDE} {height}" '
        f'width="{_WIDE}" height="{height}">{"".join(parts)}</svg>'
    )


def _across(second: float, span: float) -> float:
    return _LEFT + (_WIDE - _LEFT - _RIGHT) * min(1.0, max(0.0, second / span))


def _grid(span: float, bottom: int) -> Iterator[str]:
    steps = (*_STEPS_S, *(3600 * hours for hours in _STEPS_H))
    step = next((each for each in steps if span / each <= 8), span / 8)
    for number in range(int(span / step) + 1):
        x = _across(number * step, span)
        yield f'<path class="grid" d="M{x:.1f} 0V{bottom}"/>'
        anchor = "start" if number == 0 else "middle" if x < _WIDE - 40 else "end"
        label = took(number * step) if number else "0"
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="{anchor}">{label}</text>'


def _running(timeline: Timeline, span: float) -> Iterator[str]:
    most = max(timeline.running, default=0.0) or 1.0
    line = "".join(
        f"L{_across(index * timeline.interval_s, span):.1f} {_high(each, most):.1f}"
        f"H{_across((index + 1) * timeline.interval_s, span):.1f}"
        for index, each in enumerate(timeline.running)
    )
    yield f'<path class="area" d="M{_LEFT} {_RUNNING + 8}{line}V{_RUNNING + 8}z"/>'
    yield f'<text class="label" x="{_LEFT - 10}" y="20" text-anchor="end">running</text>'
    yield f'<text x="{_LEFT - 10}" y="36" text-anchor="end">up to {short(round(most, 1))}</text>'


def _high(each: float, most: float) -> float:
    return 8 + _RUNNING * (1 - each / most)


def _ended(timeline: Timeline, span: float, top: int) -> Iterator[str]:
    """Bars of what ended in each interval, the verdicts stacked."""
    most = max((tally.runs for tally in timeline.ended), default=0) or 1
    paths: dict[str, list[str]] = {}
    for index, tally in enumerate(timeline.ended):
        left, right = (_across((index + each) * timeline.interval_s, span) for each in (0, 1))
        floor = float(top + _ENDED)
        counts = (tally.passed, tally.failed, tally.errors, tally.canceled, tally.skipped)
        for verdict, count in zip(_VERDICTS, counts, strict=True):
            if count:
                tall = _ENDED * count / most
                floor -= tall
                width = max(0.6, right - left - (0.8 if right - left > 3 else 0))
                paths.setdefault(verdict, []).append(f"M{left:.1f} {floor:.1f}h{width:.1f}v{tall:.2f}h-{width:.1f}z")
    for verdict, shapes in paths.items():
        yield f'<path class="s-{verdict}" d="{"".join(shapes)}"/>'
    yield f'<text class="label" x="{_LEFT - 10}" y="{top + 14}" text-anchor="end">ended</text>'
    for line, words in enumerate((f"up to {most:,}", f"in {took(timeline.interval_s)}")):
        yield f'<text x="{_LEFT - 10}" y="{top + 30 + 16 * line}" text-anchor="end">{words}</text>'


def _lane(lane: Lane, timeline: Timeline, span: float, top: int) -> Iterator[str]:
    yield f'<text x="{_LEFT - 10}" y="{top + 11}" text-anchor="end">{_text(lane.name, 14)}</text>'
    yield f'<path class="rail" d="M{_LEFT} {top + 7}H{_WIDE - _RIGHT}"/>'
    for bar in lane.bars:
        left, right = _across(bar.start_s, span), _across(bar.end_s, span)
        verdict = bar.verdict if bar.verdict in _VERDICTS else "open"
        words = f"{one_line(bar.run, 160)}: {bar.verdict or 'running'}, {took(bar.end_s - bar.start_s)}"
        place = f'x="{left:.1f}" y="{top}" width="{max(1.0, right - left - 0.6):.1f}" height="14" rx="1.5"'
        yield f'<rect class="s-{verdict}" {place}><title>{escape(words)}</title></rect>'
    if not lane.bars:
        yield from _busy(lane.busy, timeline.interval_s, span, top)


def _busy(busy: Sequence[float], interval: float, span: float, top: int) -> Iterator[str]:
    """The share of time in use, in five strengths; neighbours of one strength are one shape."""
    levels = [min(5, int(share * 5 + 0.5)) for share in busy]
    first = 0
    for index in range(1, len(levels) + 1):
        if index == len(levels) or levels[index] != levels[first]:
            if levels[first]:
                left, right = _across(first * interval, span), _across(index * interval, span)
                yield (
                    f'<rect class="busy" fill-opacity="{levels[first] / 5:g}" x="{left:.1f}" y="{top}" '
                    f'width="{right - left:.1f}" height="14"/>'
                )
            first = index


# --- what watches saw -------------------------------------------------------------------------------------------


def watched_picture(watched: Watched) -> str:
    """A lane for the faults, from injection to recovery, and one for each watch: when it was not ok."""
    span = max(watched.length_s, 1e-9)
    bottom = _LANE * (1 + len(watched.watches)) + 8
    parts = [*_grid(span, bottom), *_faults_lane(watched.faults, span)]
    for number, watch in enumerate(watched.watches, start=1):
        parts += _watch_lane(watch, span, _LANE * number)
    about = f"{watched.run}: {len(watched.faults)} faults, {len(watched.watches)} watches"
    return (
        f'<svg class="timeline watched" role="img" aria-label="{_text(about)}" viewBox="0 0 {_WIDE} {bottom + 26}" '
        f'width="{_WIDE}" height="{bottom + 26}">{"".join(parts)}</svg>'
    )


def _faults_lane(faults: Sequence[SeenFault], span: float) -> Iterator[str]:
    yield f'<text class="label" x="{_LEFT - 10}" y="11" text-anchor="end">faults</text>'
    for each in faults:
        left, right = _across(each.injected_s, span), _across(each.recovered_s or span, span)
        if each.detected_s is None:
            right, told = left, "never detected"
        elif each.recovered_s is None:
            told = "never recovered"
        else:
            told = f"recovered after {took(each.recovered_s - each.injected_s)}"
        words = f"{one_line(each.label, 80)} ({one_line(each.name, 80)}), {told}"
        place = f'x="{left:.1f}" y="0" width="{max(2.0, right - left):.1f}" height="14" rx="1.5"'
        yield f'<rect class="s-error" {place}><title>{escape(words)}</title></rect>'


def _watch_lane(watch: SeenWatch, span: float, top: int) -> Iterator[str]:
    yield f'<text x="{_LEFT - 10}" y="{top + 11}" text-anchor="end">{_text(watch.label, 14)}</text>'
    first, last = _across(watch.first_s, span), _across(watch.last_s, span)
    yield f'<rect class="s-pass" x="{first:.1f}" y="{top + 5}" width="{max(1.0, last - first):.1f}" height="4"/>'
    for start, end in watch.troubles:
        left, right = _across(start, span), _across(end, span)
        words = f"{one_line(watch.label, 80)} not ok for {took(end - start)}"
        place = f'x="{left:.1f}" y="{top}" width="{max(1.5, right - left):.1f}" height="14" rx="1.5"'
        yield f'<rect class="s-fail" {place}><title>{escape(words)}</title></rect>'


# --- distributions ----------------------------------------------------------------------------------------------


def distribution_picture(distribution: Distribution) -> str:
    """A histogram: what passed below, the rest above, the median as a line."""
    wide, tall = 320, 84
    bins = distribution.bins
    most = max((each.passed + each.others for each in bins), default=0) or 1
    step = wide / max(1, len(bins))
    paths: dict[str, list[str]] = {"s-pass": [], "s-other": []}
    for index, each in enumerate(bins):
        floor = float(tall)
        for kind, count in (("s-pass", each.passed), ("s-other", each.others)):
            high = (tall - 6) * count / most
            floor -= high
            if count:
                paths[kind].append(f"M{index * step:.1f} {floor:.1f}h{step - 1:.1f}v{high:.2f}h-{step - 1:.1f}z")
    shapes = "".join(f'<path class="{kind}" d="{"".join(each)}"/>' for kind, each in paths.items() if each)
    width = bins[-1].high - bins[0].low if bins else 0.0
    at = wide * (distribution.median - bins[0].low) / width if width else wide / 2
    unit = distribution.unit
    lowest, highest = (measure(bins[0].low, unit), measure(bins[-1].high, unit)) if bins else ("", "")
    about = f"{distribution.metric}: median {measure(distribution.median, unit)}"
    return (
        f'<svg class="histogram" role="img" aria-label="{_text(about)}" viewBox="0 0 {wide} {tall + 20}" '
        f'width="{wide}" height="{tall + 20}">{shapes}<path class="rail" d="M0 {tall + 0.5}H{wide}"/>'
        f'<path class="median" d="M{at:.1f} 0V{tall}"/>'
        f'<text x="0" y="{tall + 16}">{lowest}</text>'
        f'<text x="{wide}" y="{tall + 16}" text-anchor="end">{highest}</text></svg>'
    )


# --- numbers for people -----------------------------------------------------------------------------------------

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(number: float) -> str:
    """A number in three or four digits: ``1,234``, ``12.3 M``, ``0.00123``."""
    size = abs(number)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{number:.2e}"
    if size >= 100_000:
        divisor, prefix = next(each for each in _PREFIXES if size >= each[0])
        return f"{number / divisor:.4g} {prefix}"
    return f"{number:,.0f}" if size >= 1000 or number == int(number) else f"{number:.4g}"


def measure(number: float, unit: str) -> str:
    """A number with its unit; seconds as a duration."""
    return took(number) if unit == "s" else f"{short(number)} {unit}".rstrip()


def took(seconds: float | None) -> str:
    """A duration in the two units that matter: ``1 h 5 min``, ``2.35 s``, ``12 ms``."""
    if seconds is None:
        return ""
    if abs(seconds) < 1:
        return f"{seconds * 1000:.3g} ms" if abs(seconds) >= 0.001 or not seconds else f"{seconds * 1e6:.3g} µs"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for size, unit, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size:,} {unit} {rest} {smaller}" if rest else f"{whole // size:,} {unit}"
    return f"{whole} s"
