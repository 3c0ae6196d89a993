"""The shmoo as drawn: legible without colour, well-formed SVG, a PNG that others read."""

import re
import struct
import xml.etree.ElementTree as ET
import zlib
from typing import Any

import pytest

from campaign.plugins.api import UnableError
from campaign.plugins.results import Panel, Results, Scale, Shmoo, Tally, Target
from campaign_standard.shmoo import ShmooReporter, text_of

GOOD, BAD, HALF, BROKEN = Tally(passed=2), Tally(failed=2), Tally(passed=1, failed=1), Tally(errors=1)
SMALL = Shmoo(
    x=Scale("frequency", ("1GHz", "2GHz"), True),
    y=Scale("voltage", ("0.8V", "0.9V", "1V"), True),
    panels=(Panel(instance="margin.cpu", axes={"load": "fft"}, points=((BAD, None), (HALF, BROKEN), (GOOD, GOOD))),),
)
HOSTILE = '<script>alert(1)</script>\x1b[31m\u202e\0\ud800]]>&"'


@pytest.fixture
def drawn(summed: Any) -> Any:
    def call(shmoo: Shmoo | None, file: str | None = None, **settings: Any) -> bytes:
        pieces: list[str | bytes] = []
        results = Results(
            summary=summed(),
            at="2026-11-20T10:00:09Z",
            folder="/runs",
            target=Target(file=file),
            runs=lambda: iter(()),
            overview=lambda _: pytest.fail("not asked for"),
            shmoo=lambda _: shmoo,
            excerpt=lambda _: "",
        )
        ShmooReporter().render(results, settings, pieces.append)
        return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)

    return call


def test_letters_tell_what_colours_would(drawn: Any) -> None:
    assert drawn(SMALL).decode().splitlines()[2:8] == [
        "margin.cpu · load=fft",
        "  1V | *    *",
        "0.9V | 5    ?",
        "0.8V | .",
        "     +-----------",
        "       1GHz 2GHz",
    ]


def test_colour_changes_no_letter() -> None:
    plain, coloured = ("\n".join(text_of(SMALL, "c", 80, colour)) for colour in (False, True))
    assert "\x1b[32m*\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_a_narrow_terminal_gets_the_columns_in_parts() -> None:
    wide = Shmoo(
        x=Scale("x", tuple(map(str, range(100))), True),
        y=Scale("y", ("1",), True),
        panels=(Panel(instance="i", points=((GOOD,) * 100,)),),
    )
    lines = list(text_of(wide, "c", 40, False))
    assert max(map(len, lines[:-2])) <= 40
    assert "".join(lines[:-2]).count("*") == 100


def test_no_axes_are_told(drawn: Any) -> None:
    with pytest.raises(UnableError, match="two axes"):
        drawn(None)


@pytest.mark.parametrize(("file", "settings"), [("a.svg", {}), (None, {"form": "svg"})])
def test_svg_is_well_formed_and_every_point_is_there(drawn: Any, file: str | None, settings: Any) -> None:
    tree = ET.fromstring(drawn(SMALL, file, **settings))
    points = [each.get("class") for each in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert points[:6] == ["s-pass", "s-pass", "m5", "s-error", "s-fail", "s-none"]


def test_png_is_what_its_format_says(drawn: Any) -> None:
    data = drawn(SMALL, "a.png")
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + body),)
        chunks[kind], at = body, at + 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    rows = zlib.decompress(chunks[b"IDAT"])
    assert (depth, colour, len(rows)) == (8, 3, height * (width + 1))
    assert {4, 5, 6} <= set(rows)
    assert max(rows) * 3 < len(chunks[b"PLTE"])


@pytest.mark.parametrize("file", [None, "a.svg", "a.png"])
def test_hostile_texts_stay_texts(drawn: Any, file: str | None) -> None:
    long = HOSTILE + "x" * 1_000_000
    shmoo = Shmoo(
        x=Scale(long, (long, "b"), False),
        y=Scale(HOSTILE, (HOSTILE,), False),
        panels=(Panel(instance=long, axes={HOSTILE: long}, points=((GOOD, None),)),),
        summed=(long,),
        left_out=3,
    )
    data = drawn(shmoo, file)
    assert len(data) < 200_000
    if file == "a.png":
        return
    text = data.decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    if file == "a.svg":
        tree = ET.fromstring(text)
        assert not list(tree.iter("{http://www.w3.org/2000/svg}script"))
