"""The host: this very machine, machines made of files, and machines that flood, mislead or hang."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from campaign.engine import hardware
from campaign.engine.host import describe_host
from campaign.engine.sysfs import MOST_CHARACTERS, collect, entries, printable, read_line, read_number, read_text
from campaign.records import HostRecord


def write(root: Path, files: dict[str, str | bytes]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(root)


BOARD = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 9654 96-Core Processor\nmicrocode\t: 0xa101148\n",
    "proc/meminfo": "MemTotal:       394857612 kB\nMemFree: 1 kB\n",
    "sys/devices/system/cpu/online": "0-3\n",
    **{f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 2},{n % 2 + 2}\n" for n in range(4)},
    **{f"sys/devices/system/cpu/cpu{n}/topology/physical_package_id": "0\n" for n in range(4)},
    **{f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor": "schedutil\n" for n in range(4)},
    "sys/class/dmi/id/board_name": "H13SSL-N\n",
    "sys/class/dmi/id/bios_version": "1.8\n",
    "sys/class/dmi/id/product_serial": "S3CR3T\n",
    "sys/class/hwmon/hwmon0/name": "k10temp\n",
    "sys/class/hwmon/hwmon0/temp1_input": "45250\n",
    "sys/class/hwmon/hwmon0/temp1_label": "Tctl\n",
    "sys/class/hwmon/hwmon1/name": "nct6798\n",
    "sys/class/hwmon/hwmon1/in0_input": "856\n",
    "sys/class/hwmon/hwmon1/fan2_input": "1180\n",
    "sys/class/hwmon/hwmon1/power1_input": "12500000\n",
    "sys/class/hwmon/hwmon1/temp3_input": "not a number\n",
    "sys/block/nvme0n1/size": "2048\n",
    "sys/block/nvme0n1/queue/rotational": "0\n",
    "sys/block/nvme0n1/device/model": "Disk X   \n",
    "sys/block/nvme0n1/device/firmware_rev": "1.0\n",
    "sys/block/loop0/size": "8\n",
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.0/device": "0x2335\n",
    "sys/bus/pci/devices/0000:02:00.0/class": "0x020000\n",
}


def test_a_board_with_everything(tmp_path: Path) -> None:
    root = write(tmp_path, BOARD)
    cpu = hardware.cpu(root)
    assert (cpu.model, cpu.microcode) == ("AMD EPYC 9654 96-Core Processor", "0xa101148")
    assert (cpu.cores, cpu.physical_cores, cpu.sockets, cpu.governors) == (4, 2, 1, ("schedutil",))
    assert hardware.memory_bytes(root) == 394857612 * 1024
    assert dict(hardware.dmi(root)) == {"bios_version": "1.8", "board_name": "H13SSL-N"}
    readings = {f"{each.chip}.{each.name}": (each.value, each.unit, each.label) for each in hardware.sensors(root)}
    assert readings["k10temp.temp1"] == (45.25, "C", "Tctl")
    assert readings["nct6798.in0"] == (0.856, "V", None)
    assert readings["nct6798.fan2"] == (1180.0, "rpm", None)
    assert readings["nct6798.power1"] == (12.5, "W", None)
    (disk,) = hardware.disks(root)
    assert (disk.name, disk.model, disk.firmware, disk.size_bytes, disk.rotational) == (
        *("nvme0n1", "Disk X", "1.0"),
        *(1 << 20, False),
    )
    assert [each.name for each in hardware.display_devices(root)] == ["NVIDIA 10de:2335"]


def test_a_sensor_that_gives_no_number_says_so(tmp_path: Path) -> None:
    (wrong,) = (each for each in hardware.sensors(write(tmp_path, BOARD)) if each.name == "temp3")
    assert (wrong.value, wrong.why) == (None, "it gives no number")


def test_thermal_zones_stand_in_for_hwmon(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    (found,) = hardware.sensors(write(tmp_path, {f"{zone}/type": "soc\n", f"{zone}/temp": "51000\n"}))
    assert (found.chip, found.name, found.label, found.value) == ("thermal", "thermal_zone0", "soc", 51.0)


def test_a_board_without_anything_says_what_is_missing(tmp_path: Path) -> None:
    host = describe_host(str(tmp_path))
    wanted = {"cpu_model", "memory_bytes", "physical_cores", "microcode", "governors", "dmi", "sensors", "disks"}
    assert wanted <= host.missing.keys()
    assert all(host.missing.values())
    assert not {"cpu_model", "memory", "dmi"} & host.facts.keys()


def test_an_arm_board_is_told_by_its_device_tree(tmp_path: Path) -> None:
    model = {"proc/device-tree/model": b"Raspberry Pi 5 Model B Rev 1.0\0"}
    root = write(tmp_path, {**model, "proc/cpuinfo": "CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"})
    assert hardware.cpu(root).model == "Raspberry Pi 5 Model B Rev 1.0"
    (tmp_path / "proc/device-tree/model").unlink()
    assert hardware.cpu(root).model == "implementer 0x41 part 0xd0b"


def test_this_machine() -> None:
    host = describe_host()
    assert host.cores == os.sysconf("SC_NPROCESSORS_ONLN")
    assert host.cpus == len(os.sched_getaffinity(0))
    assert host.release == os.uname().release
    assert host.memory_bytes is not None
    assert host.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert host.plugins["host"].startswith("campaign-engine ")
    assert host.gpus or host.missing["gpus"]
    assert {host.facts["architecture"], host.facts["kernel"]} == {os.uname().machine, os.uname().release}
    assert msgspec.json.decode(msgspec.json.encode(host), type=HostRecord) == host


def test_a_record_of_the_first_kind_is_still_read() -> None:
    old = b'{"id":"a","boot_id":"b","hostname":"h","system":"Linux","release":"6","architecture":"x","python":"3","campaign":"0"}'
    assert msgspec.json.decode(old, type=HostRecord).missing == {}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\n", r"\u{1b}[31mred"),
        (b"a\xff\xfeb\n", r"a\xff\xfeb"),
        ("x\u202ey".encode(), r"x\u{202e}y"),
        (b"two\nlines\r\n", "two lines"),
        (b"nul\0bytes\0", "nul bytes"),
        (b"x" * 100_000, "x" * MOST_CHARACTERS),
    ],
)
def test_hostile_bytes_become_one_printable_line(tmp_path: Path, raw: bytes, shown: str) -> None:
    root = write(tmp_path, {"sys/class/dmi/id/board_name": raw})
    assert dict(hardware.dmi(root)) == {"board_name": shown}
    assert printable(shown) == shown[:MOST_CHARACTERS]


@pytest.mark.parametrize("text", ["", "-", "1e5", "٣", "1 2", "9" * 30, "0x10"])
def test_what_is_no_number_is_none(tmp_path: Path, text: str) -> None:
    assert read_number(write(tmp_path, {"n": text}) + "/n") is None


@pytest.mark.parametrize("text", ["0-", "a-b", "-", "0-999999999", "0,,2", "٣"])
def test_a_list_of_processors_that_is_none(tmp_path: Path, text: str) -> None:
    root = write(tmp_path, {"sys/devices/system/cpu/online": text})
    assert hardware.cpu(root).cores == os.cpu_count()


def test_reads_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (1 << 20))
    assert len(read_text(str(tmp_path / "big"))) == 1 << 16
    for number in range(1100):
        (tmp_path / f"f{number}").touch()
    assert len(entries(str(tmp_path))) == 1024
    assert entries(str(tmp_path))[1:4] == ["f0", "f1", "f2"]


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_line(str(tmp_path / "pipe")) is None
    assert read_line(str(tmp_path)) is None
    assert read_line("/dev/zero") is None


def test_what_hangs_is_left_behind_with_what_came_before() -> None:
    never = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        never.wait()

    found, why = collect(items, 0.05)
    never.set()
    assert (found, why) == ([1], "it did not answer within 0.05 s")


def test_what_fails_says_so() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise PermissionError(13, "Permission denied")

    assert collect(items, 5) == ([1], "Permission denied")
