"""Faults: what is put into a run and taken back, in the world or on the virtual clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct

from campaign.plugins.layout import UnableError
from campaign.plugins.providers import Provider
from campaign.proc import Process
from campaign.records.order import Overlap
from campaign.units import Value


class DisagreesError(UnableError):
    """Raised by a fault whose read-back is not what it set: the machine cannot be trusted to be as it was left.

    The run does not pass, and its slots stay held until a person has looked.
    """


class Injection(Struct, frozen=True, kw_only=True):
    """A fault about to happen: its settings, the process aimed at (leader of a step or served tool) and the draw.

    ``target`` is missing where the fault is held: it is put on before any process of the run is there.
    ``duration_s`` is the fault's ``for``; ``random`` a number drawn from the run's key, 0 to 2^64-1.
    """

    label: str
    settings: Mapping[str, Value]
    target: Process | None
    workdir: str
    random: int
    duration_s: float | None = None


class Injected(Struct, frozen=True, kw_only=True):
    """What a fault did: ``hit`` are the processes whose end is now excused, ``notes`` one line for the record.

    Of a held one: ``env`` is added to the environment of every tool that it is for, and ``wrap`` stands before its
    argument vector: a program with its arguments that becomes the tool (``prlimit``, ``taskset``).
    """

    hit: tuple[Process, ...] = ()
    notes: str | None = None
    env: Mapping[str, str] = {}
    wrap: tuple[str, ...] = ()


class Draw(Struct, frozen=True, kw_only=True):
    """One fault of a virtual timeline, and what its outcome may be drawn from.

    ``seed`` is the run's, ``random`` was drawn for this fault from the run's key, both 0 to 2^64-1.  ``sequence`` is
    its number in the schedule that laid it out, by instants from 1; 0 where none did.  ``index`` (from 1) tells the
    repeats of a label apart.  ``at_s`` is when it is injected, ``for_s`` how long it lasts, ``sla_s`` within what it is
    to recover: seconds, from the start of the run and from the injection.
    """

    label: str
    seed: int
    random: int
    sequence: int = 0
    index: int | None = None
    at_s: float = 0.0
    for_s: float | None = None
    sla_s: float | None = None


class Simulated(Struct, frozen=True, kw_only=True):
    """How a fault went on the virtual timeline: seconds after its injection, None for what never came about."""

    detected_after_s: float | None = None
    recovered_after_s: float | None = None
    notes: str | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """A fault that was simulated, with the settings it had and how it went."""

    draw: Draw
    settings: Mapping[str, Value]
    simulated: Simulated


class Timeline(Struct, frozen=True, kw_only=True):
    """A run on the virtual clock: who it is, the strategy that laid its faults out, and the seconds of its span."""

    campaign: str
    key: str
    instance: str
    seed: int
    tier: str | None
    attempt: int
    schedule: str | None
    over_s: float


class Fault(Provider):
    """A fault model, in three phases so that instants are kept and crashes undone; all in the provider host.

    ``arm`` prepares and returns the inverse as JSON, which is journalled and synced before ``inject`` acts;
    ``clear`` takes it back from that JSON alone, perhaps in another process after a crash, and may be called
    twice.  Any exception means: not injected, and the run is an error.
    """

    #: Whether it can stand under ``clock virtual``: ``simulate`` is implemented.
    simulates: ClassVar[bool] = False

    #: Whether its target, which must be a served tool, is started again once the fault is over, with the same command
    #: in the same place; it is over at once where it is given no ``for``.  What is left of it then, ``clear`` ends.
    restarts: ClassVar[bool] = False
    #: The full name of the served tool that its target must be: ``net.proxy``; None where it hits any process.
    aims_at: ClassVar[str | None] = None
    #: What becomes of two in force that change the same: ``adds``, each is taken back by itself; ``stacks``, one on
    #: which another was injected is taken back after that one; ``counts``, all once the last of them is over.
    overlaps: ClassVar[Overlap] = "stacks"
    #: Whether it can stand after ``fault``: it acts at an instant, while the run's processes are there.
    injects: ClassVar[bool] = True
    #: Whether it can stand after ``hold``: it acts before the run's processes are there, and aims at none of them.
    holds: ClassVar[bool] = False
    #: Of a held one: whether it is taken off only once no process of the run is left, because it must not go from under
    #: them: a file system, say.
    after_tools: ClassVar[bool] = False

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """What these settings ask for and this machine lacks, in one sentence that says how to get it; None if nothing.

        Called before anything runs, with the settings of a scenario's first run.
        """
        return None

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """What it changes that outlives the run's processes: absolute paths of files, or names such as ``rail:vcore``.

        No two attempts on this machine hold or fault one of them at the same time: the second one waits.  Called in
        the planner for every run: quick, pure, no I/O.
        """
        return ()

    def shares(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """What it changes within the run, by name: faults of this model that name the same overlap.

        Where it names nothing here and nothing in ``resources``, it is its target.  Called in the planner likewise.
        """
        return ()

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The names of signals (``KILL``) that do the same to its target: at its instant, and when it is over.

        Empty where none do.  Called in the planner for a run that did not pass, for its ``replay.sh``.
        """
        return ()

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Prepare, act on nothing, and return what ``clear`` needs."""
        return {}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Act, now."""
        raise NotImplementedError(f"{type(self).__name__}.inject")

    def lapsed(self, undo: Mapping[str, Any]) -> str | None:
        """Why it has not been in force until now, in a few words: «its helper was killed by SIGKILL»; None if it was.

        Asked once, right before ``clear``, where it is taken back because its time or the run is over.  What has lapsed
        is an error of the run: nobody knows how long it lasted.  Looks only, and acts on nothing.
        """
        return None

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Take it back; idempotent; raises where that failed."""

    def simulate(self, draw: Draw, settings: Mapping[str, Value]) -> Simulated:
        """How a fault goes on the virtual clock.  Pure: of these arguments alone, no clock, no I/O."""
        raise NotImplementedError(f"{type(self).__name__}.simulate")

    def reports(self, timeline: Timeline, outcomes: Sequence[Outcome]) -> Mapping[str, str]:
        """Files about a simulated run, texts by name, that are put beside its evidence; none unless it says so.

        Called once for a run, with its faults of this model by their instants.  Pure likewise.
        """
        return {}
