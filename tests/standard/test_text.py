"""Oracles over text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from campaign.language.expressions import pattern_id
from campaign.plugins.api import Evidence, UnableError, pattern_order
from campaign.plugins.parameters import defaults
from campaign.records import OutputRecord, ProcessExit, StepExit
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


def test_an_output_that_was_taken_away_is_not_empty(tmp_path: Path) -> None:
    seen = evidence(tmp_path, "panic")
    seen = replace(seen, exit=replace(seen.exit, output=OutputRecord("output.log", 5)))
    assert not judge(Contains(), seen, text="panic", absent=True).ok
    Path(str(seen.output)).write_text("")
    with pytest.raises(UnableError, match="not what was kept"):
        judge(Contains(), seen, text="panic", absent=True)
    Path(str(seen.output)).unlink()
    with pytest.raises(UnableError, match="not what was kept"):
        judge(Contains(), seen, text="panic", absent=True)


def flooded(folder: Path, head: str, tail: str, dropped: int = 3_000) -> Evidence:
    """An attempt of whose output only ``head`` and ``tail`` were kept."""
    seen = evidence(folder, f"{head}\n[campaign left out {dropped} bytes here]\n{tail}")
    return replace(
        seen, exit=replace(seen.exit, output=OutputRecord("output.log", len(head) + len(tail) + dropped, dropped))
    )


def test_what_was_not_kept_is_not_absent(tmp_path: Path) -> None:
    seen = flooded(tmp_path, "first\npan", "ic\nlast panic\n")
    assert judge(Contains(), seen, text="first").ok
    assert judge(Contains(), seen, text="last").ok
    assert not judge(Contains(), seen, text="first", absent=True).ok
    for absent in (True, False):
        with pytest.raises(UnableError, match='3,000 bytes of the output were not kept, and "fatal" may be there'):
            judge(Contains(), seen, text="fatal", absent=absent)
    with pytest.raises(UnableError, match="not kept"):
        judge(Matches(), seen, pattern="^ic$")  # what is left of a line is not the line
    with pytest.raises(UnableError, match="not kept"):
        judge(Contains(), seen, text="campaign left out")


def test_a_last_word_may_be_in_what_was_not_kept(tmp_path: Path) -> None:
    ends = flooded(tmp_path / "a", "up\n", "…\ndown\nup\n")
    assert judge(Matches(), ends, pattern="up", among="up|down").ok
    begins = flooded(tmp_path / "b", "up\n", "…\nhello\n")
    for absent in (True, False):
        with pytest.raises(UnableError, match="3,000 bytes of the output were not kept, and /up/ may be there"):
            judge(Matches(), begins, pattern="up", among="up|down", absent=absent)


def test_the_log_of_a_served_tool_has_gaps_too(tmp_path: Path) -> None:
    seen = evidence(tmp_path, "")
    (tmp_path / "attempt-1/serve").mkdir()
    log = tmp_path / "attempt-1/serve/db.log"
    log.write_text("a\n\n[campaign left out 7 bytes here]\nb\nc\n")
    ended = StepExit(label="db", tool="t", argv=(), exit=ProcessExit(), output=OutputRecord("serve/db.log", 20, 7))
    seen = replace(seen, exit=replace(seen.exit, services=(ended,)))
    assert judge(Contains(), seen, file=str(log), text="c").ok
    with pytest.raises(UnableError, match=f"7 bytes of {log} were not kept"):
        judge(Contains(), seen, file=str(log), text="panic", absent=True)


def test_all_that_was_printed_is_looked_at_while_it_is_printed(tmp_path: Path) -> None:
    seen = flooded(tmp_path, "up\nfirst\n", "…\nlast\n")
    for oracle, settings in ((Contains(), {"text": "panic"}), (Matches(), {"pattern": "pan+ic"})):
        (pattern,) = oracle.looks_for(defaults(oracle) | settings)
        found, unfound = (replace(seen, searched={pattern.id: said}) for said in (True, False))
        assert judge(oracle, unfound, **settings, absent=True).ok
        assert not judge(oracle, unfound, **settings).ok
        said = judge(oracle, found, **settings, absent=True)
        assert not said.ok
        assert said.message.endswith(" is in the output, in what was not kept of it")
    (last,) = Contains().looks_for(defaults(Contains()) | {"text": "up", "among": "up|down"})
    assert judge(Contains(), replace(seen, searched={last.id: True}), text="up", among="up|down").ok
    assert not judge(Contains(), replace(seen, searched={last.id: False}), text="up", among="up|down").ok


def test_a_secret_that_was_printed_is_not_absent(tmp_path: Path) -> None:
    seen = replace(evidence(tmp_path, "it is ***"), searched={pattern_order("contains", "hunter2").id: True})
    said = judge(Contains(), seen, text="hunter2", absent=True)
    assert not said.ok
    assert said.message.endswith(" is in the output, masked, as a secret")


def test_what_is_looked_for_is_told_by_all_of_it() -> None:
    of = {
        pattern_order(kind, text, among).id
        for kind in ("contains", "matches")
        for text in ("a", "b")
        for among in ("", "a", "b")
    }
    assert len(of) == 12
    assert pattern_order("contains", "a").id == pattern_id("contains", "a")
    assert Contains().looks_for(defaults(Contains()) | {"text": "a", "file": "f"}) == ()
    assert Matches().looks_for(defaults(Matches()) | {"pattern": "("}) == ()
