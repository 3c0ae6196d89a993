"""The public folder of an attempt and the working folder of its tools, held open while it lasts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec

from campaign.records import Order, StepLine, WatchExit, WatchLine, watch_path
from campaign.supervise.folders import closing_fd, open_below, open_folder, unchanged, write_file

STEPS_FILE = "steps.ldjson"

_encode = msgspec.json.Encoder().encode


class Workplace:
    """Made when the attempt starts; what becomes of the paths later cannot lead our writing elsewhere."""

    def __init__(self, order: Order) -> None:
        """Make the folders.  Raises OSError, also where a symbolic link stands in the way."""
        self._paths = order.directories
        self.public = open_folder(self._paths.public, order.campaign)
        try:
            self.work = self._open_work(order)
        except OSError:
            os.close(self.public)
            raise
        try:
            self.served = self._open_served(order)
        except OSError:
            os.close(self.public)
            os.close(self.work)
            raise

    def _open_work(self, order: Order) -> int:
        folder, _, name = self._paths.work.rpartition("/")
        if folder == self._paths.public:
            return open_below(self.public, name)
        return open_folder(self._paths.work, order.campaign)

    def _open_served(self, order: Order) -> int:
        """Where served tools work: beside the steps, or in the folder of their chain."""
        chain = self._paths.chain
        return os.dup(self.work) if chain is None else open_folder(chain, order.campaign)

    def problem(self) -> str | None:
        """What happened to the folders meanwhile, in a sentence; None where they are as they were."""
        for fd, path, name in ((self.public, self._paths.public, "run"), (self.work, self._paths.work, "working")):
            if not unchanged(fd, path):
                return f"the {name} directory was removed or replaced while the run was under way: {path}"
        return None

    def write_steps(self, lines: Iterable[StepLine]) -> None:
        """Leave ``steps.ldjson``, one line a step.  Raises OSError."""
        data = b"".join(_encode(line) + b"\n" for line in lines)
        if data:
            write_file(self.public, STEPS_FILE, data)

    def write_watches(self, watches: Iterable[WatchExit]) -> None:
        """Leave ``watch/<label>.ldjson`` of each that looked.  Raises OSError."""
        for watch in watches:
            folder, _, name = watch_path(watch.label).partition("/")
            if data := b"".join(_encode(line) + b"\n" for line in _lines(watch)):
                with closing_fd(open_below(self.public, folder)) as fd:
                    write_file(fd, name, data)

    def close(self) -> None:
        """Let go of the folders."""
        for fd in (self.public, self.work, self.served):
            os.close(fd)


def _lines(watch: WatchExit) -> Iterator[WatchLine]:
    """What it saw, and until when that was so."""
    for each in watch.changes:
        yield WatchLine(label=watch.label, at_s=each.at_s, ok=each.ok, message=each.message)
    if watch.changes and watch.last_at_s is not None and watch.last_at_s > watch.changes[-1].at_s:
        last = watch.changes[-1]
        yield WatchLine(label=watch.label, at_s=watch.last_at_s, ok=last.ok, message=last.message)
