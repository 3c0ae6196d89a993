"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from campaign.durable import move, sync_directory, written


def test_a_file_is_there_after_the_block_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"old")
    with written(str(path)) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize("before", [None, b"old"])
def test_where_anything_is_raised_what_stood_there_stays(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "a"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(ZeroDivisionError), written(str(path)) as file:
        file.write(b"half" * (1 // 0))
    assert os.listdir(tmp_path) == ([] if before is None else ["a"])
    assert before is None or path.read_bytes() == before


def test_neither_what_was_left_nor_what_was_planted_is_written_to(tmp_path: Path) -> None:
    path, victim = tmp_path / "a", tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".a.{os.getpid()}.draft").symlink_to(victim)
    with written(str(path)) as file:
        file.write(b"new")
    assert (path.read_bytes(), victim.read_bytes(), path.is_symlink()) == (b"new", b"precious", False)


@pytest.mark.parametrize("name", ["x" * 255, "日" * 85, "\udcff" * 255])
def test_any_name_will_do(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with written(name, 0o600) as file:
        file.write(b"new")
    assert (os.listdir(), os.stat(name).st_mode & 0o777) == ([name], 0o600)


@pytest.mark.parametrize(("number", "told"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_syncs_no_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: bool
) -> None:
    def fails(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    (tmp_path / "a").touch()
    if told:
        with pytest.raises(OSError, match=os.strerror(number)):
            sync_directory(str(tmp_path))
    else:
        move(str(tmp_path / "a"), str(tmp_path / "b"))
        assert os.listdir(tmp_path) == ["b"]
