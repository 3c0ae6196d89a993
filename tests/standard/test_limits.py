"""Limits: what a tool that was started with them sees, and one that runs when they change."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.plugins.api import Injected, Injection, Process, UnableError
from campaign.proc import boot_id
from campaign_standard.limits import Files, Rlimit

from .faults import clear, inject
from .holds import held, values


def started(done: Injected, *argv: str) -> str:
    """What a tool prints that was started as a supervisor does."""
    command = [*done.wrap, *argv]
    return subprocess.run(command, env={**os.environ, **done.env}, capture_output=True, text=True, check=True).stdout


def test_limits_are_the_tools_own() -> None:
    with held(Rlimit(), files=64, memory="4GiB", cpu="90s") as done:
        assert started(done, "/bin/sh", "-c", "ulimit -n; ulimit -Hn; ulimit -v; ulimit -t").split() == [
            "64",
            "64",
            str(4 << 20),
            "90",
        ]
        assert done.notes == "--nofile=64 --as=4294967296 --cpu=90"


def test_a_limit_that_is_none_or_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing is limited" in (Rlimit().missing(values(Rlimit())) or "")
    assert Rlimit().missing(values(Rlimit(), files=64)) is None
    monkeypatch.setattr("resource.getrlimit", lambda _: (10, 20))
    assert "limited to 20 here already" in (Rlimit().missing(values(Rlimit(), files=64)) or "")


#: Opens as many files as it is told to, and says how many it got.
OPENER = """
import sys
for line in sys.stdin:
    files = []
    try:
        while len(files) < int(line): files.append(open("/dev/null"))
    except OSError as error:
        print(len(files), error.strerror, flush=True)
    else:
        print(len(files), flush=True)
"""


@pytest.mark.parametrize("tree", [False, True])
def test_a_running_process_runs_out_of_descriptors(tmp_path: Path, tree: bool) -> None:
    opener = subprocess.Popen(
        [sys.executable, "-c", OPENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert opener.stdin is not None
    assert opener.stdout is not None

    def opened(count: int) -> str:
        print(count, file=opener.stdin)
        assert opener.stdout is not None
        return opener.stdout.readline().strip()

    try:
        assert opened(5) == "5"
        before = resource.prlimit(opener.pid, resource.RLIMIT_NOFILE)
        done, undo = inject(Files(), tmp_path, opener.pid, spare=2, tree=tree)
        assert opened(50).endswith(" Too many open files")
        now = resource.prlimit(opener.pid, resource.RLIMIT_NOFILE)
        assert now[1] == before[1]
        assert done.notes == f"{before[0]} → {now[0]} descriptors"
        clear(Files(), undo)
        assert resource.prlimit(opener.pid, resource.RLIMIT_NOFILE) == before
        assert opened(50) == "50"
        assert os.listdir(tmp_path) == []
    finally:
        opener.kill()
        opener.communicate()
    with pytest.raises(UnableError, match="already ended"):
        Files().inject(*_asked(tmp_path, opener.pid))


def _asked(workdir: Path, pid: int) -> tuple[Injection, dict[str, str]]:
    settings = values(Files())
    target = Process(pid, 1, boot_id())
    return Injection(label="f", settings=settings, target=target, workdir=str(workdir), random=0), {}


def test_a_process_that_raised_its_limit_itself_keeps_it(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["/bin/sleep", "100"])
    try:
        _, undo = inject(Files(), tmp_path, sleeper.pid)
        hard = resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE, (123, hard))
        clear(Files(), undo)
        assert resource.prlimit(sleeper.pid, resource.RLIMIT_NOFILE)[0] == 123
    finally:
        sleeper.kill()
        sleeper.wait()
