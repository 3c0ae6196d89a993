"""Faults as an ordinary user, who may open no device and set no filter unless the machine lets everybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_NOBODY = 65534
_AS_NOBODY = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
#: In a mount namespace of its own FUSE is everybody's; then "$@".
_EVERYBODYS_FUSE = """
node=$(mktemp -u "$1/XXXXXX")
mknod "$node" c 10 229 && chmod 666 "$node" && mount --bind "$node" /dev/fuse || exit 1
shift; exec "$@"
"""
#: What a machine may lack, or not let everybody do.
MAY_LACK = ("this kernel takes no socket filter", "/dev/fuse cannot be opened", "this kernel offers no FUSE", "mfusepy")


def lacks() -> str | None:
    """Why nothing can be tried as an ordinary user here."""
    if os.geteuid():
        return "only root can become an ordinary user"
    return None if shutil.which("setpriv") else "setpriv was not found: apt-get install util-linux"


pytestmark = pytest.mark.skipif(lacks() is not None, reason=str(lacks()))


@lru_cache
def interpreter() -> str | None:
    """A Python of our version that an ordinary user may start, also from itself."""
    found = [sys.executable, shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")]
    again = "import msgspec, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    for each in filter(None, found):
        done = subprocess.run([*_AS_NOBODY, each, "-c", again], env=environ("/"), capture_output=True, check=False)
        if done.returncode == 0:
            return each
    return None


def environ(home: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": home,
        "TMPDIR": home,
    }


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of nobody's, where nobody can reach it."""
    with tempfile.TemporaryDirectory(prefix="campaign-nobody-", dir="/tmp") as made:
        os.chown(made, _NOBODY, _NOBODY)
        yield Path(made)


def everybodys_fuse(home: Path) -> tuple[str, ...]:
    """What stands before a command that is to have such a FUSE; nothing where that cannot be had."""
    before = ("unshare", "-m", "/bin/sh", "-c", _EVERYBODYS_FUSE, "sh", str(home))
    able = shutil.which("unshare") and subprocess.run([*before, "true"], capture_output=True, check=False)
    return before if able and able.returncode == 0 else ()


def test_what_needs_no_privileges_acts_and_what_the_machine_refuses_is_said(home: Path) -> None:
    python = interpreter()
    if python is None:
        pytest.skip("no Python here may be run by an ordinary user")
    tests = (
        "test_hogs.py::test_memory_is_held_and_given_back",
        "test_proxy.py::test_a_partition_drops_packets_and_heals",
        "test_faulty.py::test_a_server_that_is_killed_leaves_nothing",
    )
    words = ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", f"--basetemp={home}/t", f"--rootdir={ROOT}"]
    argv = [*everybodys_fuse(home), *_AS_NOBODY, python, *words, *(f"{ROOT}/tests/standard/{each}" for each in tests)]
    done = subprocess.run(argv, cwd=ROOT, env=environ(str(home)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all(each.startswith(MAY_LACK) for each in skipped), done.stdout
    assert len(skipped) < len(tests), "memory is everybody's"
