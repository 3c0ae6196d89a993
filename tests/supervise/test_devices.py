"""Locks on devices: one holder among all processes of a user, and a supervisor that waits for its turn."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from campaign.records import HoldOrder, Order, Stop, late
from campaign.records.messages import Exited, Refused, Start, Started, Waiting
from campaign.supervise.devices import DeviceLocks, runtime_folder
from campaign.supervise.launch import start_supervisors

from .conftest import Desk, shell

HELD = {"granted": {"gpu": (0,)}, "devices": {"gpu": ("GPU-a", "GPU-b")}}
HOLDER = """
import sys
from campaign.supervise.devices import DeviceLocks
import msgspec
from campaign.records import Order
order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
print(DeviceLocks().take(order) and "held", flush=True)
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def desk(tmp_path: Path, runtime: Path) -> Iterator[Desk]:
    """A supervisor that knows the runtime folder of this test."""
    os.makedirs(tmp_path / ".campaign/attempts")
    (handle,) = start_supervisors(1, str(tmp_path))
    desk = Desk(tmp_path, handle)
    yield desk
    desk.handle.sock.close()
    assert desk.gone()
    desk.handle.nursery.close()


def ready(desk: Desk, seconds: float) -> bool:
    return bool(select.select([desk.handle.sock], [], [], seconds)[0])


def order(desk: Desk, index: int = 0, script: str = "true") -> Order:
    return desk.order(shell(script), granted={"gpu": (index,)}, devices={"gpu": ("GPU-a", "GPU-b")})


def test_what_cuda_is_told(desk: Desk) -> None:
    step = shell("echo [$CUDA_VISIBLE_DEVICES]", env={"CUDA_VISIBLE_DEVICES": late("device.gpu")})
    for granted, told in (({"gpu": (1, 0)}, "GPU-b,GPU-a"), ({}, ""), ({"gpu": (1, 7)}, "GPU-b")):
        made = desk.order(step, granted=granted, devices=HELD["devices"])
        desk.carry_out(made)
        assert desk.public(made, "output.log").read_text() == f"[{told}]\n"


def test_a_busy_device_is_waited_for(desk: Desk) -> None:
    other = DeviceLocks()
    made = order(desk)
    assert other.take(made)
    desk.send(Start(made))
    assert desk.expect(Waiting).token == made.token
    assert not ready(desk, 0.5), "it started with a device that another workspace holds"
    other.release()
    desk.expect(Started)
    assert desk.exit(made).steps[0].ok


def test_what_needs_no_device_or_another_one_goes_on(desk: Desk) -> None:
    other = DeviceLocks()
    blocked = order(desk)
    assert other.take(blocked)
    desk.send(Start(blocked))
    desk.expect(Waiting)
    for free in (order(desk, index=1), desk.order(shell("true"))):
        desk.carry_out(free)
    other.release()
    desk.expect(Started)
    desk.exit(blocked)


def test_one_that_waits_can_be_taken_back(desk: Desk) -> None:
    other = DeviceLocks()
    made = order(desk)
    assert other.take(made)
    desk.send(Start(made))
    desk.expect(Waiting)
    assert not ready(desk, 0.3)
    desk.halt(made, Stop.CANCEL)
    assert desk.expect(Refused).token == made.token
    other.release()


def test_the_lock_is_free_when_the_exit_is_told(desk: Desk) -> None:
    made = order(desk)
    desk.start(made)
    desk.expect(Exited)
    assert DeviceLocks().take(made)


def test_the_lock_is_held_while_the_tool_runs(desk: Desk, tmp_path: Path) -> None:
    made = order(desk, script=f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done")
    desk.start(made)
    assert not DeviceLocks().take(made)
    (tmp_path / "go").touch()
    desk.exit(made)


def test_the_lock_of_a_process_that_is_killed_is_free(desk: Desk) -> None:
    made = order(desk)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER + "import time; time.sleep(600)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(msgspec.json.encode(made) + b"\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == b"held\n"
    assert not DeviceLocks().take(made)
    holder.kill()
    holder.wait()
    assert DeviceLocks().take(made)


def test_all_devices_or_none(desk: Desk) -> None:
    both = desk.order(shell("true"), granted={"gpu": (0, 1)}, devices=HELD["devices"])
    second = DeviceLocks()
    assert second.take(order(desk, index=1))
    wanting = DeviceLocks()
    assert not wanting.take(both)
    assert DeviceLocks().take(order(desk, index=0)), "the first device was kept while waiting for the second"


def test_a_folder_that_others_can_use_is_refused(runtime: Path, desk: Desk) -> None:
    (runtime / "campaign").mkdir(0o755)
    (runtime / "campaign").chmod(0o755)
    desk.send(Start(order(desk)))
    assert "not a folder that is private" in desk.expect(Refused).why


def test_a_resource_that_cannot_be_locked_leaves_the_device_to_others(runtime: Path, desk: Desk) -> None:
    digest = blake2b(b"rail", digest_size=16).hexdigest()
    (runtime / "campaign").mkdir(0o700)
    (runtime / "campaign" / f"hold-{digest}.lock").mkdir()
    holds = (HoldOrder("h", "x.hold", resources=("rail",)),)
    made = desk.order(shell("true"), granted=HELD["granted"], devices=HELD["devices"], holds=holds)
    desk.send(Start(made))
    assert "cannot be locked" in desk.expect(Refused).why
    assert DeviceLocks().take(made)


def test_where_the_locks_are(tmp_path: Path) -> None:
    me = os.geteuid()
    for environ in ({"TMPDIR": str(tmp_path)}, {"TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "none")}):
        assert runtime_folder(environ, me) == str(tmp_path / f"campaign-{me}")
    (tmp_path / "elsewhere").mkdir(0o700)
    (tmp_path / "campaign").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)}, me)
