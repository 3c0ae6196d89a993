"""The machine's parts, as /proc and /sys show them; ``root`` is ``/``, or a tree like it.

Every function says what there is, and nothing of what there is not; ``host`` says why something is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fractions import Fraction

from msgspec import Struct

from campaign.engine.sysfs import entries, printable, read_line, read_number, read_text
from campaign.records.host import DiskView, GpuView, SensorView

_CPUS = "sys/devices/system/cpu"
_DMI = "sys/class/dmi/id"
_HWMON = "sys/class/hwmon"
_THERMAL = "sys/class/thermal"
_BLOCK = "sys/block"
_PCI = "sys/bus/pci/devices"
#: What tells boards and firmware apart; serial numbers and UUIDs are nobody's business.
_DMI_FIELDS = (
    *(f"bios_{each}" for each in ("vendor", "version", "date", "release")),
    *(f"board_{each}" for each in ("vendor", "name", "version")),
    *(f"chassis_{each}" for each in ("vendor", "type")),
    "ec_firmware_release",
    *(f"product_{each}" for each in ("name", "family", "version", "sku")),
    "sys_vendor",
)
#: hwmon's kinds of sensors: unit, and how many of what is read make one (kernel: Documentation/hwmon/sysfs-interface).
_SENSORS: Mapping[str, tuple[str, int]] = {
    "temp": ("C", 1000),
    "in": ("V", 1000),
    "curr": ("A", 1000),
    "power": ("W", 1_000_000),
    "fan": ("rpm", 1),
}
_INPUT = "_input"
_SECTOR = 512
_DISPLAY_CLASS = "0x03"
#: Owners of the PCI vendor ids of most GPUs; others are told by number.
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}


class Cpu(Struct, frozen=True, kw_only=True):
    """The processors: logical ones online, the cores and sockets that they share, and what drives their speed."""

    model: str | None = None
    microcode: str | None = None
    cores: int | None = None
    physical_cores: int | None = None
    sockets: int | None = None
    governors: tuple[str, ...] = ()


def cpu(root: str = "/") -> Cpu:
    """The processors of this machine."""
    online = _listed(read_line(os.path.join(root, _CPUS, "online")) or "")
    folders = [os.path.join(root, _CPUS, f"cpu{number}") for number in online]
    return Cpu(
        model=_cpu_model(root),
        microcode=proc_field("cpuinfo", "microcode", root),
        cores=len(online) or os.cpu_count(),
        physical_cores=_distinct(folders, "topology/thread_siblings_list"),
        sockets=_distinct(folders, "topology/physical_package_id"),
        governors=tuple(sorted(_values(folders, "cpufreq/scaling_governor"))),
    )


def _cpu_model(root: str) -> str | None:
    """What the processor calls itself; on ARM, which has no such name, what the board or its part number says."""
    named = proc_field("cpuinfo", "model name", root) or proc_field("cpuinfo", "cpu model", root)
    part = proc_field("cpuinfo", "CPU part", root)
    numbered = f"implementer {proc_field('cpuinfo', 'CPU implementer', root)} part {part}" if part else None
    return named or read_line(os.path.join(root, "proc/device-tree/model")) or numbered


def _listed(text: str) -> list[int]:
    """The numbers of a list of the kernel's, ``0-3,8``; none where it is not one."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        if not all(each.isascii() and each.isdigit() and len(each) < 5 for each in (first, last if dash else first)):
            return []
        found |= set(range(int(first), int(last if dash else first) + 1))
    return sorted(found)


def _distinct(folders: list[str], name: str) -> int | None:
    return len(_values(folders, name)) or None


def _values(folders: list[str], name: str) -> set[str]:
    return {text for folder in folders if (text := read_line(os.path.join(folder, name)))}


def memory_bytes(root: str = "/") -> int | None:
    """The memory that the kernel manages."""
    number, _, unit = (proc_field("meminfo", "MemTotal", root) or "").partition(" ")
    return int(number) * 1024 if number.isascii() and number.isdigit() and unit == "kB" else None


def proc_field(file: str, name: str, root: str = "/") -> str | None:
    """The first field of that name in a file of ``/proc`` that is written ``name : value``."""
    try:
        text = read_text(os.path.join(root, "proc", file))
    except OSError:
        return None
    lines = (line.partition(":") for line in text.splitlines())
    return next((printable(value) or None for key, _, value in lines if key.strip() == name), None)


