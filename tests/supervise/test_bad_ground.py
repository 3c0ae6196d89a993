"""A full disk, no descriptors left, folders that vanish or turn into links: an end with a reason, and nothing left."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.records.messages import Exited, Refused, Start, Started
from campaign.supervise.launch import start_supervisors

from .conftest import Desk, shell, step


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Desk]:
    """A supervisor whose workspace lies on a file system of 256 KiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "small", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system needs root and mount(8)")
    try:
        os.makedirs(mounted / ".campaign/attempts")
        (handle,) = start_supervisors(1, str(mounted))
        desk = Desk(mounted, handle)
        yield desk
        desk.handle.sock.close()
        assert desk.gone()
        desk.handle.nursery.close()
        assert not desk.tools_left()
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def test_a_log_that_cannot_be_written(small_disk: Desk) -> None:
    exit = small_disk.run(shell("head -c 1000000 /dev/zero"))
    assert exit.steps[0].ok, "the tool was not held up"
    assert exit.output.total_bytes == 1_000_000
    assert "No space left on device" in (exit.internal_error or "")


def test_a_disk_that_is_full_from_the_start(small_disk: Desk) -> None:
    _fill(small_disk.workspace)
    order = small_disk.order(step("true"))
    small_disk.send(Start(order))
    exit = small_disk.expect(Exited).exit
    assert "No space left on device" in (exit.setup_error or "")
    assert not exit.steps


def test_a_disk_that_fills_up_before_the_exit_record(small_disk: Desk) -> None:
    order = small_disk.order(shell("dd if=/dev/zero of=fill bs=4k 2>/dev/null; true"))
    small_disk.start(order)
    exit = small_disk.expect(Exited).exit
    assert exit.steps[0].ok
    assert "No space left on device" in (exit.internal_error or "")
    assert not os.path.exists(f"{order.directories.private}/exit.json")
    os.unlink(f"{order.directories.work}/fill")
    assert small_disk.run(step("true")).internal_error is None


def test_no_descriptors_left(desk: Desk) -> None:
    """Whatever limit it meets, there is an end with a reason, and the next order goes on once there are some again."""
    desk.run(step("true"))  # it has opened by now what it keeps
    limits = resource.prlimit(desk.handle.pid, resource.RLIMIT_NOFILE)
    in_use = max(map(int, os.listdir(f"/proc/{desk.handle.pid}/fd"))) + 1
    for more in range(12):
        resource.prlimit(desk.handle.pid, resource.RLIMIT_NOFILE, (in_use + more, limits[1]))
        desk.send(Start(desk.order(shell("true"))))
        message = desk.receive()
        exit = (desk.receive() if isinstance(message, Started) else message).exit  # type: ignore[union-attr]
        assert exit.setup_error or exit.internal_error or exit.steps[0].ok
        assert more or "Too many open files" in exit.setup_error
    resource.prlimit(desk.handle.pid, resource.RLIMIT_NOFILE, limits)
    assert desk.run(shell("echo x")).internal_error is None


def test_a_run_directory_that_vanishes(desk: Desk) -> None:
    order = desk.order(shell("echo x; rm -rf ../../attempt-1"))
    exit = desk.carry_out(order)
    # Who comes first says it: the check of the folder, or the output that finds no place.
    ways = ("was removed or replaced", "output.log could not be written: No such file or directory")
    assert any(way in (exit.internal_error or "") for way in ways), exit.internal_error
    assert not os.path.exists(order.directories.public)


def test_a_working_directory_that_vanishes_between_steps(desk: Desk) -> None:
    exit = desk.run(shell("rm -rf ../work", label="a"), step("true", label="b"))
    assert "was removed or replaced" in (exit.setup_error or "")
    assert len(exit.steps) == 1


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_run_directory_that_is_replaced(desk: Desk, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    replaced = f"ln -s {elsewhere} ../../attempt-1" if kind == "link" else "touch ../../attempt-1"
    order = desk.order(shell(f"mv ../../attempt-1 ../../moved; cd ../../moved/work; {replaced}; echo x"))
    exit = desk.carry_out(order)
    assert "was removed or replaced" in (exit.internal_error or "")
    assert not any(elsewhere.iterdir()), "nothing was written through the link"


def test_a_link_left_for_the_next_attempt_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    order = desk.order(shell("echo x"))
    cell = Path(order.directories.public).parent
    cell.parent.mkdir(parents=True)
    cell.symlink_to(elsewhere)
    exit = desk.carry_out(order)
    assert "could not be set up" in (exit.setup_error or "")
    assert not any(elsewhere.iterdir())


def test_files_prepared_under_our_names_are_replaced_not_opened(desk: Desk, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    order = desk.order(shell(f"ln -s {precious} ../output.log; mkfifo ../steps.ldjson; echo x"))
    exit = desk.carry_out(order)
    assert exit.internal_error is None
    assert precious.read_text() == "mine"
    assert desk.public(order, "output.log").read_text() == "x\n"


def test_a_folder_where_the_log_should_be(desk: Desk) -> None:
    exit = desk.run(shell("mkdir -p ../output.log/x; echo x"))
    assert "output.log could not be written" in (exit.internal_error or "")


def test_a_private_folder_that_cannot_be_made(desk: Desk) -> None:
    shutil.rmtree(desk.workspace / ".campaign/attempts")
    (desk.workspace / ".campaign/attempts").touch()
    order = desk.order(step("true"))
    desk.send(Start(order))
    exit = desk.expect(Exited).exit
    assert "could not be set up" in (exit.setup_error or "")


def test_a_private_folder_that_is_a_link(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    order = desk.order(step("true"))
    Path(order.directories.private).symlink_to(elsewhere)
    desk.send(Start(order))
    assert isinstance(desk.receive(), Exited | Refused)
    assert not any(elsewhere.iterdir())


def _fill(folder: Path) -> None:
    with open(folder / "fill", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return
