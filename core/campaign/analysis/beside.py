"""What stands beside a campaign's evidence, read back: ``plan.json`` and ``host.json``; what is missing is None.

Both are projections that anything may have replaced since, so nothing is followed, waited for, or trusted.
"""

from __future__ import annotations

import os
import stat
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from campaign.analysis.smallest import smallest
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import DONE
from campaign.records import Environment, HostRecord, PlanView

_Record = TypeVar("_Record", bound=Struct)
_OUTPUT, _EXCERPT_BYTES, _EXCERPT_LINES = "output.log", 3000, 24
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Beside(Struct, frozen=True):
    """The plan and the machine of a campaign, as far as its folder still tells them."""

    plan: PlanView | None = None
    host: HostRecord | None = None

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances in the order of the plan."""
        return () if self.plan is None else tuple(each.instance for each in self.plan.instances)

    @property
    def environment(self) -> Environment:
        """What took part."""
        plan, host = self.plan, self.host
        return Environment(
            campaign=host.campaign if host else None,
            python=host.python if host else None,
            system=host.release if host else None,
            plugins={each.plugin: f"{each.distribution} {each.version}" for each in plan.plugins} if plan else {},
            tools=plan.tools if plan else (),
        )


def read_beside(folder: str) -> Beside:
    """What the campaign's folder (``<run root>/<campaign id>``) holds of itself."""
    return Beside(_read(folder, "plan.json", PlanView), _read(folder, "host.json", HostRecord))


def _read(folder: str, name: str, record: type[_Record]) -> _Record | None:
    try:
        fd = os.open(os.path.join(folder, name), _FLAGS)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            return msgspec.json.decode(file.read(), type=record)
    except (OSError, msgspec.MsgspecError):
        return None


def minimized(ledger: LedgerReader, token: str) -> dict[str, Any] | None:
    """What an attempt was minimized to, at the smallest; None where it was not.  Raises LedgerError."""
    asked = [each for each in ledger.requests_of(token) if each.kind == "minimize" and each.state == DONE]
    return smallest(each.result for each in asked if each.result)


def read_excerpt(folder: str) -> str:
    """The end of the output that an attempt left in its folder, whole lines where there are any; empty for none."""
    try:
        fd = os.open(os.path.join(folder, _OUTPUT), _FLAGS)
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return ""
            file.seek(max(0, status.st_size - _EXCERPT_BYTES))
            text = file.read(_EXCERPT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    _, newline, rest = text.partition("\n")
    whole = rest if newline and status.st_size > _EXCERPT_BYTES else text
    return "".join(whole.splitlines(keepends=True)[-_EXCERPT_LINES:])
