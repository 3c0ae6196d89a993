"""What an oracle says, and what follows from it for the run."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from campaign.records.excerpt import Excerpt, Grounds


class Verdict(StrEnum):
    """The closed list of verdicts; they combine fail > error > pass."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    ERROR = "error"
    CANCELED = "canceled"
    SKIPPED = "skipped"


class FailureKind(StrEnum):
    """The closed list of kinds of failure, as ``retry { on = […] }`` names them."""

    SETUP = "setup"
    TIMEOUT = "timeout"
    EXIT = "exit"
    SIGNAL = "signal"
    EXPECT = "expect"
    ORACLE = "oracle"
    SLA = "sla"
    GUARD = "guard"
    LOST = "lost"
    INTERNAL = "internal"


class Reason(StrEnum):
    """The closed list of reasons of runs that no evidence decides; every other reason is a sentence of the judge."""

    CANCELED = "canceled"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped at the first failure"
    ORPHANED = "orphaned"
    POISON = "poison"
    LOST = "lost"
    SKIPPED = "skipped"
    CHAIN = "an earlier link of its chain broke"


class FallbackReason(StrEnum):
    """The closed list of reasons why a preferred slot was not granted, each with the slot's name in it."""

    NONE_HERE = "no_{slot}_detected"
    TOO_FEW = "too_few_{slot}"

    def of(self, slot: str) -> str:
        """The reason for one slot: ``no_gpu_detected``."""
        return self.value.format(slot=slot)


class Judgement(Struct, frozen=True, omit_defaults=True):
    """An oracle's answer; its ``message`` names the first thing wrong, in one line.

    ``stdout``, ``stderr`` and ``exit_code`` are those of the program it asked, where it asked one; they are kept
    under ``oracle/`` even when empty.
    """

    ok: bool
    message: str = ""
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    details: dict[str, Any] = {}


class OracleRecord(Struct, frozen=True, omit_defaults=True):
    """An oracle's judgement in a run's record; ``error`` says why there is none (crashed, hung, nonsense).

    ``skipped``: not required and not available, so not judged.  ``paths`` are relative to the attempt.  ``excerpt`` is
    the stack in what the program that it asked wrote, where there is one.
    """

    label: str
    oracle: str
    ok: bool | None = None
    message: str = ""
    exit_code: int | None = None
    advisory: bool = False
    error: str | None = None
    skipped: str | None = None
    duration_s: float = 0.0
    details: dict[str, Any] = {}
    paths: tuple[str, ...] = ()
    excerpt: Excerpt | None = None


class Failure(Struct, frozen=True, omit_defaults=True):
    """Why a run did not pass.

    ``classification`` is ``new``, ``known``, ``quarantined`` or ``flaky``; ``class`` in files.  ``grounds`` are what
    the fingerprint was made from.
    """

    kind: FailureKind
    message: str
    fingerprint: str = ""
    classification: str | None = None
    duplicate_of: str | None = None
    grounds: Grounds | None = None


class Decision(Struct, frozen=True, omit_defaults=True):
    """What the judge makes of an attempt: a verdict, a reason in one line, and the failure if there is one."""

    verdict: Verdict
    reason: str = ""
    failure: Failure | None = None
