"""Calls that fail and calls that take long, of a real process that makes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.waiting import wait_for

from campaign.plugins.api import Process, UnableError, running
from campaign.proc import boot_id
from campaign_standard._memo import recall
from campaign_standard.io import Error, Interposed, Slow

from .faults import clear, inject
from .holds import injection, values

libfiu = pytest.mark.skipif(Error().available() is not None, reason=str(Error().available()))
strace = pytest.mark.skipif(Slow().available() is not None, reason=str(Slow().available()))

#: Makes the calls it is told to, and says what came of each and how long it took.
CALLER = """
import os, sys, time
fd = os.open("data", os.O_RDWR | os.O_CREAT)
calls = {
    "fsync": lambda: os.fsync(fd),
    "open": lambda: os.close(os.open("data", os.O_RDONLY)),
    "rename": lambda: os.rename("data", "data"),
}
print("up", flush=True)
for line in sys.stdin:
    began = time.monotonic()
    try:
        calls[line.strip()]()
        said = "ok"
    except OSError as error:
        said = error.strerror
    print(said, time.monotonic() - began, flush=True)
"""


class Caller:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.pid = process, process.pid
        assert process.stdout is not None
        self.out = process.stdout
        assert self.out.readline() == "up\n"

    def call(self, name: str) -> str:
        return self._ask(name)[0]

    def lasted_s(self, name: str) -> float:
        return float(self._ask(name)[1])

    def _ask(self, name: str) -> tuple[str, str]:
        print(name, file=self.process.stdin, flush=True)
        said, _, lasted = self.out.readline().rpartition(" ")
        return said, lasted


@contextmanager
def calling(work: Path, env: Mapping[str, str] = {}) -> Iterator[Caller]:
    process = subprocess.Popen(
        [sys.executable, "-c", CALLER],
        cwd=work,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Caller(process)
    finally:
        process.kill()
        process.communicate()


@libfiu
def test_calls_fail_from_the_start(tmp_path: Path) -> None:
    asked = injection(Error(), tmp_path, calls=["fsync", "rename"], error="ENOSPC")
    undo = Error().arm(asked)
    done = Error().inject(asked, undo)
    with calling(tmp_path, done.env) as caller:
        assert caller.call("fsync") == "No space left on device"
        assert caller.call("rename") == "No space left on device"
        assert caller.call("open") == "ok"
    clear(Error(), undo)
    assert os.listdir(tmp_path) == ["data"]


@libfiu
def test_calls_fail_from_an_instant_to_another(tmp_path: Path) -> None:
    asked = injection(Interposed(), tmp_path)
    held = Interposed().arm(asked)
    with calling(tmp_path, Interposed().inject(asked, held).env) as caller:
        assert caller.call("fsync") == "ok"
        done, undo = inject(Error(), tmp_path, caller.pid, calls=["fsync", "open"], error="EIO", tree=True)
        assert done.notes == "EIO from fsync, open"
        assert caller.call("fsync") == "Input/output error"
        assert caller.call("rename") == "ok"
        clear(Error(), undo)
        assert caller.call("fsync") == "ok"
        _, undo = inject(Error(), tmp_path, caller.pid, calls=["fsync"], probability="50%")
        assert {caller.call("fsync") for _ in range(60)} == {"ok", "Input/output error"}
    clear(Error(), undo)
    clear(Interposed(), held)
    assert os.listdir(tmp_path) == ["data"], "a killed process left its pipes"


@libfiu
def test_a_process_without_libfiu_is_said(tmp_path: Path) -> None:
    with calling(tmp_path) as caller, pytest.raises(UnableError, match=r"hold io\.interposed"):
        inject(Error(), tmp_path, caller.pid, calls=["fsync"])
    gone = replace(injection(Error(), tmp_path, calls=["fsync"]), target=Process(caller.pid, 1, boot_id()))
    with pytest.raises(UnableError, match="already ended"):
        Error().inject(gone, {})


@strace
def test_calls_take_long(tmp_path: Path) -> None:
    with calling(tmp_path) as caller:
        done, undo = inject(Slow(), tmp_path, caller.pid, calls=["fsync"], delay="300ms")
        assert done.notes == "fsync 0.3 s later"
        assert caller.lasted_s("fsync") >= 0.3
        tracer = Process(*recall(undo)[0])
        assert Slow().lapsed(undo) is None
        clear(Slow(), undo)
        assert not running(tracer, boot_id())
        assert caller.call("fsync") == "ok", "it goes on"
        assert "TracerPid:\t0" in Path(f"/proc/{caller.pid}/status").read_text()


@strace
def test_who_ends_strace_is_told_and_strace_ends_with_its_target(tmp_path: Path) -> None:
    with calling(tmp_path) as caller:
        _, undo = inject(Slow(), tmp_path, caller.pid, delay="1ms")
        os.kill(recall(undo)[0][0], signal.SIGKILL)
        wait_for(lambda: Slow().lapsed(undo) == "its helper was killed by SIGKILL")
        clear(Slow(), undo)
        _, undo = inject(Slow(), tmp_path, caller.pid, delay="1ms")
        tracer = Process(*recall(undo)[0])
        caller.process.kill()
        wait_for(lambda: not running(tracer, boot_id()))
        assert Slow().lapsed(undo) is None
        clear(Slow(), undo)


@strace
def test_whoever_slows_dies_with_the_host(tmp_path: Path) -> None:
    """As after a ``kill -9`` of the provider host: the kernel ends strace, and that lets the process go."""
    script = (
        "import sys, time; from pathlib import Path; from tests.standard.faults import inject;"
        "from campaign_standard.io import Slow;"
        "print(inject(Slow(), Path(sys.argv[1]), int(sys.argv[2]), delay='10s')[1], flush=True); time.sleep(100)"
    )
    root = Path(__file__).resolve().parents[2]
    with calling(tmp_path) as caller:
        argv = [sys.executable, "-c", script, str(tmp_path), str(caller.pid)]
        host = subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})
        assert host.stdout is not None
        host.stdout.readline()
        host.kill()
        host.communicate()
        assert caller.call("fsync") == "ok"
        wait_for(lambda: "TracerPid:\t0" in Path(f"/proc/{caller.pid}/status").read_text())


@strace
def test_what_cannot_be_traced_is_said(tmp_path: Path) -> None:
    asked = injection(Slow(), tmp_path, delay="1s")
    with pytest.raises(UnableError, match="already ended"):
        Slow().inject(asked, {})


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("campaign_standard._fiu._FOLDERS", ())
    assert Error().available() == Interposed().available() == "libfiu was not found: apt-get install fiu-utils"
    assert Slow().available() == "strace was not found: apt-get install strace"
    assert values(Error(), calls=["fsync"])["error"] == "EIO"
