"""Progress: plain lines where nobody watches, a bar on a terminal, and never what a terminal would act on."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.cli.progress import LiveProgress, PlainProgress, failure_line, watcher
from campaign.records import FailureView, RunView


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def view(verdict: str = "pass", message: str = "exit 1", key: str = "i#0") -> RunView:
    failure = None if verdict == "pass" else FailureView(kind="exit", message=message)
    blank = {"instance": "i", "cell": "i", "axes": {}, "settings": {}, "seed": 0, "tier": None, "attempt": 1}
    return RunView(id="x", key=key, campaign="c", state="done", verdict=verdict, reason=None, failure=failure, **blank)


def test_failures_come_at_once_and_counts_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    plain = PlainProgress(stream, clock)
    plain.begin(100, 0)
    for _ in range(10):
        plain.finished(view(), final=True)
        plain.flush()
    assert stream.getvalue() == ""
    plain.finished(view("fail"), final=True)
    assert stream.getvalue() == "fail i#0 (attempt 1): exit 1\n"
    clock.time = 6.0
    plain.flush()
    plain.flush()
    assert stream.getvalue().splitlines()[1:] == ["11/100 done, 1 fail"]


def test_a_flood_of_failures_is_cut_off() -> None:
    stream = io.StringIO()
    plain = PlainProgress(stream, Clock())
    for _ in range(1000):
        plain.finished(view("fail"), final=True)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 201
    assert "not printed" in lines[-1]


def test_an_attempt_that_is_tried_again_is_not_counted_as_done() -> None:
    plain = PlainProgress(io.StringIO(), Clock())
    plain.begin(None, 2)
    plain.finished(view("fail"), final=False)
    assert plain.line() == "2 done"


def test_nothing_that_a_tool_prints_moves_the_cursor() -> None:
    line = failure_line(view("fail", message="\x1b[2Jgone\nsecond", key='i["\x07"]#0'), final=True)
    assert line.isprintable()
    stream = io.StringIO()
    PlainProgress(stream, Clock()).note("\x1b[1mbold")
    assert "\x1b" not in stream.getvalue()


def test_a_stream_that_breaks_is_given_up() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    plain = PlainProgress(Broken(), Clock())
    plain.note("one")
    plain.note("two")
    PlainProgress(None, Clock()).note("nobody")


def test_live_only_on_a_terminal_that_wants_it() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(watcher(Terminal(), {}, live=True), LiveProgress)
    for environ, live in (({"CI": "1"}, True), ({"TERM": "dumb"}, True), ({}, False)):
        assert not isinstance(watcher(Terminal(), environ, live=live), LiveProgress)
    assert not isinstance(watcher(io.StringIO(), {}, live=True), LiveProgress)


def shown_on_a_terminal(folder: Path, environ: dict[str, str], *options: str) -> bytes:
    """What ``exec`` of six runs, three of which fail, writes to a terminal as its standard error."""
    (folder / "a.camp").write_text(
        'campaign "live" { parallel 2 }\ntool t { command "/bin/sh" "-c" "sleep 0.2; exit {code}"\n'
        " param code: int = 0 in 0..9 }\ninstance i { sweep code = [0, 3]; seeds 1..3; run t }\n"
    )
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign", "exec", "a.camp", *options],
        cwd=folder,
        env={**environ, "HOME": str(folder), "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=secondary,
    )
    os.close(secondary)
    shown = b""
    while True:
        try:
            chunk = os.read(primary, 65536)
        except OSError:
            break
        shown += chunk
    os.close(primary)
    assert process.wait(timeout=30) == 1
    return shown


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_on_a_terminal_there_is_a_bar_and_the_failures_above_it(
    tmp_path: Path, clean_environ: dict[str, str], env: dict[str, str], coloured: bool
) -> None:
    shown = shown_on_a_terminal(tmp_path, {**clean_environ, "TERM": "xterm-256color", **env})
    assert b"/6" in shown
    assert re.search(rb"\d\.\d/s", shown), "the rate"
    assert re.search(rb"\d\d:\d\d", shown), "the time that is left"
    assert b"exit 3 of step t" in shown
    assert (b"\x1b[31m" in shown) == coloured


@pytest.mark.parametrize(("env", "options"), [({"CI": "1"}, ()), ({"TERM": "dumb"}, ()), ({}, ("--no-progress",))])
def test_plain_lines_where_a_terminal_is_asked_for_them(
    tmp_path: Path, clean_environ: dict[str, str], env: dict[str, str], options: tuple[str, ...]
) -> None:
    shown = shown_on_a_terminal(tmp_path, {**clean_environ, "TERM": "xterm-256color", **env}, *options)
    assert b"\x1b" not in shown
    assert shown.count(b"exit 3 of step t") == 3


class Lost(io.StringIO):
    """A terminal whose other end went away."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_terminal_that_is_lost_takes_nothing_and_stops_nothing() -> None:
    live = watcher(Lost(), {}, live=True)
    assert isinstance(live, LiveProgress)
    live.begin(9, 0)
    live.note("winding down")
    live.finished(view("fail"), final=True)
    live.flush()
    live.end()
