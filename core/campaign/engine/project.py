"""The files that people and other tools read: projections of ledger and evidence, written again without harm.

Each JSON file is written whole and renamed into its place; nothing is synced, for the ledger is.  Below the campaign's
folder no symbolic link is followed, so that a tool that replaced a folder by one cannot lead our writing elsewhere.
``events.ldjson`` is the cursor too: what its last line tells of was projected before, with everything earlier.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress

import msgspec
from msgspec import Struct

from campaign.failpoints import reach
from campaign.judge.view import run_view
from campaign.records import Decision, Exit, OracleRecord, Order, RunView
from campaign.records.event import EventView
from campaign.records.host import HostRecord
from campaign.supervise.folders import create_file, open_below, open_folder, write_all

EVENTS = "events.ldjson"
RUN = "run.json"
HOST = "host.json"
DUPLICATE = "duplicate-of"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_TAIL = 1 << 16

_encode = msgspec.json.Encoder().encode


class _Numbered(Struct):
    seq: int


class Projector:
    """Writes below one campaign's folder, ``<run root>/<campaign id>``."""

    def __init__(self, folder: str, campaign: str, host_id: str) -> None:
        """Open the folder, making it where it is missing; raises OSError."""
        self.folder = folder
        self._host_id = host_id
        self._root = open_folder(folder, campaign)
        self._events = os.open(EVENTS, _FLAGS, 0o666, dir_fd=self._root)

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._events)
        os.close(self._root)

    def file(self, name: str, record: Struct) -> None:
        """``plan.json`` and its like; raises OSError."""
        _replace(self._root, name, msgspec.json.format(_encode(record), indent=2) + b"\n")

    def view(  # noqa: PLR0913 - the four facts of an attempt and what the ledger adds
        self,
        order: Order,
        exit_: Exit | None,
        oracles: tuple[OracleRecord, ...],
        decision: Decision | None,
        *,
        cause: str,
        parent: str | None = None,
    ) -> RunView:
        """An attempt as ``run.json`` tells of it."""
        flaky = cause == "policy" and order.attempt > 1
        told = {"cause": cause, "parent": parent}
        return run_view(order, exit_, oracles, decision, host_id=self._host_id, flaky=flaky, provenance=told)

    def run(self, public: str, view: RunView, *, decides: bool = True) -> None:
        """``run.json`` of an attempt and, as the newest one decides, of its run; raises OSError.

        Beside it ``duplicate-of``, where another attempt failed so first: which one.
        What was carried out beside the plan decides nothing of the plan's run.
        """
        path = os.path.relpath(public, self.folder)
        *above, attempt = path.split("/")
        seed = self._walk(above)
        try:
            own = open_below(seed, attempt)
            try:
                _replace(own, RUN, _encode(view) + b"\n")
                if decides and attempt.startswith("attempt-"):
                    _share(own, seed)
                if view.failure is not None and view.failure.duplicate_of is not None:
                    _replace(own, DUPLICATE, view.failure.duplicate_of.encode() + b"\n")
            finally:
                os.close(own)
        finally:
            os.close(seed)

    def script(self, public: str, name: str, text: str) -> None:
        """A script that people may run, in the folder of an attempt; raises OSError."""
        own = self._walk(os.path.relpath(public, self.folder).split("/"))
        try:
            _replace(own, name, text.encode("utf-8", "backslashreplace"), mode=0o755)
        finally:
            os.close(own)

    def append(self, events: Iterable[EventView]) -> None:
        """Add to ``events.ldjson``; raises OSError."""
        write_all(self._events, b"".join(_encode(event) + b"\n" for event in events))

    def last_event(self) -> int:
        """The number of the last whole event that was projected, 0 where there is none; a torn line is cut off."""
        size = os.fstat(self._events).st_size
        tail = os.pread(self._events, _TAIL, max(0, size - _TAIL))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._events, size - torn)
        lines = tail[: len(tail) - torn].splitlines()
        try:
            return msgspec.json.decode(lines[-1], type=_Numbered).seq if lines else 0
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return 0  # someone else wrote in it: everything is projected again

    def alone(self) -> None:
        """Wait until an earlier planner of this campaign has written its last line; where locks work."""
        with suppress(OSError):
            fcntl.flock(self._events, fcntl.LOCK_EX)

    def start_over(self) -> None:
        """Forget how far it came: nothing here was synced, and the machine went down since."""
        os.ftruncate(self._events, 0)

    def host_before(self) -> HostRecord | None:
        """The machine that wrote here last, as ``host.json`` tells it."""
        try:
            with open(os.open(HOST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root), "rb") as file:
                return msgspec.json.decode(file.read(), type=HostRecord)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _walk(self, names: list[str]) -> int:
        fd = os.dup(self._root)
        for name in names:
            try:
                below = open_below(fd, name)
            finally:
                os.close(fd)
            fd = below
        return fd


def _replace(folder: int, name: str, data: bytes, mode: int | None = None) -> None:
    """Write a file that is there whole or not at all."""
    part = f".{name}.part"
    fd = create_file(folder, part)
    try:
        write_all(fd, data)
        if mode is not None:
            os.fchmod(fd, mode)
    finally:
        os.close(fd)
    reach("planner.write.before")
    os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    reach("planner.write.after")


def _share(own: int, seed: int) -> None:
    """The run's ``run.json`` is its deciding attempt's: one file, two names; a copy where links are not to be had."""
    try:
        reach("planner.share.before")
        os.link(RUN, RUN, src_dir_fd=own, dst_dir_fd=seed)
    except FileExistsError:
        part = f".{RUN}.part"
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=seed)
        reach("planner.share.again")
        os.link(RUN, part, src_dir_fd=own, dst_dir_fd=seed)
        reach("planner.share.renaming")
        os.rename(part, RUN, src_dir_fd=seed, dst_dir_fd=seed)
    except OSError:
        with open(os.open(RUN, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=own), "rb") as file:
            _replace(seed, RUN, file.read())
    reach("planner.share.after")
