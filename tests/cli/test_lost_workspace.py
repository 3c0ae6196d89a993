"""A workspace whose ledger has vanished, that is not there, or is no folder: said by every verb, never an empty queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

READERS = [
    ("status",),
    ("status", "--format", "json"),
    ("list",),
    ("wait", "crash"),
    ("show",),
    ("pause", "crash"),
    ("cancel", "crash"),
    ("retry", "crash"),
    ("resume", "--all"),
    ("failures",),
]


@pytest.mark.parametrize("knows", ["ledger.mark", "daemon.lock"])
@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_ledger_that_has_vanished(
    recorded: Any, in_process: Callable[..., Any], tmp_path: Path, words: tuple[str, ...], knows: str
) -> None:
    recorded([("crash.off", 1, ["pass"])])
    workspace = tmp_path / ".campaign"
    (workspace / "daemon.lock").write_bytes(b"1 ledger\n" if knows == "daemon.lock" else b"")
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", *{"ledger.mark"} - {knows}):
        (workspace / name).unlink(missing_ok=True)
    done = in_process(*words)
    assert done.exit_code == 3
    assert "CAMP506" in done.stderr
    assert "has vanished" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("verb", ["status", "list"])
def test_a_workspace_that_was_named_and_is_not_there(in_process: Callable[..., Any], tmp_path: Path, verb: str) -> None:
    done = in_process(verb, "--workspace", tmp_path / "nowhere" / "x")
    assert done.exit_code == 3
    assert "CAMP500" in done.stderr


def test_a_new_workspace_has_an_empty_queue(in_process: Callable[..., Any]) -> None:
    done = in_process("status")
    assert done.exit_code == 0
    assert "the queue is empty" in done.stdout


@pytest.mark.parametrize("what", ["file", "link"])
@pytest.mark.parametrize("words", [("status",), ("submit", "x.camp"), ("daemon",), ("list",)], ids=" ".join)
def test_something_else_in_place_of_the_workspace(
    in_process: Callable[..., Any], tmp_path: Path, words: tuple[str, ...], what: str
) -> None:
    place = tmp_path / ".campaign"
    place.write_text("") if what == "file" else place.symlink_to("nowhere")
    done = in_process(*words)
    assert done.exit_code == 3
    assert "is not a folder" in done.stderr
