"""The workspace: private, locked by one, and honest about a ledger that vanished."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.diagnostics import ExitStatus
from campaign.engine.workspace import Workspace, WorkspaceError, WorkspaceLock


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(str(tmp_path / "deep" / ".campaign"))
    made.prepare()
    return made


def test_it_is_private(workspace: Workspace) -> None:
    assert os.stat(workspace.path).st_mode & 0o777 == 0o700
    assert os.stat(workspace.attempts).st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_may_write_in_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(WorkspaceError) as caught:
        Workspace(str(folder)).prepare()
    assert caught.value.status is ExitStatus.SETUP


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be used"):
        Workspace(str(tmp_path / "file")).prepare()


def test_one_holder_at_a_time_and_death_frees_it(workspace: Workspace) -> None:
    program = (
        "import sys; from campaign.engine.workspace import *; lock = WorkspaceLock(Workspace(sys.argv[1]));"
        "print(lock.try_acquire(), flush=True); lock.sign(); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, workspace.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        other.stdout.readline()
        mine = WorkspaceLock(workspace)
        assert not mine.try_acquire()
        assert mine.owner() == f"process {other.pid}"
        other.kill()
        mine.wait()
        assert not WorkspaceLock(workspace).try_acquire()


def test_the_lock_file_is_never_replaced(workspace: Workspace) -> None:
    first = WorkspaceLock(workspace)
    assert first.try_acquire()
    inode = os.stat(workspace.lock).st_ino
    first.sign()
    first.release()
    second = WorkspaceLock(workspace)
    assert second.try_acquire()
    assert os.stat(workspace.lock).st_ino == inode


def test_a_ledger_that_was_there_and_is_gone(workspace: Workspace) -> None:
    lock = WorkspaceLock(workspace)
    lock.check_ledger()
    lock.sign()
    with pytest.raises(WorkspaceError, match="vanished"):
        lock.check_ledger()
    Path(workspace.ledger).touch()
    lock.check_ledger()


def test_a_link_in_place_of_the_lock_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", workspace.lock)
    with pytest.raises(WorkspaceError):
        WorkspaceLock(workspace)
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_that_cannot_be_signed_for_want_of_room(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = WorkspaceLock(workspace)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        lock.sign()