def dmi(root: str = "/") -> Iterator[tuple[str, str]]:
    """What the firmware says of board, chassis and itself, by field; on a board with a device tree, its model."""
    for field in _DMI_FIELDS:
        if text := read_line(os.path.join(root, _DMI, field)):
            yield field, text
    if text := read_line(os.path.join(root, "proc/device-tree/model")):
        yield "device_tree_model", text


def sensors(root: str = "/") -> Iterator[SensorView]:
    """Every sensor of hwmon; where there is none, the thermal zones."""
    some = False
    for number, folder in enumerate(_folders(root, _HWMON)):
        chip = read_line(os.path.join(folder, "name")) or f"hwmon{number}"
        for name in entries(folder):
            kind = name.removesuffix(_INPUT).rstrip("0123456789")
            if name.endswith(_INPUT) and kind in _SENSORS:
                some = True
                yield _sensor(folder, chip, name.removesuffix(_INPUT), *_SENSORS[kind])
    if not some:
        yield from _zones(root)


def _sensor(folder: str, chip: str, name: str, unit: str, per_unit: int) -> SensorView:
    path = os.path.join(folder, name)
    label = read_line(f"{path}_label")
    return _measured(f"{path}{_INPUT}", per_unit, SensorView(chip=chip, name=name, unit=unit, label=label))


def _zones(root: str) -> Iterator[SensorView]:
    for folder in _folders(root, _THERMAL):
        if os.path.lexists(os.path.join(folder, "temp")):
            kind = read_line(os.path.join(folder, "type"))
            view = SensorView(chip="thermal", name=printable(os.path.basename(folder)), unit="C", label=kind)
            yield _measured(os.path.join(folder, "temp"), 1000, view)


def _measured(path: str, per_unit: int, view: SensorView) -> SensorView:
    """The sensor with what it reads now; one that does not answer says so."""
    told = {name: getattr(view, name) for name in ("chip", "name", "unit", "label")}
    try:
        read_text(path)
    except OSError as error:
        return SensorView(**told, why=error.strerror or str(error))
    number = read_number(path)
    if number is None:
        return SensorView(**told, why="it gives no number")
    return SensorView(**told, value=float(Fraction(number, per_unit)))


def disks(root: str = "/") -> Iterator[DiskView]:
    """The disks that are devices; loops, RAM disks and what is mapped onto others are none."""
    for folder in _folders(root, _BLOCK):
        if os.path.isdir(os.path.join(folder, "device")):
            yield _disk(folder)


def _disk(folder: str) -> DiskView:
    sectors = read_number(os.path.join(folder, "size"))
    rotational = read_number(os.path.join(folder, "queue/rotational"))
    firmware = (read_line(os.path.join(folder, "device", name)) for name in ("firmware_rev", "rev"))
    return DiskView(
        name=printable(os.path.basename(folder)),
        model=read_line(os.path.join(folder, "device/model")),
        firmware=next((text for text in firmware if text), None),
        size_bytes=None if sectors is None else sectors * _SECTOR,
        rotational=None if rotational is None else rotational != 0,
    )


def display_devices(root: str = "/") -> Iterator[GpuView]:
    """The display controllers on the PCI bus, with the driver that the kernel bound; ids stand for names."""
    for folder in _folders(root, _PCI):
        if (read_line(os.path.join(folder, "class")) or "").startswith(_DISPLAY_CLASS):
            vendor, device = (read_line(os.path.join(folder, name)) or "?" for name in ("vendor", "device"))
            ids = f"{vendor.removeprefix('0x')}:{device.removeprefix('0x')}"
            driver = printable(os.path.basename(os.path.realpath(os.path.join(folder, "driver"))))
            bound = os.path.islink(os.path.join(folder, "driver"))
            name = f"{_VENDORS[vendor]} {ids}" if vendor in _VENDORS else ids
            yield GpuView(name=name, driver=driver if bound else None)


def _folders(root: str, folder: str) -> list[str]:
    path = os.path.join(root, folder)
    return [os.path.join(path, name) for name in entries(path)]
