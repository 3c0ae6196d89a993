"""Removing folders: whole, however deep, long or locked, and nothing that only seems to be inside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from campaign.engine.sweep import remove_folder


def test_everything_in_it_goes_and_nothing_beside_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    folder = tmp_path / "runs"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "link").symlink_to(outside)
    (folder / "a" / "loop").symlink_to("..")
    os.mkfifo(folder / "a" / "pipe")
    os.link(outside / "precious", folder / "second name")
    remove_folder(str(folder))
    assert not folder.exists()
    assert (outside / "precious").exists()


def test_a_thousand_levels_and_names_of_full_length(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("x" * 255, dir_fd=fd)
        below = os.open("x" * 255, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    remove_folder(str(folder))
    assert not folder.exists()


def test_folders_that_a_tool_has_closed(tmp_path: Path) -> None:
    """As an ordinary user, who cannot look into them either."""
    folder = tmp_path / "locked"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "file").touch()
    for path in (folder / "a" / "b", folder / "a", folder):
        path.chmod(0)
    if os.geteuid() == 0:
        for path in (tmp_path, folder):
            os.chown(path, 65534, 65534)
        for path in (folder / "a", folder / "a" / "b", folder / "a" / "file"):
            os.chown(path, 65534, 65534)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.chdir(tmp_path)  # what is above it is root's alone
                os.setuid(65534)
                remove_folder("locked")
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
    else:
        remove_folder(str(folder))
    assert not folder.exists()


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove_folder(str(tmp_path / "none"))


@pytest.mark.parametrize("what", ["link", "file"])
def test_what_is_no_folder_stays(tmp_path: Path, what: str) -> None:
    (tmp_path / "real").mkdir()
    path = tmp_path / "it"
    if what == "link":
        path.symlink_to("real")
    else:
        path.touch()
    with pytest.raises(OSError, match=r"directory|symbolic"):
        remove_folder(str(path))
    assert os.path.lexists(path)
    assert (tmp_path / "real").exists()


def test_what_is_mounted_below_is_not_touched(tmp_path: Path) -> None:
    mounted = tmp_path / "runs" / "work" / "mnt"
    mounted.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (mounted / "precious").touch()
        with pytest.raises(OSError, match=r"busy|cross-device"):
            remove_folder(str(tmp_path / "runs"))
        assert (mounted / "precious").exists() or next((tmp_path / "runs").rglob("precious"), None)
    finally:
        for path in [*tmp_path.rglob("*")]:
            if path.is_mount():
                subprocess.run(["umount", path], check=True)
    remove_folder(str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
