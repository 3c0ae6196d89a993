"""The machine that a campaign runs on, as far as the system says; what it does not say is missing, with the reason."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from campaign import __version__
from campaign.engine import hardware
from campaign.engine.devices import detect
from campaign.engine.sysfs import collect, printable, read_line
from campaign.plugins.discovery import Installed
from campaign.proc import boot_id
from campaign.records.host import GpuView, HostRecord, host_facts

_Item = TypeVar("_Item")
#: How long a part of the machine may take to answer; a GPU whose driver sleeps takes seconds to wake.
_DEADLINE_S = 2.0
_GPU_DEADLINE_S = 8.0
#: Why a part is not there when nothing answers for it.
_WHY: Mapping[str, str] = {
    "cpu_model": "/proc/cpuinfo does not name it",
    "memory_bytes": "/proc/meminfo does not say",
    "physical_cores": "the kernel shows no topology of the processors",
    "sockets": "the kernel shows no topology of the processors",
    "microcode": "/proc/cpuinfo does not tell its version",
    "governors": "the kernel does not set the processors' frequency (no cpufreq in /sys)",
    "dmi": "/sys/class/dmi/id is not there: the firmware leaves no tables, as in many virtual machines",
    "sensors": "no driver offers any in /sys/class/hwmon or /sys/class/thermal",
    "disks": "no disk is a device in /sys/block",
}


def describe_host(root: str = "/") -> HostRecord:
    """What ``host.json`` holds; takes no longer than its deadlines, whatever hangs."""
    system = os.uname()
    processor = hardware.cpu(root)
    missing: dict[str, str] = {}
    known = _parts(root, missing)
    host = HostRecord(
        id=_machine_id(system.nodename),
        boot_id=boot_id(),
        hostname=system.nodename,
        system=system.sysname,
        release=system.release,
        version=system.version,
        architecture=system.machine,
        cpu_model=processor.model,
        microcode=processor.microcode,
        cores=processor.cores,
        physical_cores=processor.physical_cores,
        sockets=processor.sockets,
        governors=processor.governors,
        cpus=processors(),
        memory_bytes=hardware.memory_bytes(root),
        python=platform.python_version(),
        campaign=__version__,
        libc=" ".join(platform.libc_ver()).strip() or None,
        plugins=_plugins(),
        **known,
    )
    absent = {name: why for name, why in _WHY.items() if not getattr(host, name)}
    return msgspec.structs.replace(host, missing=absent | missing, facts=host_facts(host))


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _parts(root: str, missing: dict[str, str]) -> dict[str, Any]:
    """The parts whose drivers are asked, each within its deadline; why one is not whole goes to ``missing``."""

    def part(name: str, items: Callable[[], Iterable[_Item]]) -> list[_Item]:
        found, why = collect(items, _DEADLINE_S)
        if why:
            missing[name] = why
        return found

    return {
        "dmi": dict(part("dmi", lambda: hardware.dmi(root))),
        "sensors": tuple(part("sensors", lambda: hardware.sensors(root))),
        "disks": tuple(part("disks", lambda: hardware.disks(root))),
        "gpus": _gpus(root, missing),
    }


def _gpus(root: str, missing: dict[str, str]) -> tuple[GpuView, ...]:
    """As NVML tells of them; where it tells of none, what the PCI bus shows."""
    asked, why = collect(lambda: [detect()], _GPU_DEADLINE_S)
    if asked and asked[0].devices:
        return tuple(
            GpuView(
                name=printable(each.name),
                uuid=printable(each.uuid),
                memory_bytes=each.memory_bytes,
                driver=each.driver,
                vbios=each.vbios,
            )
            for each in asked[0].devices
        )
    missing["gpus"] = why or (asked[0].why_none if asked else None) or "none was found"
    return tuple(collect(lambda: hardware.display_devices(root), _DEADLINE_S)[0])


def _plugins() -> dict[str, str]:
    """Every installed plugin, with the distribution and version it comes from; nothing is imported to find out."""
    return {name: ", ".join(map(str, origins)) for name, origins in Installed().origins.items()}


def _machine_id(hostname: str) -> str:
    """Stable for a machine; machine-id(5) is not to be published as it is, so it is hashed."""
    secret = read_line("/etc/machine-id") or hostname
    return blake2b(secret.encode(), key=b"campaign", digest_size=8).hexdigest()
