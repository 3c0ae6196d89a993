"""A shmoo as a PNG, by zlib alone: rectangles, and letters of a 5x7 font.

Format: https://www.w3.org/TR/png-3/, indexed colour, 8 bits a point, no filter.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from struct import pack

from campaign.plugins.results import ERROR, FAIL, MIXED, NOT_RUN, PASS, Panel, Shmoo, Tally
from campaign_standard._font import GLYPHS
from campaign_standard._plain import one_line
from campaign_standard._words import notes_of, title_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INK, _FAINT, _EMPTY = 1, 2, 3  # places in the palette; its first is the paper's
_PALETTE = ["ffffff", "1d2429", "6d7780", "f1f3f4", "2e8f6c", "c5483a", "8a5bb5"]
_PLAIN = {PASS: 4, FAIL: 5, ERROR: 6, NOT_RUN: _EMPTY}
#: From mostly failed to mostly passed, for the tenths between.
_MIXED = ["d98a4a", "dd9a4a", "e0a94c", "e2b84f", "e0c053", "d3c257", "c0c25d", "a9bf63", "8fb968"]
_FIRST_MIXED = len(_PALETTE)
_SCALE = 2
_LETTER, _LINE = 6 * _SCALE, 11 * _SCALE
_MOST_SIDE = 30_000


class Sheet:
    """Points of a picture, a byte each: an index into the palette."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = min(width, _MOST_SIDE), min(height, _MOST_SIDE)
        self._rows = [bytearray(self.width) for _ in range(self.height)]

    def box(self, x: int, y: int, width: int, height: int, colour: int) -> None:
        """Fill a rectangle; what is outside the sheet is left out."""
        right = min(x + width, self.width)
        if right <= x:
            return
        line = bytes([colour]) * (right - x)
        for row in self._rows[max(0, y) : y + height]:
            row[x:right] = line

    def text(self, x: int, y: int, text: str, colour: int = _INK) -> None:
        """Write one line with its upper left corner there; letters that the font lacks are boxes."""
        for number, letter in enumerate(text):
            for column, bits in enumerate(GLYPHS.get(letter, b"\x7f\x41\x41\x41\x7f")):
                for row in range(8):
                    if bits >> row & 1:
                        self.box(x + number * _LETTER + column * _SCALE, y + row * _SCALE, _SCALE, _SCALE, colour)

    def png(self) -> bytes:
        """The file."""
        head = pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        palette = b"".join(map(bytes.fromhex, (*_PALETTE, *_MIXED)))
        data = zlib.compress(b"".join(b"\0" + row for row in self._rows), 6)
        chunks = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", data), (b"IEND", b""))
        return _SIGNATURE + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def png_of(shmoo: Shmoo, name: str) -> bytes:
    """The shmoo, its panels below each other in as many columns as make it about square."""
    labels = [one_line(value, 16) for value in shmoo.y.values]
    left = (max(map(len, labels)) + 1) * _LETTER
    side = max(6, min(28, 560 // max(len(shmoo.x.values), len(labels))))
    width = max(left + side * len(shmoo.x.values), 24 * _LETTER) + 2 * _LETTER
    height = side * len(labels) + 4 * _LINE
    across = max(1, min(len(shmoo.panels), round((len(shmoo.panels) * height / width) ** 0.5)))
    down = -(-len(shmoo.panels) // across)
    notes = list(notes_of(shmoo))
    legend = 4 * _LINE + len(notes) * _LINE
    sheet = Sheet(max(across * width, 46 * _LETTER) + 2 * _LETTER, 3 * _LINE + down * height + legend)
    sheet.text(_LETTER, _LINE, one_line(f"{name}: {shmoo.y.name} over {shmoo.x.name}", sheet.width // _LETTER - 2))
    for number, panel in enumerate(shmoo.panels):
        x, y = _LETTER + number % across * width, 3 * _LINE + number // across * height
        _panel(sheet, shmoo, panel, labels, (x, y, left, side, width))
    _legend(sheet, notes, 3 * _LINE + down * height)
    return sheet.png()


def _panel(
    sheet: Sheet, shmoo: Shmoo, panel: Panel, labels: Sequence[str], place: tuple[int, int, int, int, int]
) -> None:
    x, y, left, side, width = place
    sheet.text(x, y, title_of(panel)[: width // _LETTER - 1], _FAINT)
    top = y + _LINE
    every = -(-_LINE // side)
    for index, label in enumerate(reversed(labels)):
        if index % every == 0:
            at = top + index * side + (side - 7 * _SCALE) // 2
            sheet.text(x + left - (len(label) + 1) * _LETTER, at, label, _FAINT)
    gap = 1 if side > 8 else 0
    for row, points in enumerate(reversed(panel.points)):
        for column, tally in enumerate(points):
            box = (x + left + column * side, top + row * side, side - gap, side - gap)
            sheet.box(*box, _colour(tally))
    _ticks(sheet, [one_line(value, 16) for value in shmoo.x.values], x + left, top + side * len(labels) + 6, side)


def _ticks(sheet: Sheet, values: Sequence[str], x: int, y: int, side: int) -> None:
    free = 0
    for index, value in enumerate(values):
        if index * side >= free:
            sheet.text(x + index * side, y, value, _FAINT)
            free = index * side + (len(value) + 1) * _LETTER


def _legend(sheet: Sheet, notes: Sequence[str], y: int) -> None:
    entries = (("pass", 4), ("mixed", _FIRST_MIXED + 4), ("fail", 5), ("error", 6), ("not run", _EMPTY))
    x = _LETTER
    for word, colour in entries:
        sheet.box(x, y, 7 * _SCALE, 7 * _SCALE, colour)
        sheet.text(x + _LETTER + 8, y, word)
        x += (len(word) + 3) * _LETTER
    for number, note in enumerate(notes, start=2):
        sheet.text(_LETTER, y + number * _LINE, note, _FAINT)


def _colour(tally: Tally | None) -> int:
    if tally is None:
        return _EMPTY
    if tally.state == MIXED and tally.rate is not None:
        return _FIRST_MIXED + max(0, min(8, round(tally.rate * 10) - 1))
    return _PLAIN[tally.state]
