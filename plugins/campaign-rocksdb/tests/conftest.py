"""Real writers, killed for real, and databases to damage."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from campaign_rocksdb.consistency import inspect
from campaign_rocksdb.history import history_file
from campaign_rocksdb.toolchain import PROGRAMS, Toolchain, locate

#: Small enough that a judgement takes a fraction of a second.
SMALL = ("--keys=300", "--value-bytes=200", "--memtable-bytes=65536")


def start(database: Path, *flags: str) -> subprocess.Popen:
    argv = [sys.executable, "-P", "-m", "campaign_rocksdb.stress", f"--database={database}", *SMALL, *flags]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def write(database: Path, *flags: str) -> str:
    """Run a writer to its end; returns what it printed."""
    with start(database, *flags) as writer:
        output, errors = writer.communicate(timeout=120)
    assert writer.returncode == 0, errors
    return output


def kill(database: Path, acknowledged: int, *flags: str) -> None:
    """Kill a writer once so many operations were acknowledged."""
    with start(database, "--duration-s=120", *flags) as writer:
        for _ in range(6000):
            if _acknowledged(database) >= acknowledged:
                break
            assert writer.poll() is None, writer.communicate()
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    assert _acknowledged(database) >= acknowledged


def _acknowledged(database: Path) -> int:
    path = history_file(database)
    return path.read_bytes().count(b"\nack ") if path.exists() else 0


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    """RocksDB's own tools, where this machine has them."""
    paths = {program: locate(program, None, os.environ) for program in PROGRAMS}
    if not all(paths.values()):
        pytest.skip("no ldb and sst_dump here: apt-get install rocksdb-tools")
    return Toolchain(paths, dict(os.environ))


#: Three tables of 100 keys, two of them with deletes; then, where it is killed, 300 operations in the log alone.
_BUILD = """
import os, signal, sys
from argparse import Namespace
from pathlib import Path
from campaign_rocksdb.database import open_database
from campaign_rocksdb.history import Recorder, key_bytes, value_bytes

path, ending = Path(sys.argv[1]), sys.argv[2]
database = open_database(Namespace(database=path, memtable_bytes=1 << 20, compression="none", wal="true", sync="false"))
recorder, number = Recorder(path), 0
recorder.open(1, True, {})
for part in range(4 if ending == "killed" else 3):
    for key in range(part * 50, part * 50 + (300 if part == 3 else 100)):
        number += 1
        if key % 7 == 3 and part:
            recorder.delete(key, number)
            database.delete(key_bytes(key))
        else:
            recorder.put(key, number, 150)
            database.put(key_bytes(key), value_bytes(key, number, 150))
        recorder.acknowledge(key, number)
    if part < 3:
        recorder.begin("flush", part)
        database.flush()
        recorder.end("flush", part)
if ending == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
recorder.begin("close", 1)
database.close()
recorder.end("close", 1)
"""


def _built(folder: Path, ending: str) -> Path:
    database = folder / "db"
    argv = [sys.executable, "-P", "-c", _BUILD, str(database), ending]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == (-signal.SIGKILL if ending == "killed" else 0), ended.stderr
    return database


@pytest.fixture(scope="session")
def closed(tmp_path_factory) -> Path:
    """A database that its writer closed: everything is in three tables."""
    return _built(tmp_path_factory.mktemp("closed"), "closed")


@pytest.fixture(scope="session")
def killed(tmp_path_factory) -> Path:
    """A database whose writer was killed: three tables, and the newest operations in the log only."""
    return _built(tmp_path_factory.mktemp("killed"), "killed")


@pytest.fixture
def copy_of(tmp_path):
    """A database that may be damaged, with its expected values."""

    def copy(database: Path, name: str = "copy") -> Path:
        shutil.copytree(database.parent, tmp_path / name)
        return tmp_path / name / database.name

    return copy


@pytest.fixture
def judged(tools):
    def judge(database: Path, everything: bool = False):
        return inspect(database, tools, everything)

    return judge


@pytest.fixture
def writing():
    """Starts, runs and kills writers."""

    class Writing:
        pass

    Writing.start, Writing.write, Writing.kill = staticmethod(start), staticmethod(write), staticmethod(kill)
    return Writing
