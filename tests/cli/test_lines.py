from unicodedata import combining

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.cli.lines import Lines, marked, utf16_column

LINE_TEXT = st.text(st.characters(exclude_characters="\n"), max_size=400)


def test_the_mark_stands_under_the_span() -> None:
    assert marked("    thread = 4", 5, 11) == ("    thread = 4", "    ^^^^^^")


def test_a_tab_is_four_cells_wide() -> None:
    assert marked("\tx = 1", 2, 3) == ("    x = 1", "    ^")


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    assert marked('about "測試" x', 12, 13) == ('about "測試" x', " " * 13 + "^")
    assert marked("e\u0301 x", 4, 5)[1] == "  ^"


def test_hostile_characters_are_written_out_and_the_mark_still_fits() -> None:
    text, marks = marked("a\x1b[31m\u202eb", 8, 9)
    assert text == r"a\u{1b}[31m\u{202e}b"
    assert marks == " " * (len(text) - 1) + "^"


def test_a_place_behind_the_end_is_still_marked() -> None:
    assert marked("abc", 4, 4) == ("abc", "   ^")


def test_of_a_long_line_only_the_part_round_the_mark_is_kept() -> None:
    text, marks = marked("x" * 5000 + "here" + "y" * 5000, 5001, 5005)
    assert len(text) < 200
    assert text[marks.index("^") : marks.index("^") + 4] == "here"
    assert text[0] == text[-1] == "…"


@pytest.mark.parametrize("char", ["x", "測", "\x07", "\t", "\u0301"])
@pytest.mark.parametrize("place", [0, 20, 1000, 2000])
def test_a_long_line_never_takes_more_than_160_cells(char: str, place: int) -> None:
    line = char * place + "here" + char * (2000 - place)
    text, marks = marked(line, place + 1, len(line) + 1)
    assert "here" in text
    assert sum(0 if combining(one) else 2 if one == "測" else 1 for one in text) <= 160
    assert len(marks) <= 160


def test_a_line_that_fits_is_shown_whole_wherever_the_mark_stands() -> None:
    line = "x" * 158
    assert {marked(line, start, start + 1)[0] for start in range(1, 160)} == {line}


@given(LINE_TEXT, st.integers(0, 500), st.integers(0, 500))
def test_any_span_of_any_line_can_be_marked(line: str, start: int, end: int) -> None:
    text, marks = marked(line, start, end)
    assert text.isprintable() or not text.isascii()
    assert "\x1b" not in text
    assert marks.strip(" ").strip("^") == ""
    assert "^" in marks


@given(LINE_TEXT, st.integers(1, 400))
def test_utf16_columns_are_those_of_the_encoded_text(line: str, column: int) -> None:
    column = min(column, len(line) + 1)
    units = len(line[: column - 1].encode("utf-16-le", "surrogatepass")) // 2
    assert utf16_column(line, column) == units + 1


def test_lines_come_from_the_file_and_a_vanished_file_gives_none() -> None:
    reads = []

    def read(path: str) -> bytes:
        reads.append(path)
        if path == "gone":
            raise FileNotFoundError(path)
        return "\ufefffirst\r\nsecond\n".encode()

    lines = Lines({"<stdin>": b"given"}, read)
    assert [lines.line("a", number) for number in (0, 1, 2, 3, 4)] == [None, "first", "second", "", None]
    assert lines.line("gone", 1) is None
    assert lines.line("<stdin>", 1) == "given"
    assert reads == ["a", "gone"]
