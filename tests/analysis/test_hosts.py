"""How two hosts differ."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.analysis.hosts import HostChange, differences, size_text
from campaign.records import HostRecord
from campaign.records.host import DiskView, GpuView, SensorView

HOST = HostRecord(
    id="a",
    boot_id="b",
    hostname="lab-1",
    system="Linux",
    release="6.1.0",
    architecture="x86_64",
    python="3.11.7",
    campaign="0.1.0",
    cores=8,
    dmi={"board_name": "X"},
    sensors=(SensorView(chip="k10temp", name="temp1", unit="C", value=40.0),),
    disks=(DiskView(name="vda", size_bytes=1 << 30),),
    gpus=(GpuView(name="H200", uuid="GPU-1"),),
    plugins={"host": "campaign-engine 0.1.0"},
    facts={"cores": 8},
)


def changed(**what: Any) -> HostRecord:
    return msgspec.structs.replace(HOST, **what)


@pytest.mark.parametrize(
    ("after", "change"),
    [
        (changed(release="6.2.0"), HostChange("release", "6.1.0", "6.2.0")),
        (changed(cores=None), HostChange("cores", "8", None)),
        (changed(microcode="0x1"), HostChange("microcode", None, "0x1")),
        (changed(dmi={"board_name": "Y"}), HostChange("dmi.board_name", "X", "Y")),
        (changed(disks=()), HostChange("disk vda", "1 GiB", None)),
        (changed(sensors=()), HostChange("sensor k10temp temp1", "C", None)),
        (changed(gpus=(GpuView(name="H100", uuid="GPU-1"),)), HostChange("gpu 0", "H200, GPU-1", "H100, GPU-1")),
        (
            changed(plugins={"host": "campaign-engine 0.2.0"}),
            HostChange("plugin host", "campaign-engine 0.1.0", "campaign-engine 0.2.0"),
        ),
    ],
)
def test_one_difference(after: HostRecord, change: HostChange) -> None:
    assert differences(HOST, after) == (change,)
    assert differences(after, HOST) == (HostChange(change.what, change.after, change.before),)


def test_what_a_sensor_reads_and_what_follows_from_the_rest_is_no_difference() -> None:
    warmer = (SensorView(chip="k10temp", name="temp1", unit="C", value=90.0),)
    assert differences(HOST, changed(sensors=warmer, facts={}, missing={"gpus": "?"})) == ()


TEXTS = st.dictionaries(st.sampled_from("abc"), st.text(max_size=3))


@given(TEXTS, TEXTS)
def test_a_host_differs_from_another_in_what_is_not_the_same(first: dict[str, str], second: dict[str, str]) -> None:
    found = differences(changed(dmi=first), changed(dmi=second))
    assert {each.what for each in found} == {
        f"dmi.{name}" for name in first.keys() | second.keys() if first.get(name) != second.get(name)
    }


def test_sizes_for_people() -> None:
    assert [size_text(size) for size in (0, 1023, 1 << 20, 25276502016, 3 << 50)] == [
        *("0 B", "1023 B", "1 MiB"),
        *("23.54 GiB", "3072 TiB"),
    ]
