"""Tables for people: as wide as the terminal where there is one, whole where a program reads along."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.cli.tables import fitted, table

HEADERS = ["what", "state", "found"]
ROWS = [
    ["plugin cpu", "note", "it is not there: the kernel has no driver for this machine, virtual machines have none"],
    ["python", "ok", "3.11.7"],
]


def test_what_fits_or_goes_nowhere_narrow_is_the_plain_table() -> None:
    plain = table(HEADERS, ROWS)
    assert fitted(HEADERS, ROWS) == fitted(HEADERS, ROWS, width=200) == plain


def test_the_widest_column_is_wrapped() -> None:
    text = fitted(HEADERS, ROWS, width=60)
    assert text.splitlines()[2:5] == [
        "plugin cpu  note     it is not there: the kernel has no",
        "                     driver for this machine, virtual",
        "                     machines have none",
    ]


def test_what_cannot_be_made_that_narrow_stands_one_cell_a_line() -> None:
    assert fitted(HEADERS, ROWS, width=20).splitlines()[-3:] == ["what   python", "state  ok", "found  3.11.7"]


@given(
    st.lists(st.tuples(*[st.text("ab c-/", max_size=60)] * 3), min_size=1, max_size=6),
    st.integers(min_value=76, max_value=200),
)
def test_no_line_is_longer_than_asked_and_no_word_is_lost(rows: Any, width: int) -> None:
    text = fitted(HEADERS, rows, numbers=("state",), width=width)
    assert max(map(len, text.splitlines())) <= width
    letters = lambda texts: sorted("".join(texts).replace(" ", "").replace("-", "").replace("\n", ""))  # noqa: E731
    assert letters([text]) == letters([*HEADERS, *(cell for row in rows for cell in row)])


@pytest.mark.parametrize("columns", [200, 100])
def test_failures_keep_to_the_terminal(recorded: Any, tmp_path: Path, clean_environ: Any, columns: int) -> None:
    recorded([("crash.off", 1, ["fail: row 7 of the very long table of many words is missing"])])
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "campaign", "failures"]
    env = {**clean_environ, "COLUMNS": str(columns)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=inner):
        os.close(inner)
        shown = b"".join(iter(lambda: read(outer), b"")).decode()
    assert "crash.off#1@1" in shown
    assert max(map(len, shown.splitlines())) <= columns
    assert ("\r\nfirst " in shown) == (columns == 100)


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""
