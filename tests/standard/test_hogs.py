"""Memory and processors that others take: real ones, beside a real process, and all of it given back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from campaign.plugins.api import Fault, Injection, UnableError
from campaign.proc import boot_id, identify, process_tree, running
from campaign_standard import _hog
from campaign_standard.cpu import Starve
from campaign_standard.memory import Pressure

from .holds import values

MIB = 1 << 20


@pytest.fixture
def target() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    yield process
    process.kill()
    process.wait()


def injection(fault: Fault, workdir: Path, target: subprocess.Popen[bytes], **given: Any) -> Injection:
    return Injection(
        label="f",
        settings=values(fault, **given),
        target=identify(target.pid, boot_id()),
        workdir=str(workdir),
        random=7,
    )


def armed(fault: Fault, asked: Injection) -> Mapping[str, Any]:
    undo: Mapping[str, Any] = json.loads(json.dumps(fault.arm(asked)))
    fault.clear(undo)  # before anything has acted
    return undo


def hog(workdir: Path) -> Any:
    """The program that acts, as the memo has it."""
    (memo,) = workdir.glob(".campaign-*.json")
    pid, start_time, boot = json.loads(memo.read_text())
    found = identify(pid, boot)
    assert found is not None
    assert found.start_time == start_time
    return found


def test_memory_is_held_and_given_back(tmp_path: Path, target: subprocess.Popen[bytes]) -> None:
    asked = injection(Pressure(), tmp_path, target, size="96MiB")
    undo = armed(Pressure(), asked)
    notes = Pressure().inject(asked, undo).notes or ""
    assert notes.startswith("took 96 MiB, ")
    process = hog(tmp_path)
    resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident >= 96 * MIB
    assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n", "it would be the first to go"
    for _ in range(2):
        Pressure().clear(undo)
    assert not running(process, boot_id())
    assert not list(tmp_path.iterdir())


def test_never_below_the_floor() -> None:
    left = 100 * MIB
    memory = _hog.Memory(1 << 40, 40 * MIB, lambda: left - memory.held)
    while memory.adjust():
        continue
    assert 40 * MIB <= left - memory.held < 40 * MIB + _hog._STEP_BYTES
    left -= 30 * MIB  # somebody else needs it
    while memory.adjust():
        continue
    assert left - memory.held >= 40 * MIB
    memory.use(0)


def test_what_the_machine_does_not_have_is_said_before(tmp_path: Path, target: subprocess.Popen[bytes]) -> None:
    assert "cannot be had" in (Pressure().missing(values(Pressure(), size="1000000GiB")) or "")
    assert "a size or a share" in (Pressure().missing(values(Pressure())) or "")
    assert "a size or a share" in (Pressure().missing(values(Pressure(), size="1MiB", share="1%")) or "")
    assert Pressure().missing(values(Pressure(), share="50%")) is None
    asked = injection(Pressure(), tmp_path, target, share="100%", floor="1000000GiB")
    with pytest.raises(UnableError, match="are to be left"):
        Pressure().inject(asked, armed(Pressure(), asked))


def test_processors_are_taken_and_given_back(tmp_path: Path, target: subprocess.Popen[bytes]) -> None:
    asked = injection(Starve(), tmp_path, target, workers=2, load="10%")
    undo = armed(Starve(), asked)
    cpu = min(os.sched_getaffinity(0))
    assert Starve().inject(asked, undo).notes == f"2 busy processes on each of processors {cpu}"
    process = hog(tmp_path)
    wait_for(lambda: all(ticks(each.pid) > 2 for each in process_tree(process)[1:]))
    everybody = process_tree(process)
    assert len(everybody) == 3
    for each in everybody[1:]:
        assert os.sched_getaffinity(each.pid) == {cpu}
    for _ in range(2):
        Starve().clear(undo)
    assert not any(running(each, boot_id()) for each in everybody)


@pytest.mark.parametrize(
    ("whom", "why"), [(0, "its helper was killed by SIGKILL"), (1, "its helper ended with status 1")]
)
def test_who_is_ended_by_somebody_else_is_told(
    tmp_path: Path, target: subprocess.Popen[bytes], whom: int, why: str
) -> None:
    asked = injection(Starve(), tmp_path, target, workers=2, load="1%")
    undo = armed(Starve(), asked)
    assert Starve().lapsed(undo) is None, "nothing has acted"
    Starve().inject(asked, undo)
    assert Starve().lapsed(undo) is None
    everybody = process_tree(hog(tmp_path))
    os.kill(everybody[whom].pid, 9)
    wait_for(lambda: Starve().lapsed(undo) == why)
    Starve().clear(undo)
    wait_for(lambda: not any(running(each, boot_id()) for each in everybody))  # the others went with their leader
    assert Starve().lapsed(undo) is None


def test_who_starves_dies_with_whoever_started_it(tmp_path: Path) -> None:
    script = f"""
import json, os, sys
from tests.standard.test_hogs import Starve, armed, injection
import subprocess
from pathlib import Path
target = subprocess.Popen(["sleep", "10"])
asked = injection(Starve(), Path({str(tmp_path)!r}), target, load="1%")
Starve().inject(asked, armed(Starve(), asked))
target.kill()
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    (memo,) = tmp_path.glob(".campaign-*.json")
    pid, *_ = json.loads(memo.read_text())
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in [pid]))


def test_a_processor_that_is_not_there() -> None:
    assert Starve().missing(values(Starve(), cpus=[4711])) == "processor 4711 is not there, or not for this process"
    assert Starve().missing(values(Starve())) is None


def ticks(pid: int) -> int:
    """User time of a process, in clock ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11])
