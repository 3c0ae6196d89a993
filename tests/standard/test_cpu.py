"""cpufreq, as the kernel shows it, in a folder that is made to look like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.plugins.api import Fault, UnableError
from campaign_standard.cpu import Frequency, Governor

from .holds import arm, held, values

FILES = {
    "scaling_governor": "schedutil",
    "scaling_available_governors": "performance schedutil powersave",
    "scaling_max_freq": "3200000",
    "scaling_min_freq": "800000",
    "cpuinfo_max_freq": "4400000",
    "cpuinfo_min_freq": "800000",
}


@pytest.fixture
def cpus(tmp_path: Path) -> Path:
    """Four processors, two to a policy; and one without cpufreq."""
    for number in range(4):
        (tmp_path / f"cpu{number}").mkdir()
        policy = tmp_path / "cpufreq" / f"policy{number // 2}"
        policy.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"cpu{number}" / "cpufreq").symlink_to(policy)
        for name, value in FILES.items():
            (policy / name).write_text(f"{value}\n")
    (tmp_path / "cpu4").mkdir()
    (tmp_path / "cpuidle").mkdir()
    return tmp_path


def seen(cpus: Path, file: str) -> list[str]:
    return [(cpus / f"cpu{number}" / "cpufreq" / file).read_text().strip() for number in range(4)]


def test_a_governor_is_held_on_every_processor(cpus: Path) -> None:
    with held(Governor(str(cpus)), governor="performance") as done:
        assert seen(cpus, "scaling_governor") == ["performance"] * 4
        assert done.notes == "scaling_governor: schedutil → performance"
    assert seen(cpus, "scaling_governor") == ["schedutil"] * 4


def test_a_governor_is_held_on_some(cpus: Path) -> None:
    with held(Governor(str(cpus)), governor="powersave", cpus=[2]):
        assert seen(cpus, "scaling_governor") == ["schedutil", "schedutil", "powersave", "powersave"]
    assert seen(cpus, "scaling_governor") == ["schedutil"] * 4


@pytest.mark.parametrize("frequency", ["4.4GHz", "2.4GHz", "800MHz"])
def test_a_frequency_is_pinned(cpus: Path, frequency: str) -> None:
    khz = {"4.4GHz": "4400000", "2.4GHz": "2400000", "800MHz": "800000"}[frequency]
    with held(Frequency(str(cpus)), frequency=frequency):
        assert seen(cpus, "scaling_min_freq") == seen(cpus, "scaling_max_freq") == [khz] * 4
    assert seen(cpus, "scaling_max_freq") == ["3200000"] * 4
    assert seen(cpus, "scaling_min_freq") == ["800000"] * 4


def test_the_least_is_never_above_the_greatest(cpus: Path) -> None:
    """The kernel refuses that, so the order of writing matters, there and back."""
    for frequency, order in (("4GHz", ["max", "min"]), ("1GHz", ["min", "max"])):
        fault = Frequency(str(cpus))
        files = arm(fault, frequency=frequency)["files"]
        paths = fault._in_order(files, fault._value(values(fault, frequency=frequency)))
        assert [path.rpartition("scaling_")[2][:3] for path in paths] == order * 2


@pytest.mark.parametrize(
    ("fault", "given", "why"),
    [
        (Governor, {"governor": "turbo"}, "takes performance, schedutil, powersave, not turbo"),
        (Frequency, {"frequency": "5GHz"}, "takes 800000 to 4400000 kHz, not 5000000"),
        (Frequency, {"frequency": "1000000.5Hz"}, "is no whole number of kHz"),
        (Governor, {"governor": "powersave", "cpus": [9]}, "cpu9/cpufreq/scaling_governor does not exist"),
    ],
)
def test_what_the_kernel_would_refuse_is_said_before(cpus: Path, fault: type[Fault], given, why: str) -> None:
    made = fault(str(cpus))  # type: ignore[call-arg]
    assert why in (made.missing(values(made, **given)) or "")
    with pytest.raises(UnableError):
        arm(made, **given)


def test_a_machine_without_cpufreq(tmp_path: Path) -> None:
    (tmp_path / "cpu0").mkdir()
    assert "no cpufreq driver" in (Governor(str(tmp_path)).available() or "")
    assert Governor().about
