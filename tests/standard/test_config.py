"""Configuration that changes under a running process, and is as it was when the fault is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.plugins.api import UnableError
from campaign_standard.config import Edit

from .faults import clear, inject
from .holds import values

REDIS = "# redis\nmaxmemory 100mb\nmaxmemory-policy noeviction\nsave 60 1\nsave 300 100\r\n"
#: Prints what its configuration says, and again at each SIGHUP.
SERVER = """
import signal, sys
def load(*_): sys.stdout.write(open("app.conf", newline="").read() + "\\0"); sys.stdout.flush()
signal.signal(signal.SIGHUP, load)
load()
while True: signal.pause()
"""


def edited(work: Path, name: str = "app.conf", content: str = REDIS, **given: str) -> str:
    """What the file is while the fault is in force."""
    path = work / name
    path.write_bytes(content.encode())
    _, undo = inject(Edit(), work, path=name, **given)
    changed = path.read_bytes().decode()
    clear(Edit(), undo)
    assert path.read_bytes().decode() == content
    assert os.listdir(work) == [name]
    return changed


def test_a_running_process_reads_the_change_and_its_end(tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text(REDIS, newline="")
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=tmp_path, stdout=subprocess.PIPE)
    assert server.stdout is not None

    def said() -> str:
        assert server.stdout is not None
        return b"".join(iter(lambda: server.stdout.read(1), b"\0")).decode()  # type: ignore[union-attr]

    try:
        assert said() == REDIS
        done, undo = inject(Edit(), tmp_path, server.pid, path="app.conf", set="maxmemory", value="1mb")
        server.send_signal(signal.SIGHUP)
        assert said() == REDIS.replace("100mb", "1mb")
        assert done.notes == "app.conf: maxmemory: maxmemory 1mb"
        clear(Edit(), undo)
        server.send_signal(signal.SIGHUP)
        assert said() == REDIS
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_what_can_be_done_to_lines(tmp_path: Path) -> None:
    assert edited(tmp_path, remove="maxmemory") == REDIS.replace("maxmemory 100mb\n", "")
    assert edited(tmp_path, drop="save *") == "# redis\nmaxmemory 100mb\nmaxmemory-policy noeviction\n"
    assert edited(tmp_path, set="save", value='""') == REDIS.replace("60 1", '""').replace("300 100", '""')
    assert edited(tmp_path, content="[a]\n  timeout = 3\n", set="timeout", value="0") == "[a]\n  timeout = 0\n"
    assert edited(tmp_path, content="port: 1\nports: 2\n", set="port", value="x") == "port: x\nports: 2\n"
    assert edited(tmp_path, text="") == ""


def test_what_can_be_done_to_json(tmp_path: Path) -> None:
    content = '{"server": {"port": 1, "tags": ["a", "b"]}, "a/b": true}'
    given = {"name": "app.json", "content": content}
    assert '"port": "x"' in edited(tmp_path, **given, set="/server/port", value='"x"')
    assert "true" not in edited(tmp_path, **given, remove="/a~1b")
    assert '"b"' not in edited(tmp_path, **given, remove="/server/tags/1")


@pytest.mark.parametrize(
    ("name", "content", "given"),
    [
        ("app.conf", REDIS, {"remove": "port"}),
        ("app.conf", REDIS, {"drop": "port*"}),
        ("app.conf", REDIS, {"set": "maxmemory", "value": "100mb"}),
        ("app.json", '{"a": 1}', {"remove": "/b"}),
        ("app.json", '{"a": 1}', {"set": "/a/b", "value": "1"}),
        ("app.json", "{", {"remove": "/a"}),
        ("app.json", "[1]", {"remove": "/x"}),
    ],
)
def test_what_changes_nothing_is_no_fault(tmp_path: Path, name: str, content: str, given: dict[str, str]) -> None:
    (tmp_path / name).write_bytes(content.encode())
    with pytest.raises(UnableError):
        inject(Edit(), tmp_path, path=name, **given)
    assert (tmp_path / name).read_bytes().decode() == content


def test_mode_stays_and_what_somebody_else_writes_too(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    path.write_text("a 1\n")
    path.chmod(0o640)
    _, undo = inject(Edit(), tmp_path, path="app.conf", set="a", value="2")
    assert path.stat().st_mode & 0o777 == 0o640
    path.write_text("a 3\n")
    clear(Edit(), undo)
    assert path.read_text() == "a 3\n"


@pytest.mark.parametrize(
    "given",
    [
        {"path": "../x", "drop": "*"},
        {"path": "x"},
        {"path": "x", "drop": "a", "remove": "b"},
        {"path": "x.json", "remove": "a"},
        {"path": "x.json", "set": "/a", "value": "b"},
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(given: dict[str, str]) -> None:
    assert Edit().missing(values(Edit(), **given)) is not None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("a 1\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/app.conf").symlink_to(tmp_path / "outside")
    with pytest.raises(UnableError):
        inject(Edit(), tmp_path / "work", path="app.conf", set="a", value="2")
    assert (tmp_path / "outside").read_text() == "a 1\n"
