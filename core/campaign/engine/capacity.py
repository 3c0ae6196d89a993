"""How many runs at a time, and which named slots: what this machine has, and who says so.

``CAMPAIGN_SLOTS`` comes first, then the spec's own ``slots``, then, for ``gpu``, what was detected.  A spec's ``slots``
only cap what the machine has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, Severity
from campaign.engine.devices import GPU, VISIBLE, Gpus, detect, listed, visible
from campaign.engine.host import processors
from campaign.plan.plan import Plan

#: More supervisors than that serve nobody.
MOST_PLACES = 1024
#: More units of one slot than that nobody has; each is kept by its index.
MOST_UNITS = 65_536
VARIABLE = "CAMPAIGN_SLOTS"


class Origin(StrEnum):
    """Who says how many units of a slot there are."""

    ENVIRONMENT = "environment"
    SPEC = "spec"
    DETECTION = "detection"
    NOBODY = "nobody"

    @property
    def words(self) -> str:
        """The same for people."""
        return {"environment": VARIABLE, "spec": "the spec", "detection": "detected", "nobody": "not declared"}[self]


class Slot(Struct, frozen=True, kw_only=True):
    """A named slot of this machine: how many units, who says so, and why none.

    ``devices`` are what CUDA calls the units, by index; shorter than ``count`` where more are declared than there are.
    """

    count: int
    origin: Origin
    why_none: str | None = None
    devices: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Who says so, in words."""
        return f"{self.origin.words}: {self.why_none}" if self.why_none else self.origin.words


class Capacity(Struct, frozen=True):
    """How many runs at a time, and the named slots of this machine."""

    parallel: int
    named: Mapping[str, Slot] = {}

    @property
    def slots(self) -> dict[str, int]:
        """The named slots and how many of each."""
        return {name: slot.count for name, slot in self.named.items()}

    @property
    def sources(self) -> dict[str, str]:
        """Who says how many there are, and why none, in words, by name."""
        return {name: slot.source for name, slot in self.named.items()}

    @property
    def devices(self) -> dict[str, tuple[str, ...]]:
        """What tools call the units of the slots that are devices."""
        return {name: slot.devices for name, slot in self.named.items() if name == GPU}


def capacity_of(plan: Plan, parallel: int | None, environ: Mapping[str, str]) -> Capacity:
    """The command line's ``parallel`` or the spec's or one run a processor; the named slots that the plan speaks of.

    Raises CampaignError where ``CAMPAIGN_SLOTS`` cannot be read.  The GPUs are asked for only by a plan that names
    the slot ``gpu``.
    """
    whole = plan.whole
    wanted = parallel or (whole.parallel if whole else None) or processors()
    asked = {name for scenario in plan.scenarios for name in (*scenario.needs, *scenario.prefers)}
    gpus = detect() if GPU in asked else Gpus(why_none="nothing asks for one")
    here = read_slots(environ.get(VARIABLE, ""))
    named = decide(asked, whole.slots if whole else {}, here, gpus, environ.get(VISIBLE))
    return Capacity(min(wanted, MOST_PLACES), named)


def decide(
    asked: Collection[str],
    declared: Mapping[str, int],
    here: Mapping[str, int] | None,
    gpus: Gpus,
    inherited: str | None,
) -> dict[str, Slot]:
    """The slots of this machine by name, pure.

    ``declared`` are the spec's, ``here`` what ``CAMPAIGN_SLOTS`` says (None: not set), ``inherited`` the engine's own
    ``CUDA_VISIBLE_DEVICES``.
    """
    usable = visible(gpus, inherited)
    names = sorted({*asked, *declared, *(here or {})})
    return {name: _slot(name, declared.get(name), here, usable, inherited) for name in names}


def _slot(name: str, declared: int | None, here: Mapping[str, int] | None, usable: Gpus, inherited: str | None) -> Slot:
    if here is not None and name in here:
        count, origin = _capped(here[name], declared), Origin.ENVIRONMENT
    elif here is None and declared is not None:
        count, origin = declared, Origin.SPEC
    elif name == GPU:
        count, origin = _capped(len(usable.devices), declared), Origin.DETECTION
    else:
        count, origin = 0, Origin.NOBODY if here is None else Origin.ENVIRONMENT
    why_none = usable.why_none if name == GPU and origin is Origin.DETECTION else None
    devices = _devices(count, usable, inherited) if name == GPU else ()
    return Slot(count=count, origin=origin, why_none=why_none, devices=devices)


def _capped(count: int, declared: int | None) -> int:
    return count if declared is None else min(count, declared)


def _devices(count: int, usable: Gpus, inherited: str | None) -> tuple[str, ...]:
    """UUIDs where NVML knows them; else what was inherited, for nothing beyond it may be used; else indexes."""
    if usable.devices:
        known = tuple(each.uuid for each in usable.devices)
    elif inherited is not None:
        known = listed(inherited)
    else:
        known = tuple(map(str, range(count)))
    return known[:count]


def slots_line(capacity: Capacity) -> str:
    """The named slots in one line, each with who says so: ``gpu 0 (detected: nvidia-ml-py is not installed)``."""
    return ", ".join(f"{name} {slot.count} ({slot.source})" for name, slot in capacity.named.items())


def doubts(capacity: Capacity) -> list[Diagnostic]:
    """Warnings: slots that are declared and have no device behind them."""
    return [
        Diagnostic(
            "CAMP540",
            f"{slot.origin.words} has {slot.count} {name}, this process sees {len(slot.devices)}",
            hint=f"runs that hold the others see no device; declare {len(slot.devices)}, or look at {VISIBLE}",
            severity=Severity.WARNING,
        )
        for name, slot in capacity.named.items()
        if name == GPU and len(slot.devices) < slot.count
    ]


def read_slots(text: str) -> dict[str, int] | None:
    """What ``CAMPAIGN_SLOTS`` says, ``gpu=2,board=1``; None where it is not set.  Raises CampaignError."""
    if not text.strip():
        return None
    found: dict[str, int] = {}
    for part in text.split(","):
        name, equals, count = (each.strip() for each in part.partition("="))
        if not (equals and _is_name(name) and count.isascii() and count.isdigit()):
            raise _unreadable(f"{part.strip() or 'an empty part'} is not name=count")
        if name in found:
            raise _unreadable(f"{name} is given twice")
        if len(count) > len(str(MOST_UNITS)) or int(count) > MOST_UNITS:
            raise _unreadable(f"{name} is more than {MOST_UNITS}")
        found[name] = int(count)
    return found


def _is_name(text: str) -> bool:
    """Names are those that a spec can write: letters, digits, ``_`` and ``-``."""
    return text.isascii() and text.replace("-", "_").isidentifier()


def _unreadable(why: str) -> CampaignError:
    hint = f"write names and counts: {VARIABLE}=gpu=1,disk=2"
    return CampaignError([Diagnostic("CAMP510", f"{VARIABLE}: {why}", hint=hint)])
