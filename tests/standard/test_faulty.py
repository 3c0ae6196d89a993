"""A faulty disk: what a tool on it meets, what reached the disk, and nothing left behind, by whatever end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import wait_for

from campaign.plugins.api import Fault, Process, UnableError, running
from campaign.proc import boot_id
from campaign_standard._faultrules import Rule
from campaign_standard._faulty import Error, Faulty, Slow, Torn
from campaign_standard._memo import recall
from campaign_standard._mounts import mounted_at, mounts

from .faults import clear, inject
from .holds import injection, values

ROOT = Path(__file__).resolve().parents[2]
fuse = pytest.mark.skipif(Faulty().available() is not None, reason=str(Faulty().available()))


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "work").mkdir()
    yield tmp_path / "work"
    left = [each.path for each in mounts() if each.path.startswith(str(tmp_path))]
    for path in reversed(left):
        subprocess.run(["umount", "-l", path], check=False)
    assert left == []
    assert not [name for name in os.listdir(tmp_path / "work") if name.startswith(".campaign-")]


class Disk:
    """A faulty disk that is held, at ``work/data``."""

    def __init__(self, work: Path) -> None:
        self.work = work
        asked = injection(Faulty(), work, path="data")
        self.undo = dict(Faulty().arm(asked))
        Faulty().inject(asked, self.undo)
        self.server = Process(*recall(self.undo))

    def write(self, name: str, content: bytes) -> str:
        """What a tool in a process of its own hears, and it ends."""
        return said(
            "fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644); done = os.write(fd, content)", self, name, content
        )

    def sync(self, name: str) -> str:
        return said("fd = os.open(path, os.O_RDWR); done = os.fsync(fd)", self, name)


def said(script: str, disk: Disk, name: str, content: bytes = b"") -> str:
    lines = "import os, sys\npath, content = sys.argv[1], bytes.fromhex(sys.argv[2])\n"
    lines += f"try:\n    {script}\n    print('ok', done)\nexcept OSError as error: print(error.strerror)"
    argv = [sys.executable, "-c", lines, str(disk.work / "data" / name), content.hex()]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def disk(work: Path) -> Iterator[Disk]:
    made = Disk(work)
    yield made
    clear(Faulty(), made.undo)
    assert not running(made.server, boot_id())


def on(disk: Disk, fault: Fault, **given: Any) -> Mapping[str, Any]:
    return inject(fault, disk.work, path="data", **given)[1]


@fuse
def test_without_a_fault_it_is_a_disk(disk: Disk) -> None:
    data = disk.work / "data"
    (data / "a").mkdir()
    (data / "a/file").write_bytes(b"x" * 300_000)
    with (data / "a/file").open("ab") as file:
        file.write(b"end")
    os.rename(data / "a/file", data / "a/other")
    (data / "a/link").symlink_to("other")
    assert (data / "a/link").read_bytes() == b"x" * 300_000 + b"end"
    os.truncate(data / "a/other", 10)
    os.chmod(data / "a/other", 0o600)
    os.utime(data / "a/other", ns=(1, 2_000_000_003))
    status = (data / "a/other").stat()
    assert (status.st_size, status.st_mode & 0o777, status.st_mtime_ns) == (10, 0o600, 2_000_000_003)
    assert shutil.disk_usage(data).total == shutil.disk_usage(disk.work).total
    database = [sys.executable, "-c", SQLITE, str(data / "db")]
    assert subprocess.run(database, capture_output=True, text=True, check=True).stdout == "ok 100\n"
    (data / "a/link").unlink()
    clear(Faulty(), disk.undo)
    assert (data / "a/other").read_bytes() == b"x" * 10, "what it held is there when it is gone"
    assert sorted(os.listdir(data)) == ["a", "db"]


SQLITE = """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
base.execute("create table t (x)")
for n in range(100): base.execute("insert into t values (?)", (n,))
base.commit()
print(base.execute("pragma integrity_check").fetchone()[0], base.execute("select count(*) from t").fetchone()[0])
"""


@fuse
def test_operations_fail_from_one_instant_to_another(disk: Disk) -> None:
    assert disk.write("a.log", b"before") == "ok 6"
    first = on(disk, Error(), files="*.log", operations=["write", "fsync"], error="ENOSPC", random=1)
    second = on(disk, Error(), files="b*", operations=["open"], error="EMFILE", random=2)
    assert disk.write("a.log", b"after") == "No space left on device"
    assert disk.sync("a.log") == "No space left on device"
    assert disk.write("a.txt", b"x") == "ok 1"
    assert disk.write("b.txt", b"x") == "Too many open files"
    clear(Error(), first)
    assert disk.write("a.log", b"after") == "ok 5"
    assert disk.write("b.txt", b"x") == "Too many open files", "each is taken back by itself"
    clear(Error(), second)
    assert disk.write("b.txt", b"x") == "ok 1"


@fuse
def test_operations_take_long_until_it_is_over(disk: Disk) -> None:
    undo = on(disk, Slow(), delay="300ms", operations=["fsync"])
    disk.write("a", b"x")
    began = time.monotonic()
    assert disk.sync("a") == "ok None"
    assert time.monotonic() - began >= 0.3
    clear(Slow(), undo)
    undo = on(disk, Slow(), delay="10m", operations=["fsync"])
    script = "import os, sys; fd = os.open(sys.argv[1], os.O_RDWR); print('up', flush=True); os.fsync(fd)"
    waits = subprocess.Popen([sys.executable, "-c", script, str(disk.work / "data/a")], stdout=subprocess.PIPE)
    assert waits.stdout is not None
    assert waits.stdout.readline() == b"up\n"
    assert disk.write("b", b"x") == "ok 1", "others do not wait"
    clear(Slow(), undo)
    assert waits.wait(60) == 0
    waits.stdout.close()


@fuse
def test_a_torn_write_is_told_by_nobody(disk: Disk) -> None:
    undo = on(disk, Torn(), files="wal")
    content = bytes(range(256)) * 40
    assert disk.write("wal", content) == f"ok {len(content)}"
    clear(Torn(), undo)
    clear(Faulty(), disk.undo)
    left = (disk.work / "data/wal").read_bytes()
    assert left == content[: len(left)]
    assert len(left) < len(content)
    assert len(left) % 512 == 0


def fails(path: Path) -> bool:
    """Whether a write of this very process does."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        return os.write(fd, b"x") != 1
    except OSError:
        return True
    finally:
        os.close(fd)


