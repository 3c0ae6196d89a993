"""Small disks: a tool that runs into their end, one that runs full under it, and what is left when they go."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign.plugins.api import Injected, Injection, UnableError
from campaign_standard import disk
from campaign_standard._mounts import may_mount, mounted_at, mounts
from campaign_standard.disk import Full, Limited

from .faults import clear, inject
from .holds import injection, values

ROOT = Path(__file__).resolve().parents[2]
mounting = pytest.mark.skipif(not may_mount(), reason="a small disk for all tools needs root")

#: Appends as many bytes as it is told to, and says how many bytes its file then has, or why not.
WRITER = """
import os, sys
fd = os.open("data/file", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
print("up", flush=True)
for line in sys.stdin:
    try:
        os.write(fd, bytes(int(line)))
        print(os.fstat(fd).st_size, flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


class Writer:
    """A tool as a supervisor starts it."""

    def __init__(self, work: Path, done: Injected, **rest: Any) -> None:
        argv = [*done.wrap, sys.executable, "-c", WRITER]
        self.process = subprocess.Popen(
            argv, cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **rest
        )
        self.pid = self.process.pid
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    def append(self, size: int) -> str:
        assert self.process.stdout is not None
        print(size, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "work").mkdir()
    yield tmp_path / "work"
    left = [each.path for each in mounts() if each.path.startswith(str(tmp_path))]
    for path in reversed(left):
        subprocess.run(["umount", "-l", path], check=False)
    assert left == []


def hold(work: Path, size: str = "1MiB", path: str = "data") -> tuple[Injection, dict[str, Any]]:
    asked = injection(Limited(), work, path=path, size=size)
    return asked, dict(Limited().arm(asked))


@mounting
def test_a_small_disk_is_full_when_it_is_and_what_is_on_it_stays(work: Path) -> None:
    asked, undo = hold(work)
    done = Limited().inject(asked, undo)
    assert done.notes == "data: 1048576 bytes"
    writer = Writer(work, done)
    assert writer.append(512 << 10) == str(512 << 10)
    assert writer.append(768 << 10) == str(1 << 20), "a short write"
    assert writer.append(1) == "No space left on device"
    writer.kill()
    (work / "data/link").symlink_to("file")
    os.mkfifo(work / "data/fifo")
    clear(Limited(), undo)
    assert mounted_at(undo["source"]) is None
    assert (work / "data/file").stat().st_size == 1 << 20
    assert (work / "data/file").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(work / "data")) == ["file", "link"]
    assert os.listdir(work) == ["data"]


@mounting
def test_it_runs_full_at_an_instant_and_is_free_again(work: Path) -> None:
    asked, undo = hold(work, "4MiB")
    writer = Writer(work, Limited().inject(asked, undo))
    assert writer.append(5000) == "5000"
    done, full = inject(Full(), work, writer.pid, path="data")
    assert (done.notes or "").startswith("data: the last 41")
    assert writer.append(100_000) in {"No space left on device", "8192"}, "the rest of its last block"
    assert writer.append(1) == "No space left on device"
    clear(Full(), full)
    assert int(writer.append(100_000)) > 100_000
    _, leaving = inject(Full(), work, writer.pid, path="data", leave="1MiB")
    free = os.statvfs(work / "data")
    assert free.f_bavail * free.f_frsize == 1 << 20
    writer.kill()
    clear(Full(), leaving)
    clear(Limited(), undo)
    assert os.listdir(work / "data") == ["file"]


@mounting
@pytest.mark.parametrize("killed_at", ["campaign_standard.disk.copy_out", "campaign_standard.disk.detach", "os.rename"])
def test_taken_off_after_a_crash_in_the_middle(work: Path, killed_at: str) -> None:
    asked, undo = hold(work)
    Limited().inject(asked, undo)
    (work / "data/file").write_text("here")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(killed_at, killed)
        with pytest.raises(KeyboardInterrupt):
            Limited().clear(undo)
    clear(Limited(), undo)
    assert (work / "data/file").read_text() == "here"
    assert os.listdir(work) == ["data"]


@mounting
def test_holes_cost_nothing(work: Path) -> None:
    asked, undo = hold(work)
    Limited().inject(asked, undo)
    with (work / "data/file").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
    clear(Limited(), undo)
    status = (work / "data/file").stat()
    assert status.st_size == (1 << 40) + 3
    assert status.st_blocks * 512 < 1 << 20


@mounting
def test_equal_draws_share_no_disk(work: Path) -> None:
    """The same run may be carried out in two workspaces at the same time."""
    (work.parent / "other").mkdir()
    (asked, undo), (also, other) = hold(work), hold(work.parent / "other")
    Limited().inject(asked, undo)
    Limited().inject(also, other)
    with pytest.raises(UnableError, match="a disk already"):
        hold(work)
    clear(Limited(), other)
    assert mounted_at(undo["source"]) == str(work / "data")
    clear(Limited(), undo)


@mounting
def test_a_folder_that_holds_something_is_not_hidden(work: Path) -> None:
    (work / "data").mkdir()
    (work / "data/file").write_text("here")
    asked, undo = hold(work)
    with pytest.raises(UnableError, match="not empty"):
        Limited().inject(asked, undo)
    clear(Limited(), undo)
    assert (work / "data/file").read_text() == "here"


@mounting
def test_a_link_is_not_mounted_on(work: Path) -> None:
    (work.parent / "outside").mkdir()
    (work / "data").symlink_to(work.parent / "outside")
    asked, undo = hold(work)
    with pytest.raises(UnableError):
        Limited().inject(asked, undo)
    clear(Limited(), undo)


def test_a_disk_of_the_machine_is_never_filled(work: Path) -> None:
    (work / "data").mkdir()
    sleeper = subprocess.Popen(["/bin/sleep", "100"])
    try:
        with pytest.raises(UnableError, match="no small disk"):
            inject(Full(), work, sleeper.pid, path="data")
        assert os.listdir(work / "data") == []
    finally:
        sleeper.kill()
        sleeper.wait()


def test_what_cannot_be_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("../x", "/mnt", ""):
        assert Limited().missing(values(Limited(), path=path, size="1MiB")) is not None
        assert Full().missing(values(Full(), path=path)) is not None
    monkeypatch.setattr(disk, "available_memory", lambda: 1 << 20)
    assert "memory" in (Limited().missing(values(Limited(), path="data", size="1MiB")) or "")
    monkeypatch.setattr(disk, "may_mount", lambda: False)
    monkeypatch.setattr(disk, "_namespaces", lambda: False)
    assert (Limited().available() or "").startswith("a small disk needs root, or user namespaces")


#: As an ordinary user would: the hold, a tool that it wraps, a fault from outside its namespace.
ORDINARY = """
import os, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.standard.faults import clear, inject
from tests.standard.test_disk import Full, Limited, hold
work = Path(sys.argv[2])
asked, undo = hold(work, "2MiB")
script = 'while read n; do head -c $n /dev/zero >> data/file && stat -c %s data/file || echo full; done'
argv = [*Limited().inject(asked, undo).wrap, "/bin/sh", "-c", script]
tool = subprocess.Popen(argv, cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def append(size):
    print(size, file=tool.stdin, flush=True)
    return tool.stdout.readline().strip()
print(append(5000), os.listdir(work / "data"), flush=True)
_, full = inject(Full(), work, tool.pid, path="data")
print(append(100_000), flush=True)
clear(Full(), full)
print(int(append(100_000)) >= 100_000, flush=True)
tool.kill()
tool.communicate()
clear(Limited(), undo)
end = time.monotonic() + 30
while not (work / "data/file").exists() or (work / "data/file").stat().st_size < 100_000:
    assert time.monotonic() < end
    time.sleep(0.01)
print(os.listdir(work / "data"))
"""


def test_an_ordinary_user_has_one_for_each_tool() -> None:
    """Root drops everything but the right to read this environment, wherever it lies."""
    user = "nobody"
    drop = [] if os.geteuid() else ["setpriv", f"--reuid={user}", "--clear-groups", "--inh-caps=+dac_read_search"]
    drop += [] if os.geteuid() else ["--ambient-caps=+dac_read_search"]
    if subprocess.run([*drop, "unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("an ordinary user has no namespaces here")
    folder = Path(tempfile.mkdtemp(prefix="campaign-test-disk-", dir="/tmp"))  # one that another user can enter
    try:
        if drop:
            shutil.chown(folder, user)
        argv = [*drop, sys.executable, "-c", ORDINARY, str(ROOT), str(folder)]
        env = {**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(argv, cwd="/", env=env, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["5000 []", "full", "True", "['file']"]
    finally:
        shutil.rmtree(folder)
