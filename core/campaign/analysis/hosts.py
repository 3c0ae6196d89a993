"""How two hosts differ: what a comparison of two campaigns must know before it blames the tested thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from campaign.records.host import DiskView, GpuView, HostRecord, SensorView


class HostChange(Struct, frozen=True):
    """One thing that differs: ``before`` or ``after`` is None where only the other host has it."""

    what: str
    before: str | None
    after: str | None


def differences(before: HostRecord, after: HostRecord) -> tuple[HostChange, ...]:
    """What differs between two hosts, in the order of the record; what a sensor happens to read does not count."""
    first, second = traits(before), traits(after)
    names = [*first, *(name for name in second if name not in first)]
    changes = (HostChange(name, first.get(name), second.get(name)) for name in names)
    return tuple(change for change in changes if change.before != change.after)


#: The fields that are plain values, in the order in which a person asks.
_PLAIN = (
    *("id", "boot_id", "hostname", "system", "release", "version", "architecture"),
    *("cpu_model", "microcode", "sockets", "physical_cores", "cores", "cpus", "memory_bytes"),
    *("libc", "python", "campaign"),
)


def traits(host: HostRecord) -> Mapping[str, str]:
    """Everything of a host that lasts, as texts by name; what is not known is not there."""
    return dict(_traits(host))


def _traits(host: HostRecord) -> Iterator[tuple[str, str]]:
    for name in _PLAIN:
        value = getattr(host, name)
        if value is not None:
            yield name, str(value)
    if host.governors:
        yield "governors", ", ".join(host.governors)
    yield from ((f"dmi.{name}", text) for name, text in host.dmi.items())
    yield from ((f"gpu {number}", gpu_text(gpu)) for number, gpu in enumerate(host.gpus))
    yield from ((f"disk {disk.name}", disk_text(disk)) for disk in host.disks)
    yield from ((f"sensor {sensor_name(each)}", each.unit) for each in host.sensors)
    yield from ((f"plugin {name}", text) for name, text in host.plugins.items())


def gpu_text(gpu: GpuView) -> str:
    """A GPU in one line."""
    size = None if gpu.memory_bytes is None else size_text(gpu.memory_bytes)
    driver = None if gpu.driver is None else f"driver {gpu.driver}"
    vbios = None if gpu.vbios is None else f"VBIOS {gpu.vbios}"
    return _joined(gpu.name, size, driver, vbios, gpu.uuid)


def disk_text(disk: DiskView) -> str:
    """A disk in one line; its firmware too."""
    size = None if disk.size_bytes is None else size_text(disk.size_bytes)
    kind = None if disk.rotational is None else "rotational" if disk.rotational else "not rotational"
    firmware = None if disk.firmware is None else f"firmware {disk.firmware}"
    return _joined(disk.model, size, kind, firmware)


def sensor_name(sensor: SensorView) -> str:
    """Chip and sensor, and what it is called."""
    return f"{sensor.chip} {sensor.name}" + (f" ({sensor.label})" if sensor.label else "")


def size_text(size_bytes: int) -> str:
    """A size for people, in the largest unit that leaves a digit before the point."""
    size, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.4g} {units[0]}"


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)
