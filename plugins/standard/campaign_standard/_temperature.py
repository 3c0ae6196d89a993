"""How hot the machine is: an oracle for guards, over the sensors that the kernel shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from glob import glob
from typing import ClassVar

from campaign.plugins.api import Evidence, Judgement, Oracle, Quantity, Schema, UnableError, Value
from campaign_standard._setting import read_file

_HWMON = "/sys/class/hwmon/hwmon*/temp*_input"
_ZONES = "/sys/class/thermal/thermal_zone*/temp"


class Temperature(Oracle):
    """``{oracle: host.temperature, max: 95C, every: 1s}`` under ``guard`` in a rule set."""

    name = "temperature"
    about = "no sensor of the machine is hotter than allowed"
    parameters: ClassVar[Schema] = {
        "max": {"type": "temperature", "required": True, "meta": {"help": "what none may exceed"}},
        "sensor": {
            "type": "string",
            "default": "",
            "meta": {"help": "a part of the names of those that count: `k10temp`, `Tctl`; all where it is empty"},
        },
        "path": {
            "type": "path",
            "default": "",
            "meta": {"help": "a file in thousandths of a degree instead, as sysfs shows them"},
        },
    }

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:  # noqa: ARG002 - has none
        """A sensor that answers."""
        try:
            _hottest(settings)
        except UnableError as error:
            return str(error)
        return None

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:  # noqa: ARG002 - it is asked now
        """Read them all; the hottest counts."""
        name, degrees = _hottest(settings)
        most = settings["max"]
        allowed = most.value if isinstance(most, Quantity) else Fraction(0)
        message = f"{name} is at {float(degrees):g}C"
        ok = degrees <= allowed
        return Judgement(ok=ok, message=message if ok else f"{message}, above {float(allowed):g}C")


def _hottest(settings: Mapping[str, Value]) -> tuple[str, Fraction]:
    """The hottest of the sensors that count; raises UnableError where one does not answer, or none is there."""
    path, wanted = str(settings["path"]), str(settings["sensor"])
    paths = [path] if path else [each for each in _sensors() if wanted in _named(each)]
    if not paths:
        what = f"no sensor's name has {wanted}" if wanted else "no sensor in /sys/class/hwmon or /sys/class/thermal"
        raise UnableError(f"this machine shows no temperature: {what} (virtual machines have none; modprobe coretemp)")
    return max(((_named(each), _degrees(each)) for each in paths), key=lambda found: found[1])


def _sensors() -> Iterator[str]:
    return (path for pattern in (_HWMON, _ZONES) for path in sorted(glob(pattern)))


def _named(path: str) -> str:
    """A sensor as people call it: its chip and its label, where they are told."""
    folder, _, file = path.rpartition("/")
    words = (_told(f"{folder}/name"), _told(f"{folder}/type"), _told(f"{folder}/{file.replace('_input', '_label')}"))
    return " ".join(word for word in words if word) or path


def _told(path: str) -> str:
    try:
        return "" if path.endswith(("/temp", "_input")) else read_file(path)
    except UnableError:
        return ""


def _degrees(path: str) -> Fraction:
    text = read_file(path)
    try:
        return Fraction(int(text), 1000)
    except ValueError:
        raise UnableError(f"{path} reads {text or 'nothing'}, which is no temperature") from None
