"""A machine without means: full disks, no descriptors, odd signal settings, a damaged ledger."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.waiting import wait_for

from .conftest import Arena

pytestmark = pytest.mark.gauntlet
BOTH = 'instance {mode} { sweep mode = ["fail", "pass"]; run bad }'
SEEDS = 'instance i { seeds 1..20; mode = "pass"; run bad }'


def namespaces() -> bool:
    done = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return done.returncode == 0


def test_an_inherited_sigchld_that_is_ignored_hides_no_failure(arena: Arena) -> None:
    script = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = arena.exec(arena.spec(BOTH), wrapper=(sys.executable, "-c", script))
    assert done.returncode == 1
    assert arena.verdicts() == {"fail#0": "fail", "pass#0": "pass"}


def test_blocked_signals_are_not_handed_on(arena: Arena) -> None:
    script = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT]);"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    spec = arena.spec('instance i { mode = "slow"; timeout 1s; run bad }')
    assert arena.exec(spec, wrapper=(sys.executable, "-c", script)).returncode == 1


@pytest.mark.parametrize("limit", [8, 12, 16, 24, 32])
def test_few_file_descriptors(arena: Arena, limit: int) -> None:
    done = arena.exec(arena.spec(BOTH), wrapper=("prlimit", f"--nofile={limit}"))
    assert done.returncode in {1, 3}, done.stderr
    if done.returncode == 1:
        assert arena.verdicts().get("fail#0") != "pass"


@pytest.mark.parametrize("size", ["64k", "512k", "2m"])
@pytest.mark.skipif(not shutil.which("unshare") or not namespaces(), reason="no user and mount namespaces here")
def test_a_full_disk(arena: Arena, size: str) -> None:
    arena.workspace.mkdir()
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    wrapper = ("unshare", "-Urm", "sh", "-c", mount, str(arena.workspace))
    body = 'instance {mode} { sweep mode = ["fill-disk", "pass"]; seeds 1..5; run bad }'
    done = arena.exec(arena.spec(body), wrapper=wrapper)
    assert done.returncode in {1, 3}, done.stderr
    assert done.returncode == 1 or "error[CAMP" in done.stderr


@pytest.mark.skipif(not shutil.which("unshare") or not namespaces(), reason="no user and mount namespaces here")
def test_a_full_run_root_costs_files_and_not_the_campaign(arena: Arena) -> None:
    root = arena.folder / "runs"
    root.mkdir()
    mount = 'mount -t tmpfs -o size=128k none "$0" && exec "$@"'
    wrapper = ("unshare", "-Urm", "sh", "-c", mount, str(root))
    spec = arena.spec('instance i { mode = "fill-disk"; seeds 1..6; run bad }\nreport markdown {}')
    done = arena.exec(spec, "--run-root", root, wrapper=wrapper)
    assert done.returncode == 1, done.stderr
    assert "gauntlet: 6 runs" in done.stdout
    assert "warning[CAMP571]" in done.stderr
    assert "summary.json cannot be written" in done.stderr
    assert "run.json, a file for readers, could not be written" in done.stderr
    again = arena.call("report", "--as", "md", "-o", arena.folder / "report.md")
    assert again.returncode == 0, again.stderr


def test_a_file_size_limit_does_not_kill_campaign(arena: Arena) -> None:
    done = arena.exec(arena.spec(SEEDS), wrapper=("prlimit", "--fsize=30000"))
    assert done.returncode in {0, 1, 3}, done.stderr


def test_a_working_directory_that_is_gone(arena: Arena) -> None:
    spec = arena.spec(BOTH)
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = arena.exec(spec, wrapper=("sh", "-c", script, "sh"))
    assert done.returncode in {1, 3}


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(arena: Arena, closed: str) -> None:
    done = arena.exec(arena.spec(BOTH), wrapper=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert done.returncode == 1
    assert arena.verdicts() == {"fail#0": "fail", "pass#0": "pass"}


def test_standard_output_on_a_full_disk_does_not_spoil_the_campaign(arena: Arena) -> None:
    with open("/dev/full", "w") as full:
        done = arena.exec(arena.spec(BOTH), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert arena.verdicts() == {"fail#0": "fail", "pass#0": "pass"}


@pytest.mark.parametrize("locale", ["C", "POSIX", "tr_TR.UTF-8", "nonsense"])
def test_locales(arena: Arena, locale: str) -> None:
    (arena.folder / "ünïcode.camp").write_text(
        'campaign "größe" { about "測試" }\ntool t { command "/bin/true" }\ninstance i { run t }\n'
    )
    done = arena.exec(arena.folder / "ünïcode.camp", env={"LC_ALL": locale, "LANG": locale})
    assert done.returncode == 0


def damaged_empty(path: Path) -> None:
    path.write_bytes(b"")


def damaged_garbage(path: Path) -> None:
    path.write_bytes(os.urandom(50_000))


def damaged_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damaged_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(bytes(data))


def damaged_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def damaged_stranger(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (x)")


@pytest.mark.parametrize(
    "damage", [damaged_empty, damaged_garbage, damaged_half, damaged_middle, damaged_folder, damaged_stranger]
)
def test_a_damaged_ledger_is_an_error_and_never_an_empty_one(arena: Arena, damage) -> None:
    spec = arena.spec(BOTH)
    assert arena.exec(spec).returncode == 1
    ledger = arena.workspace / "ledger.sqlite"
    for sidecar in arena.workspace.glob("ledger.sqlite-*"):
        sidecar.unlink()
    damage(ledger)
    before = ledger.read_bytes() if ledger.is_file() else None
    for arguments in (["list"], ["show"], ["exec", spec]):
        done = arena.call(*arguments)
        assert done.returncode == 3, (arguments, done.stdout, done.stderr)
        assert "error[CAMP5" in done.stderr
    assert (ledger.read_bytes() if ledger.is_file() else None) == before


@pytest.mark.parametrize("verb", ["list", "show"])
def test_no_workspace_at_all(arena: Arena, verb: str) -> None:
    done = arena.call(verb)
    assert done.returncode in {0, 3}
    assert not arena.workspace.exists()


def test_the_workspace_is_a_file(arena: Arena) -> None:
    arena.workspace.write_text("not a folder\n")
    done = arena.exec(arena.spec(BOTH))
    assert done.returncode in {2, 3}
    assert "CAMP" in done.stderr


@pytest.mark.parametrize(("mode", "times"), [("nap", 1), ("slow", 2), ("ignore-term", 2)])
def test_interrupts_leave_nothing_behind(arena: Arena, mode: str, times: int) -> None:
    """Once: what runs goes on to its end, nothing more is started; twice: it is ended."""
    process = arena.start(arena.spec(f'instance i {{ mode = "{mode}"; seeds 1..9; run bad }}'))
    wait_for(lambda: len(arena.left()) >= 2)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "winding down" not in (line := process.stderr.readline()):
        assert line, "it ended without a word"
    if times == 2:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    wait_for(lambda: not arena.left())
    assert sorted(arena.verdicts().values()) == ["pass" if times == 1 else "canceled"] * 2
    assert arena.call("list").returncode == 0


def test_impatience_is_no_signal_of_death(arena: Arena) -> None:
    process = arena.start(arena.spec('instance i { mode = "nap"; seeds 1..9; run bad }'))
    wait_for(lambda: len(arena.left()) >= 2)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)  # as quickly as a person never is
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    wait_for(lambda: not arena.left())


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.2])
def test_an_interrupt_while_it_starts(arena: Arena, after: float) -> None:
    """From the moment that our own modules are imported; what Python does before that is Python's."""
    spec = arena.spec('instance i { mode = "nap"; seeds 1..9; run bad }')
    process = arena.start(spec)
    while "_core.cpython" not in Path(f"/proc/{process.pid}/maps").read_text():  # msgspec's, which we import
        assert process.poll() is None
    time.sleep(after)  # whatever it is doing by then
    for _ in range(3):
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    wait_for(lambda: not arena.left())


def test_a_killed_campaign_is_taken_over_and_goes_on(arena: Arena) -> None:
    spec = arena.spec('instance i { mode = "nap"; seeds 1..4; run bad }')
    process = arena.start(spec)
    wait_for(lambda: len(arena.left()) >= 2)
    process.kill()
    process.communicate(timeout=60)
    done = arena.exec(spec, "--resume")
    assert done.returncode == 0, done.stderr
    assert arena.verdicts() == {f"i#{seed}": "pass" for seed in range(1, 5)}


@pytest.mark.parametrize("module", ["resident", "daemon"])
def test_without_descriptors_no_supervisor_can_be_started_and_that_is_said(arena: Arena, module: str) -> None:
    arguments = {"resident": ["1", str(arena.workspace), "-1"], "daemon": ["0", "1", str(arena.workspace)]}[module]
    script = (
        f"import resource, sys; from campaign.engine import {module} as process;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); sys.exit(process.main({arguments}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
