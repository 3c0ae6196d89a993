"""What happened to an attempt's processes: written once by its supervisor, before anything judges it."""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from campaign.records.excerpt import Excerpt

EXIT_SCHEMA = "campaign.exit/1"
_SEAL = b',"check":"'


class ProcessExit(Struct, frozen=True, omit_defaults=True):
    """How a process ended: one of ``code`` and ``signal`` is set; ``timeout``: campaign ended it for its time."""

    code: int | None = None
    signal: int | None = None
    timeout: bool = False


class Stop(StrEnum):
    """Why the supervisor ended an attempt early; the values are what users read."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    INTERRUPT = "interrupt"
    SERVICE = "a served tool ended by itself"
    SAFETY = "guard"


class OutputRecord(Struct, frozen=True, omit_defaults=True):
    """What was kept of an output: ``total_bytes`` were written, ``dropped_bytes`` left out between head and tail.

    ``path`` is relative to the attempt's public directory, missing where there was no output at all.
    """

    path: str | None = None
    total_bytes: int = 0
    dropped_bytes: int = 0


class TraceExit(Struct, frozen=True, omit_defaults=True):
    """What is left of a trace: ``bytes`` are kept, ``truncated`` says whether something is missing at its end.

    ``path`` is relative to the attempt's public directory.
    """

    path: str
    bytes: int
    truncated: bool = False


class StepExit(Struct, frozen=True, omit_defaults=True):
    """A step that was started (times in seconds from the attempt's start).

    ``excused``: a fault of the campaign hit this very process, so its exit does not count.
    ``metrics`` are texts as printed; ``error`` says why a step could not be started at all.
    """

    label: str
    tool: str
    argv: tuple[str, ...]
    exit: ProcessExit
    index: int | None = None
    started_at_s: float = 0.0
    duration_s: float = 0.0
    excused: bool = False
    counts: bool = True
    ok: bool = False
    metrics: dict[str, str] = {}
    output: OutputRecord = OutputRecord()
    error: str | None = None
    trace: TraceExit | None = None


class FaultExit(Struct, frozen=True, omit_defaults=True):
    """A fault: seconds from the attempt's start; ``injected_at_s`` missing where it was not injected, ``error`` why.

    Of one that was injected ``error`` says that it ended before it was taken back: a helper of it was killed.
    ``detected_at_s`` and ``recovered_at_s`` are what the watches saw, missing where they saw nothing.
    """

    label: str
    fault: str
    planned_at_s: float
    injected_at_s: float | None = None
    cleared_at_s: float | None = None
    detected_at_s: float | None = None
    recovered_at_s: float | None = None
    target: str | None = None
    notes: str | None = None
    error: str | None = None
    undo_failed: str | None = None
    index: int | None = None

    @property
    def name(self) -> str:
        """As the language writes it: ``crash[2]`` where it was laid out more than once."""
        return self.label if self.index is None else f"{self.label}[{self.index}]"

    @property
    def lapsed(self) -> bool:
        """Whether it was injected, and ended before it was taken back."""
        return self.injected_at_s is not None and self.error is not None


class HoldExit(Struct, frozen=True, omit_defaults=True):
    """A held condition: seconds from the attempt's start; without ``put_on_at_s`` it was not put on, ``error`` why.

    Of one that was put on ``error`` says that it ended before it was taken off.
    ``disagreed``: what was read back is not what was set.  ``undo_failed``: it may still be in force, and why.
    """

    label: str
    fault: str
    put_on_at_s: float | None = None
    taken_off_at_s: float | None = None
    target: str | None = None
    notes: str | None = None
    error: str | None = None
    disagreed: bool = False
    undo_failed: str | None = None

    @property
    def returned(self) -> bool:
        """Whether it was put back although what was set did not read back: a person looks before it is used again."""
        return self.disagreed and self.undo_failed is None

    @property
    def lapsed(self) -> bool:
        """Whether it was put on, and ended before it was taken off."""
        return self.put_on_at_s is not None and self.error is not None


class GuardExit(Struct, frozen=True, omit_defaults=True):
    """A guard: how often it was asked, what it said last, and when it objected, in seconds from the attempt's start."""

    label: str
    oracle: str
    samples: int = 0
    message: str = ""
    breached_at_s: float | None = None


class Sample(Struct, frozen=True, array_like=True):
    """A sample that a watch gave and that said something new, ``at_s`` the instant of its answer.

    ``ok`` is missing where its oracle could not judge.
    """

    at_s: float
    ok: bool | None
    message: str = ""


class WatchExit(Struct, frozen=True, omit_defaults=True):
    """What a watch saw (times in seconds from the attempt's start): its samples where they said something new.

    ``samples`` were answered, from ``first_at_s`` to ``last_at_s``, never more than ``longest_s`` apart; ``missed``
    were due while the one before was still being asked.  ``left_out`` are changes that are not listed: of the message
    alone, or between two samples of which the first says so.  ``error``: it could not be asked any more, and why.
    ``skipped``: not required and not available.
    """

    label: str
    oracle: str
    samples: int = 0
    missed: int = 0
    first_at_s: float | None = None
    last_at_s: float | None = None
    longest_s: float = 0.0
    changes: tuple[Sample, ...] = ()
    left_out: int = 0
    error: str | None = None
    skipped: str | None = None


class Exit(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="schema", tag=EXIT_SCHEMA):
    """The exit record of one attempt, ``exit.json``: whole or not there.

    ``setup_error``: nothing of the run's own was started, and why.  ``stopped``: ended before its natural end.
    ``tree_empty`` false: processes survived, the slots stay held.  ``late`` are the late values that became known, by
    name.  ``excerpt`` is what the output says of the cause, where it did not end well.  Times are UTC, RFC 3339.  Under
    the ``virtual`` clock nothing was started: seconds are those of a timeline that begins with the attempt, dates are
    those of the day.
    """

    token: str
    epoch: int
    digest: str
    started_at: str
    finished_at: str
    duration_s: float
    boot_id: str
    clock: Literal["real", "virtual"] = "real"
    steps: tuple[StepExit, ...] = ()
    services: tuple[StepExit, ...] = ()
    holds: tuple[HoldExit, ...] = ()
    guards: tuple[GuardExit, ...] = ()
    faults: tuple[FaultExit, ...] = ()
    watches: tuple[WatchExit, ...] = ()
    matched: tuple[str, ...] = ()
    output: OutputRecord = OutputRecord()
    excerpt: Excerpt | None = None
    granted: dict[str, tuple[int, ...]] = {}
    late: dict[str, str] = {}
    stopped: Stop | None = None
    setup_error: str | None = None
    internal_error: str | None = None
    tree_empty: bool = True

    @property
    def cleared(self) -> bool:
        """Whether nothing of it can still be in force: else its slots stay held until a person has looked."""
        return not self.left

    @property
    def breaks(self) -> bool:
        """Whether no further run of its chain may follow: it did not come to an end of its own, or left something."""
        ended = self.stopped not in {None, Stop.TIMEOUT}
        return ended or self.setup_error is not None or self.internal_error is not None or not self.cleared

    @property
    def left(self) -> tuple[str, ...]:
        """In sentences, what a person has to look at before its slots, files and rails are used again."""
        tree = () if self.tree_empty else ("processes of it survived being killed",)
        faults = (
            f"the fault {each.label} could not be undone: {each.undo_failed}"
            for each in self.faults
            if each.undo_failed
        )
        return (*tree, *faults, *(why for each in self.holds if (why := _left(each)) is not None))


def _left(hold: HoldExit) -> str | None:
    if hold.undo_failed is not None:
        return f"the hold {hold.label} could not be taken off: {hold.undo_failed}"
    if hold.returned:
        return f"the hold {hold.label} was put back as it was, but it does not do what it is told: {hold.error}"
    return None


def sealed(record: bytes) -> bytes:
    """An exit record as JSON, with ``check`` as its last field, of the file alone: a digest of all before it."""
    return record[:-1] + _SEAL + _digest(record) + b'"}'


def unbroken(data: bytes) -> bool:
    """Whether an ``exit.json`` is as it was sealed; one without a seal is not."""
    record, seal, digest = data.rpartition(_SEAL)
    return bool(seal) and digest == _digest(record + b"}") + b'"}'


def _digest(record: bytes) -> bytes:
    return blake2b(record, digest_size=8).hexdigest().encode()
