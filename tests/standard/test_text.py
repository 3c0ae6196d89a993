"""Oracles over text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from campaign.plugins.api import UnableError
from campaign_standard.text import Contains, Matches

from .evidence import evidence, judge


def test_contains(tmp_path: Path) -> None:
    seen = evidence(tmp_path, "one\ntwo words\r\n")
    found = judge(Contains(), seen, text="two w")
    assert (found.ok, found.message) == (True, '"two w" is in line 2 of the output: two words')
    assert judge(Contains(), seen, text="three").message == '"three" is not in the output'
    assert not judge(Contains(), seen, text="three").ok
    assert judge(Contains(), seen, text="three", absent=True).ok
    assert not judge(Contains(), seen, text="one", absent=True).ok


def test_the_last_line_of_a_log_that_says_how_things_are(tmp_path: Path) -> None:
    for log, ok in (("up\nhello\n", True), ("up\ndown\nhello\n", False), ("up\ndown\nup\n", True), ("hello\n", False)):
        found = judge(Matches(), evidence(tmp_path, log), pattern="up", among="up|down")
        assert found.ok is ok, log
    assert found.message == "/up/ is not in the last line of the output that matches /up|down/"
    assert judge(Contains(), evidence(tmp_path, "down\nup\n"), text="down", among="up|down", absent=True).ok


def test_matches_line_by_line(tmp_path: Path) -> None:
    seen = evidence(tmp_path, "one\ntwo words\r\n")
    assert judge(Matches(), seen, pattern="^two words$").ok
    assert not judge(Matches(), seen, pattern="one.*two").ok
    assert judge(Matches(), seen, pattern="(?i)^ONE$").ok


def test_a_pattern_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnableError, match="is not a regular expression"):
        judge(Matches(), evidence(tmp_path, ""), pattern="(")


def test_a_run_that_printed_nothing_has_an_empty_output(tmp_path: Path) -> None:
    assert not judge(Contains(), evidence(tmp_path), text="x").ok
    assert judge(Contains(), evidence(tmp_path), text="x", absent=True).ok


def test_a_file_of_the_working_directory(tmp_path: Path) -> None:
    seen = evidence(tmp_path)
    Path(seen.work, "report.txt").write_text("fine")
    assert judge(Contains(), seen, file="report.txt", text="fine").ok
    assert judge(Contains(), seen, file=f"{seen.work}/report.txt", text="fine").ok
    missing = judge(Contains(), seen, file="other.txt", text="fine", absent=True)
    assert (missing.ok, missing.message) == (False, "other.txt does not exist")


@pytest.mark.parametrize("name", ["../outside", "link", "sub/link"])
def test_nothing_leads_out_of_the_working_directory(tmp_path: Path, name: str) -> None:
    seen = evidence(tmp_path)
    (tmp_path / "attempt-1/outside").write_text("secret")
    Path(seen.work, "sub").mkdir()
    Path(seen.work, "link").symlink_to(tmp_path / "attempt-1/outside")
    Path(seen.work, "sub/link").symlink_to("../../outside")
    with pytest.raises(UnableError, match="leads out of the working directory"):
        judge(Contains(), seen, file=name, text="secret")


def test_what_is_no_file_does_not_hang(tmp_path: Path) -> None:
    seen = evidence(tmp_path)
    os.mkfifo(f"{seen.work}/fifo")
    for name in ("fifo", "."):
        with pytest.raises(UnableError, match=f"{name} is not a regular file"):
            judge(Contains(), seen, file=name, text="x")


def test_long_lines_and_bad_bytes(tmp_path: Path) -> None:
    seen = evidence(tmp_path, "")
    Path(str(seen.output)).write_bytes(b"x" * 300_000 + b"end\n\xff\xfe value \x1b[2J\n")
    assert not judge(Contains(), seen, text="end").ok
    found = judge(Matches(), seen, pattern="^.. value")
    assert found.message.startswith("/^.. value/ is in line 2 of the output: �� value �[2J")