@fuse
def test_equal_draws_make_equal_faults(disk: Disk) -> None:
    def outcomes(random: int) -> list[bool]:
        undo = on(disk, Error(), probability="50%", random=random)
        found = [fails(disk.work / "data/a") for _ in range(6)]
        clear(Error(), undo)
        return found

    first = [outcomes(random) for random in range(6)]
    clear(Faulty(), disk.undo)
    again = Disk(disk.work)
    disk.undo, disk.server = again.undo, again.server
    assert [outcomes(random) for random in range(6)] == first
    assert len({tuple(each) for each in first}) > 3


@fuse
def test_a_server_that_is_killed_leaves_nothing(disk: Disk) -> None:
    assert disk.write("a", b"x") == "ok 1"
    assert Faulty().lapsed(disk.undo) is None
    os.kill(disk.server.pid, signal.SIGKILL)
    wait_for(lambda: not running(disk.server, boot_id()))
    assert Faulty().lapsed(disk.undo) == "its helper was killed by SIGKILL"
    with pytest.raises(OSError, match=r"not connected|connection abort"):
        os.listdir(disk.work / "data")
    clear(Faulty(), disk.undo)
    assert (disk.work / "data/a").read_bytes() == b"x"


@fuse
def test_it_goes_while_a_tool_is_on_it(disk: Disk) -> None:
    waits = subprocess.Popen(["/bin/sleep", "100"], cwd=disk.work / "data")
    try:
        clear(Faulty(), disk.undo)
        assert mounted_at(disk.undo["source"]) is None
    finally:
        waits.kill()
        waits.wait()


@fuse
def test_its_server_dies_with_the_host(work: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.standard.test_faulty import Disk;"
        "disk = Disk(Path(sys.argv[1])); print(disk.undo['source'], disk.undo['memo'], flush=True); time.sleep(100)"
    )
    argv = [sys.executable, "-c", script, str(work)]
    host = subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True
    )
    assert host.stdout is not None
    source, memo = host.stdout.readline().split()
    host.kill()
    host.communicate()
    undo = {"workdir": str(work), "path": "data", "source": source, "memo": memo}
    server = Process(*recall(undo))
    wait_for(lambda: not running(server, boot_id()))
    clear(Faulty(), undo)


def test_a_fault_without_its_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for fault, rest in ((Error(), {}), (Slow(), {"delay": "1s"}), (Torn(), {})):
        with pytest.raises(UnableError, match=r"hold disk\.faulty"):
            inject(fault, tmp_path, path="data", **rest)
        assert fault.missing(values(fault, path="../x", **rest)) is not None


@given(
    random=st.integers(0, 2**64 - 1),
    offset=st.integers(0, 10_000),
    size=st.integers(1, 10_000),
    count=st.integers(0, 9),
)
def test_a_write_is_torn_at_a_sector_or_not_begun(random: int, offset: int, size: int, count: int) -> None:
    rule = Rule(files="*", operations=("write",), probability=1.0, random=random, torn=True)
    kept = rule.kept("a", count, offset, size)
    assert 0 <= kept < size
    assert kept == 0 or (offset + kept) % 512 == 0
    assert kept == rule.kept("a", count, offset, size)


def test_about_so_many_strike_as_are_asked_for() -> None:
    for probability in (0.0, 0.1, 0.5, 1.0):
        rule = Rule(files="*.log", operations=("write",), probability=probability, random=5)
        struck = sum(rule.strikes("write", "a.log", count) for count in range(2000))
        assert abs(struck - probability * 2000) < 100
        assert not rule.strikes("read", "a.log", 0)
        assert not rule.strikes("write", "a.txt", 0)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign_standard._faulty.find_spec", lambda _: None)
    assert Faulty().available() == "mfusepy was not found: pip install 'campaign-engine[fuse]'"
    assert Torn().available() == Faulty().available()
