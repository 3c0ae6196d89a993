"""``host.json``: the machine that a campaign ran on."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

HOST_SCHEMA = "campaign.host/1"


class SensorView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sensor of the kernel's: ``value`` in ``unit`` (C, V, A, W, rpm) at the moment it was read; None: no answer.

    ``chip`` and ``name`` are the kernel's own, ``label`` what the board's maker calls it.
    """

    chip: str
    name: str
    unit: str
    label: str | None = None
    value: float | None = None
    why: str | None = None


class DiskView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One disk: its size in bytes, whether it turns, and what its maker calls it and its firmware."""

    name: str
    model: str | None = None
    firmware: str | None = None
    size_bytes: int | None = None
    rotational: bool | None = None


class GpuView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GPU as its driver tells of it; one that only the PCI bus knows has no ``uuid``, and its ids as ``name``."""

    name: str
    uuid: str | None = None
    memory_bytes: int | None = None
    driver: str | None = None
    vbios: str | None = None


class HostRecord(Struct, frozen=True, kw_only=True):
    """A machine as found: what cannot be had is missing, never guessed, and ``missing`` says why.

    ``id`` is stable for a machine, ``boot_id`` for one start of it; sizes in bytes.  ``cores`` are the logical
    processors that are online, ``physical_cores`` the cores they share, ``cpus`` those that campaign may use.
    ``facts`` are what matchers see.
    """

    schema: str = HOST_SCHEMA
    id: str
    boot_id: str
    hostname: str
    system: str
    release: str
    architecture: str
    cpu_model: str | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    python: str
    campaign: str
    facts: dict[str, Any] = {}
    version: str | None = None
    cores: int | None = None
    physical_cores: int | None = None
    sockets: int | None = None
    microcode: str | None = None
    governors: tuple[str, ...] = ()
    dmi: dict[str, str] = {}
    sensors: tuple[SensorView, ...] = ()
    disks: tuple[DiskView, ...] = ()
    gpus: tuple[GpuView, ...] = ()
    libc: str | None = None
    plugins: dict[str, str] = {}
    missing: dict[str, str] = {}


def host_facts(host: HostRecord) -> dict[str, Any]:
    """What matchers see of a machine, JSON values by name; what is not known is left out.

    ``cpu_model``, ``architecture``, ``kernel``: texts; ``cores``: a count; ``memory``: bytes; ``gpus``: names;
    ``dmi``: texts by field.
    """
    found = {
        "cpu_model": host.cpu_model,
        "architecture": host.architecture,
        "kernel": host.release,
        "cores": host.cores,
        "memory": host.memory_bytes,
        "gpus": [gpu.name for gpu in host.gpus],
        "dmi": dict(host.dmi),
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}
