"""Excerpts: what each format says of a cause, whatever differs from run to run, and however hostile the text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.judge.fingerprint.excerpts import FORMS, WINDOW_BYTES, excerpt_of, window
from campaign.records import Excerpt

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
CUT = "----- 8< -----\n"


def case(path: Path) -> tuple[Excerpt | None, list[str]]:
    """What a case expects, and the texts of which each must give it."""
    head, _, rest = path.read_text().partition("\n\n")
    said: dict[str, list[str]] = {}
    for line in head.splitlines():
        key, _, value = line.partition(": ")
        said.setdefault(key, []).append(value)
    wanted = Excerpt(
        form=said["form"][0],
        headline=said.get("headline", [""])[0],
        frames=tuple(said.get("frame", ())),
        dropped=tuple(said.get("dropped", ())),
    )
    return (wanted if wanted.form else None), rest.split(CUT)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case(path: Path) -> None:
    wanted, (first, *others) = case(path)
    assert excerpt_of(first.encode()) == wanted
    for other in others:
        found = excerpt_of(other.encode())
        assert found is not None
        assert wanted is not None
        assert (found.form, found.headline, found.frames) == (wanted.form, wanted.headline, wanted.frames)


def test_every_format_has_a_case() -> None:
    seen = {wanted.form for wanted, _ in map(case, CASES) if wanted is not None}
    assert seen >= {form.name for form in FORMS}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_where_a_report_stands_does_not_matter(path: Path) -> None:
    wanted, (text, *_) = case(path)
    if wanted is None or wanted.form == "lines":
        return
    filler = b"ok: 1 row\n" * 10_000
    assert excerpt_of(filler + text.encode() + b"\n" + filler) == wanted


def test_carriage_returns_and_colours_do_not_matter() -> None:
    wanted, (text, *_) = case(Path(__file__).parent / "cases" / "python.txt")
    coloured = text.replace("\n", "\r\n").replace("Traceback", "\x1b[1;31mTraceback\x1b[0m", 1)
    assert excerpt_of(coloured.encode()) == wanted


@settings(max_examples=50)
@given(st.binary(max_size=3000))
def test_any_bytes_are_read(data: bytes) -> None:
    excerpt_of(data)


@settings(max_examples=50)
@given(st.data())
def test_a_report_that_is_cut_or_torn_is_read(data: st.DataObject) -> None:
    _, (text, *_) = case(data.draw(st.sampled_from(CASES)))
    at = data.draw(st.integers(0, len(text)))
    noise = data.draw(st.text(max_size=20))
    excerpt_of((text[:at] + noise + text[data.draw(st.integers(0, len(text))) :]).encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "data",
    [
        b"(" * 4_000_000,
        b"<" * 4_000_000,
        b"panic: " * 300_000,
        b"Traceback (most recent call last):\n" * 60_000,
        b"TypeError\n" * 200_000,
        b"WARNING: CPU: \n" * 100_000,
        b"    #0 0x1 in " + b"a<" * 1_000_000,
        b"==1==ERROR: AddressSanitizer: x\n    #0 0x1 in " + b"a<(" * 20_000,
        b"/" * 2_000_000 + b" error",
        bytes(range(256)) * 10_000,
    ],
    ids=lambda data: data[:12].decode("latin1").strip(),
)
def test_hostile_text_is_read_to_its_end(data: bytes) -> None:
    excerpt = excerpt_of(data)
    assert excerpt is None or sum(map(len, (excerpt.headline, *excerpt.frames, *excerpt.dropped))) < 10_000


def test_a_window_holds_the_first_report_or_both_ends() -> None:
    report = b"Traceback (most recent call last):\n"
    assert report in window(b"x\n" * 500_000 + report + b"y\n" * 500_000)
    plain = window(b"first\n" + b"x\n" * 500_000 + b"last\n")
    assert plain.startswith(b"first")
    assert plain.endswith(b"last\n")
    assert len(plain) <= WINDOW_BYTES + 1
