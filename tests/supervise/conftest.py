"""Drive a real supervisor over its socket with hand-made orders."""

from __future__ import annotations

import os
import select
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from campaign.records import Directories, Exit, OracleRecord, Order, StepOrder, Stop, order_digest
from campaign.records.messages import (
    Exited,
    FromSupervisor,
    Halt,
    Judge,
    Judged,
    Quit,
    Refused,
    Start,
    Started,
    ToSupervisor,
)
from campaign.supervise.launch import SupervisorHandle, start_supervisors

PATIENCE_S = 60.0
MARK = "SUPERVISE_TEST_MARK"
PYTHON = sys.executable


def step(*argv: str, label: str = "a", **rest: Any) -> StepOrder:
    return StepOrder(label=label, tool="tool", argv=argv, **rest)


def shell(script: str, label: str = "a", **rest: Any) -> StepOrder:
    return step("/bin/sh", "-c", script, label=label, **rest)


def python(script: str, label: str = "a", **rest: Any) -> StepOrder:
    return step(PYTHON, "-c", script, label=label, **rest)


class Desk:
    """One supervisor, and what an engine would keep beside it."""

    def __init__(self, workspace: Path, handle: SupervisorHandle) -> None:
        self.workspace, self.handle = workspace, handle
        self.mark = uuid.uuid4().hex
        self._buffer = b""
        self._count = 0

    def order(self, *steps: StepOrder, seal: bool = True, **rest: Any) -> Order:
        self._count += 1
        token = f"token-{self._count}"
        public = f"{self.workspace}/.campaign/runs/c-1/inst/cell/seed-{self._count}/attempt-1"
        env = {"PATH": os.environ["PATH"], MARK: self.mark}
        fields: dict[str, Any] = {
            "token": token,
            "epoch": 1,
            "campaign": "c-1",
            "campaign_name": "c",
            "key": f"cell#{self._count}",
            "id": token,
            "attempt": 1,
            "instance": "inst",
            "cell": "cell",
            "seed": self._count,
            "directories": Directories(
                public=public, private=f"{self.workspace}/.campaign/attempts/{token}", work=f"{public}/work"
            ),
            "timeout_s": 30.0,
            "steps": tuple(replace(each, env=env | each.env) for each in steps),
        }
        if "services" in rest:
            rest["services"] = tuple(replace(each, env=env | each.env) for each in rest["services"])
        order = Order(**(fields | rest))
        return replace(order, digest=order_digest(order)) if seal else order

    def send(self, message: ToSupervisor) -> None:
        if isinstance(message, Start):  # the engine makes the folder before it admits
            with suppress(OSError):
                os.mkdir(message.order.directories.private, 0o700)
        self.handle.sock.sendall(msgspec.json.encode(message) + b"\n")

    def receive(self) -> FromSupervisor:
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self.handle.sock], [], [], PATIENCE_S)
            assert ready, "the supervisor said nothing"
            data = self.handle.sock.recv(1 << 16)
            assert data, "the supervisor hung up"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return msgspec.json.decode(line, type=FromSupervisor)

    def expect(self, kind: type[Any]) -> Any:
        message = self.receive()
        assert isinstance(message, kind), message
        return message

    def start(self, order: Order) -> Order:
        self.send(Start(order))
        self.expect(Started)
        return order

    def exit(self, order: Order) -> Exit:
        """What the supervisor says of it, which is what it left on disk."""
        message = self.expect(Exited)
        assert message.token == order.token
        stored = Path(order.directories.private, "exit.json")
        if stored.exists():
            assert msgspec.json.decode(stored.read_bytes(), type=Exit) == message.exit
        return message.exit

    def run(self, *steps: StepOrder, **rest: Any) -> Exit:
        return self.carry_out(self.order(*steps, **rest))

    def carry_out(self, order: Order) -> Exit:
        return self.exit(self.start(order))

    def judge(self, order: Order) -> tuple[OracleRecord, ...]:
        self.carry_out(order)
        return self.expect(Judged).oracles

    def halt(self, order: Order, reason: Stop = Stop.CANCEL, grace_s: float = 5.0) -> None:
        self.send(Halt(order.token, reason, grace_s))

    def public(self, order: Order, name: str) -> Path:
        return Path(order.directories.public, name)

    def tools_left(self) -> list[int]:
        """Every process anywhere that was started for one of our orders and still runs."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_ours(pid)]

    def _is_ours(self, pid: int) -> bool:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            return self.mark.encode() in environ
        except OSError:
            return False

    def gone(self, timeout_s: float = PATIENCE_S) -> bool:
        """Whether the supervisor has ended, waiting for it."""
        ready, _, _ = select.select([self.handle.pidfd], [], [], timeout_s)
        return bool(ready)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    os.makedirs(tmp_path / ".campaign/attempts")
    (handle,) = start_supervisors(1, str(tmp_path))
    desk = Desk(tmp_path, handle)
    yield desk
    if desk.handle.pidfd >= 0:
        desk.handle.sock.close()
        assert desk.gone(), "the supervisor did not leave"
        desk.handle.nursery.close()
        assert not desk.tools_left()


__all__ = ["Desk", "Judge", "Quit", "Refused", "python", "shell", "step"]


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plugin ``strangers`` where every provider host started from here will find it."""
    site = tmp_path / "site"
    info = site / "strangers-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "campaign_strangers.py").write_bytes((Path(__file__).parent / "strangers.py").read_bytes())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
    (info / "RECORD").write_text("campaign_strangers.py,,\n")
    (info / "entry_points.txt").write_text("[campaign.plugins]\nstrangers = campaign_strangers\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
