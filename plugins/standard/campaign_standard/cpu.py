"""Processors: the governor and the frequency of cpufreq, held while a run lasts, and others who want them too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Quantity, Schema, UnableError, Value, hookimpl
from campaign_standard._hogs import Hog
from campaign_standard._setting import put_back, read_file, settled, unwritable, write_file

api = 1

SYSFS = "/sys/devices/system/cpu"

_CPUS: Schema = {
    "cpus": {
        "type": "list",
        "default": [],
        "schema": {"type": "int", "min": 0},
        "meta": {"help": "the processors' numbers; all of them where the list is empty"},
    }
}


class _Cpufreq(Fault):
    """A hold of some files of cpufreq, the same in every processor; ``root`` is where the kernel shows them."""

    holds = True
    #: The files of each processor that are written, in this order.
    files: ClassVar[tuple[str, ...]]

    def __init__(self, root: str = SYSFS) -> None:
        self._root = root

    def available(self) -> str | None:
        """Whether the kernel shows cpufreq at all."""
        if self._policies(()):
            return None
        return (
            f"{self._root}/cpu0/cpufreq is not there: the kernel has no cpufreq driver for this machine "
            "(virtual machines have none; on hardware look for acpi-cpufreq, intel_pstate or amd-pstate)"
        )

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A processor that is not there, or the right to write its files."""
        for path in self._paths(settings):
            if (why := unwritable(path)) is not None:
                return why
        return self._refused(settings)

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """All processors at once: several may share a policy, so that no two holds of some are apart for sure."""
        del settings
        return (f"cpu.{self.name}",)

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Read what is there."""
        if (why := self.missing(injection.settings)) is not None:
            raise UnableError(why)
        return {"files": [{"path": path, "old": read_file(path)} for path in self._paths(injection.settings)]}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Write, and read back."""
        value = self._value(injection.settings)
        for path in self._in_order(undo["files"], value):
            write_file(path, value)
        for each in undo["files"]:
            settled(lambda path=each["path"]: read_file(path), value, Fraction(0), 0.0, each["path"])  # type: ignore[misc]
        was = ", ".join(dict.fromkeys(each["old"] for each in undo["files"]))
        return Injected(notes=f"{'/'.join(self.files)}: {was} → {value}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Write what was there."""
        put_back(undo["files"], Fraction(0), 0.0)

    def _value(self, settings: Mapping[str, Value]) -> str:
        """What is written."""
        raise NotImplementedError(f"{type(self).__name__}._value")

    def _refused(self, settings: Mapping[str, Value]) -> str | None:
        """Why the kernel will not take it."""
        raise NotImplementedError(f"{type(self).__name__}._refused")

    def _in_order(self, files: Sequence[Mapping[str, Any]], value: str) -> list[str]:
        """The files in an order in which the kernel takes them."""
        del value
        return [str(each["path"]) for each in files]

    def _policies(self, cpus: Sequence[int]) -> list[str]:
        """The folders of these processors, each once: several may share one policy."""
        try:
            numbers = cpus or sorted(
                int(name[3:]) for name in os.listdir(self._root) if name[:3] == "cpu" and name[3:].isdigit()
            )
        except OSError:
            return []
        folders = [f"{self._root}/cpu{number}/cpufreq" for number in numbers]
        there = folders if cpus else [each for each in folders if os.path.isdir(each)]
        return list(dict.fromkeys(os.path.realpath(each) for each in there))

    def _paths(self, settings: Mapping[str, Value]) -> list[str]:
        chosen = settings["cpus"]
        cpus = [each for each in chosen if isinstance(each, int)] if isinstance(chosen, tuple) else []
        return [f"{folder}/{file}" for folder in self._policies(cpus) for file in self.files]


class Governor(_Cpufreq):
    """``cpu.governor { governor = "performance" }``."""

    name = "governor"
    about = "hold the processors under a governor of cpufreq"
    files = ("scaling_governor",)
    parameters: ClassVar[Schema] = {
        "governor": {"type": "string", "required": True, "meta": {"help": '`"performance"`, `"powersave"` …'}},
        **_CPUS,
    }

    def _value(self, settings: Mapping[str, Value]) -> str:
        return str(settings["governor"])

    def _refused(self, settings: Mapping[str, Value]) -> str | None:
        for path in self._paths(settings):
            offered = read_file(path.replace("scaling_governor", "scaling_available_governors")).split()
            if self._value(settings) not in offered:
                return f"{path} takes {', '.join(offered)}, not {self._value(settings)}"
        return None


class Frequency(_Cpufreq):
    """``cpu.frequency { frequency = 2.4GHz }``: the least and the greatest that the governor may choose."""

    name = "frequency"
    about = "pin the processors to one frequency: the least and the greatest that the governor may choose"
    files = ("scaling_max_freq", "scaling_min_freq")
    parameters: ClassVar[Schema] = {
        "frequency": {"type": "frequency", "required": True, "meta": {"help": "in whole kHz, as cpufreq counts"}},
        **_CPUS,
    }

    def _value(self, settings: Mapping[str, Value]) -> str:
        frequency = settings["frequency"]
        khz = frequency.value / 1000 if isinstance(frequency, Quantity) else Fraction(0)
        return str(int(khz)) if khz.denominator == 1 else str(float(khz))

    def _refused(self, settings: Mapping[str, Value]) -> str | None:
        value = self._value(settings)
        if not value.isdigit():
            return f"{value} kHz is no whole number of kHz"
        for folder in {os.path.dirname(path) for path in self._paths(settings)}:
            least, most = (read_file(f"{folder}/cpuinfo_{end}_freq") for end in ("min", "max"))
            if not int(least) <= int(value) <= int(most):
                return f"{folder} takes {least} to {most} kHz, not {value}"
        return None

    def _in_order(self, files: Sequence[Mapping[str, Any]], value: str) -> list[str]:
        """Upwards the greatest first, downwards the least: the least is never above the greatest."""
        ordered: list[str] = []
        pairs = [files[index : index + 2] for index in range(0, len(files), 2)]
        for most, least in pairs:
            rises = int(value) > int(most["old"])
            ordered += [most["path"], least["path"]] if rises else [least["path"], most["path"]]
        return ordered


class Starve(Hog):
    """``cpu.starve { workers = 4 }``: four busy processes on each processor that the target may run on."""

    name = "starve"
    about = "have busy processes take the processors of a process"
    parameters: ClassVar[Schema] = {
        "workers": {
            "type": "int",
            "default": 4,
            "min": 1,
            "max": 64,
            "meta": {"help": "on each processor: the target gets a share of one among so many and itself"},
        },
        "load": {
            "type": "ratio",
            "default": "100%",
            "min": "1%",
            "max": "100%",
            "meta": {"help": "of the time that each is busy, in bursts of 5 ms to 50 ms drawn from the seed"},
        },
        "cpus": {
            "type": "list",
            "default": [],
            "schema": {"type": "int", "min": 0},
            "meta": {"help": "the processors' numbers; those of the target where the list is empty"},
        },
    }

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A processor that is not there for us."""
        lacking = sorted(set(_numbers(settings["cpus"])) - os.sched_getaffinity(0))
        return f"processor {lacking[0]} is not there, or not for this process" if lacking else None

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Start them."""
        settings, target = injection.settings, injection.target
        try:
            cpus = _numbers(settings["cpus"]) or sorted(os.sched_getaffinity(target.pid if target else 0))
        except OSError:
            raise UnableError("the process had already ended") from None
        load = settings["load"]
        words = [f"--cpus={','.join(map(str, cpus))}", f"--workers={settings['workers']}", f"--seed={injection.random}"]
        words.append(f"--load={float(load.value) if isinstance(load, Quantity) else 1.0}")
        notes = f"{settings['workers']} busy processes on each of processors {', '.join(map(str, cpus))}"
        return self.take(undo, ("cpu", *words), notes)


def _numbers(value: Value) -> list[int]:
    return [each for each in value if isinstance(each, int)] if isinstance(value, tuple) else []


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds of this plugin, and who else wants the processors."""
    return [Governor(), Frequency(), Starve()]
