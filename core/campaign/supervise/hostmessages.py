"""What a supervisor and its provider host say to each other: one JSON object a line, each request answered once."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from campaign.proc import Process
from campaign.records import Evidence, Exit, Judgement


class Load(Struct, frozen=True, tag="load"):
    """Load these plugins besides the standard ones; they stay loaded."""

    id: int
    plugins: tuple[str, ...]


class Probe(Struct, frozen=True, tag="probe"):
    """Ask once whether a served tool is ready."""

    id: int
    tool: str
    label: str
    settings: dict[str, Any]
    workdir: str
    pid: int


class Arm(Struct, frozen=True, tag="arm"):
    """Prepare a fault; without ``target`` it is to be held."""

    id: int
    label: str
    fault: str
    settings: dict[str, Any]
    target: Process | None
    workdir: str
    random: int
    duration_s: float | None


class Inject(Struct, frozen=True, tag="inject"):
    """Act, now; ``undo`` is what ``Arm`` answered."""

    id: int
    label: str
    fault: str
    settings: dict[str, Any]
    target: Process | None
    workdir: str
    random: int
    duration_s: float | None
    undo: dict[str, Any]


class Clear(Struct, frozen=True, tag="clear"):
    """Take a fault back; ``workdir`` is the attempt's."""

    id: int
    fault: str
    undo: dict[str, Any]
    workdir: str = ""


class Ask(Struct, frozen=True, tag="ask"):
    """Have an oracle judge the evidence.

    ``unseen``: nobody has asked yet whether it is available, so that one that is required may not be.
    """

    id: int
    oracle: str
    settings: dict[str, Any]
    required: bool
    evidence: Evidence
    unseen: bool = False


class Sign(Struct, frozen=True, tag="sign"):
    """Ask the plugins for a signature of a failure that one of them understands."""

    id: int
    exit: Exit
    evidence: Evidence
    message: str


class VirtualFault(Struct, frozen=True, omit_defaults=True):
    """A fault to be simulated; as ``api.Draw`` has it, with its model and settings."""

    label: str
    fault: str
    settings: dict[str, Any]
    random: int
    sequence: int = 0
    index: int | None = None
    at_s: float = 0.0
    for_s: float | None = None
    sla_s: float | None = None


class Simulate(Struct, frozen=True, tag="simulate"):
    """How the faults of a run go on the virtual clock, all at once; ``over_s`` is the span of its schedule."""

    id: int
    plugins: tuple[str, ...]
    campaign: str
    key: str
    instance: str
    seed: int
    tier: str | None
    attempt: int
    schedule: str | None
    over_s: float
    faults: tuple[VirtualFault, ...]


Request: TypeAlias = Load | Probe | Arm | Inject | Clear | Ask | Sign | Simulate


class Done(Struct, frozen=True, tag="done"):
    """Loaded, or cleared; ``lapsed`` says why what was cleared had not been in force until then."""

    id: int
    lapsed: str | None = None


class Probed(Struct, frozen=True, tag="probed"):
    """What a served tool exports, missing while it is not ready."""

    id: int
    exports: dict[str, str] | None = None


class Armed(Struct, frozen=True, tag="armed"):
    """What ``Clear`` will need; journalled before anything is injected.

    ``after_tools``: a held one is taken off only once no process of the run is left.
    """

    id: int
    undo: dict[str, Any]
    after_tools: bool = False


class Acted(Struct, frozen=True, tag="acted"):
    """A fault acted, ``at`` that instant of the monotonic clock; the ends of ``hit`` are excused.

    ``env`` and ``wrap`` of a held one reach the tools that are started from now on.
    """

    id: int
    at: float
    hit: tuple[Process, ...] = ()
    notes: str | None = None
    env: dict[str, str] = {}
    wrap: tuple[str, ...] = ()


class SimulatedFault(Struct, frozen=True, omit_defaults=True):
    """How one went: seconds after its injection, missing for what never came about."""

    detected_after_s: float | None = None
    recovered_after_s: float | None = None
    notes: str | None = None


class Simulated(Struct, frozen=True, tag="simulated"):
    """How they all went, in their order, and files about it: texts by name."""

    id: int
    faults: tuple[SimulatedFault, ...]
    files: dict[str, str] = {}


class Answered(Struct, frozen=True, tag="answered"):
    """An oracle's judgement."""

    id: int
    judgement: Judgement


class Skipped(Struct, frozen=True, tag="skipped"):
    """An oracle that is not required and not available here, and why."""

    id: int
    why: str


class Signed(Struct, frozen=True, tag="signed"):
    """A plugin's signature of a failure, missing where none understands it."""

    id: int
    fingerprint: str | None = None


class Failed(Struct, frozen=True, tag="failed"):
    """It could not be done, and why; also given for a host that ended or ran past its time.

    ``disagrees``: what was read back is not what was set.  ``gone``: the host died of something else meanwhile.
    ``overdue``: the host did not answer in time and was killed for it.
    """

    id: int
    error: str
    disagrees: bool = False
    gone: bool = False
    overdue: bool = False


Reply: TypeAlias = Done | Probed | Armed | Acted | Answered | Skipped | Signed | Simulated | Failed
