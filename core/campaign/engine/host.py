"""The machine that a campaign runs on, as far as the system says."""

from __future__ import annotations

import os
import platform
from hashlib import blake2b

from campaign import __version__
from campaign.proc import boot_id
from campaign.records.host import HostRecord


def describe_host() -> HostRecord:
    """What ``host.json`` holds; what cannot be had is missing."""
    system = os.uname()
    return HostRecord(
        id=_machine_id(system.nodename),
        boot_id=boot_id(),
        hostname=system.nodename,
        system=system.sysname,
        release=system.release,
        architecture=system.machine,
        cpu_model=_field("/proc/cpuinfo", "model name"),
        cpus=processors(),
        memory_bytes=_memory(),
        python=platform.python_version(),
        campaign=__version__,
    )


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _machine_id(hostname: str) -> str:
    """Stable for a machine; machine-id(5) is not to be published as it is, so it is hashed."""
    secret = _read("/etc/machine-id").strip() or hostname
    return blake2b(secret.encode(), key=b"campaign", digest_size=8).hexdigest()


def _memory() -> int | None:
    text = _field("/proc/meminfo", "MemTotal")
    return int(text.split()[0]) * 1024 if text and text.split()[0].isdigit() else None


def _field(path: str, name: str) -> str | None:
    lines = (line.partition(":") for line in _read(path).splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), None)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
