"""Safety matchers: what a rule set asks of a host under ``match``; and how hot it is, for guards.

Each is a pure function of the host's facts and a wanted value.  What is not known of a host never matches: a limit
that was written for one board must not be taken for another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from campaign.plugins.api import Dimension, Matcher, Oracle, Quantity, UnitError, hookimpl, parse_quantity
from campaign_standard._temperature import Temperature

api = 1

_TEXTS = "a text, or a list of texts of which one suffices"


class _Contains(Matcher):
    """Whether one of a host's texts contains one of the wanted ones; upper and lower case are the same."""

    fact: str

    def objection(self, wanted: Any) -> str | None:
        """Texts, none of them empty: an empty one would stand in every host's."""
        return _objection_to_texts(wanted)

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """The host's texts."""
        return ", ".join(_texts(facts.get(self.fact))) or None

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Look for each wanted text in each of the host's."""
        return _any_contains(_texts(facts.get(self.fact)), wanted)


class CpuModelContains(_Contains):
    """``cpu_model_contains: ["EPYC 9", "Ryzen 7"]``."""

    name = "cpu_model_contains"
    about = f"the processor's model contains {_TEXTS}"
    fact = "cpu_model"


class ArchitectureContains(_Contains):
    """``architecture_contains: x86_64``."""

    name = "architecture_contains"
    about = f"the machine's architecture, as the kernel calls it, contains {_TEXTS}"
    fact = "architecture"


class GpuContains(_Contains):
    """``gpu_contains: H200``."""

    name = "gpu_contains"
    about = f"the name of one of the GPUs contains {_TEXTS}"
    fact = "gpus"


class DmiContains(Matcher):
    """``dmi_contains: {board_vendor: Supermicro, board_name: [H13SSL, H13SST]}``, or a text in any field."""

    name = "dmi_contains"
    about = f"what the firmware says of the board contains {_TEXTS}; by field, then every field must"

    def objection(self, wanted: Any) -> str | None:
        """Texts, or texts by field."""
        if not isinstance(wanted, Mapping):
            return _objection_to_texts(wanted)
        if not wanted:
            return "is empty; name at least one field, such as board_name"
        found = (
            f"has {field}, which {each}" for field, texts in wanted.items() if (each := _objection_to_texts(texts))
        )
        return next(found, None)

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """Every field with its text."""
        return ", ".join(f"{field} {text}" for field, text in _fields(facts).items()) or None

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Look in the fields named, or in all."""
        fields = _fields(facts)
        if isinstance(wanted, Mapping):
            return all(_any_contains(_texts(fields.get(field)), texts) for field, texts in wanted.items())
        return _any_contains(fields.values(), wanted)


class _Cores(Matcher):
    def objection(self, wanted: Any) -> str | None:
        """A count of at least one."""
        count = _whole(wanted)
        return "is not a whole number of at least 1, such as 16" if count is None or count < 1 else None

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """How many there are."""
        cores = _whole(facts.get("cores"))
        return None if cores is None else f"{cores} cores"


class MinCores(_Cores):
    """``min_cores: 16``."""

    name = "min_cores"
    about = "the host has at least that many logical processors online"

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Compare the counts."""
        cores = _whole(facts.get("cores"))
        return cores is not None and cores >= wanted


class MaxCores(_Cores):
    """``max_cores: 64``."""

    name = "max_cores"
    about = "the host has at most that many logical processors online"

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Compare the counts."""
        cores = _whole(facts.get("cores"))
        return cores is not None and cores <= wanted


class MinMemory(Matcher):
    """``min_memory: 60GiB``."""

    name = "min_memory"
    about = "the kernel manages at least that much memory; it is less than what is built in"

    def objection(self, wanted: Any) -> str | None:
        """A size with its unit."""
        size = _bytes(wanted)
        if size is None or isinstance(wanted, int):
            return "is not a size with its unit, such as 60GiB"
        return "is not more than nothing" if size <= 0 else None

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """How much there is."""
        size = _bytes(facts.get("memory"))
        return None if size is None else f"{size / 2**30:.1f} GiB of memory"

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Compare the sizes."""
        size, least = _bytes(facts.get("memory")), _bytes(wanted)
        return size is not None and least is not None and size >= least


class KernelAtLeast(Matcher):
    """``kernel_at_least: "5.15"``."""

    name = "kernel_at_least"
    about = "the kernel's version is at least that one, number by number"

    def objection(self, wanted: Any) -> str | None:
        """A version as text: YAML reads 5.10 without quotes as 5.1."""
        if isinstance(wanted, str):
            plain = all(part.isascii() and part.isdigit() and len(part) < 10 for part in wanted.split("."))
            return None if plain else 'is not a version of numbers and dots, such as "6.1"'
        return 'is not a text; write the version in quotes, such as "5.10", which is another one than 5.1'

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """The kernel's release."""
        release = facts.get("kernel")
        return f"Linux {release}" if isinstance(release, str) else None

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Compare number by number; a missing one is 0."""
        release = facts.get("kernel")
        version = _version(release) if isinstance(release, str) else ()
        return bool(version) and version >= _version(wanted)


def _objection_to_texts(wanted: Any) -> str | None:
    texts = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        return f"is not {_TEXTS}"
    return None if all(text.strip() for text in texts) else "holds an empty text, which every host contains"


def _any_contains(texts: Iterable[str], wanted: Any) -> bool:
    sought = [wanted.casefold()] if isinstance(wanted, str) else [each.casefold() for each in wanted]
    return any(each in text.casefold() for text in texts for each in sought)


def _texts(fact: Any) -> list[str]:
    """The texts of a fact that is a text, or a list of them."""
    listed = [fact] if isinstance(fact, str) else fact if isinstance(fact, Sequence) else ()
    return [text for text in listed if isinstance(text, str)]


def _fields(facts: Mapping[str, Any]) -> Mapping[str, str]:
    fields = facts.get("dmi")
    if not isinstance(fields, Mapping):
        return {}
    return {str(name): text for name, text in fields.items() if isinstance(text, str)}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _bytes(value: Any) -> int | None:
    """A size in bytes, from a count, a quantity, or a text with a unit; None for everything else."""
    if isinstance(value, str):
        try:
            value = parse_quantity(value)
        except UnitError:
            return None
    if isinstance(value, Quantity):
        return int(value.value) if value.dimension is Dimension.SIZE else None
    return _whole(value)


def _version(text: str) -> tuple[int, ...]:
    """The numbers that a version starts with, ``6.18.44-rc1`` → 6, 18, 44; zeros at the end say nothing."""
    end = next((at for at, char in enumerate(text) if char not in "0123456789."), len(text))
    numbers = [int(part) for part in text[:end].split(".") if part and len(part) < 10]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracle of this plugin, for guards."""
    return [Temperature()]


@hookimpl
def campaign_matchers() -> list[Matcher]:
    """The matchers of this plugin."""
    return [
        CpuModelContains(),
        ArchitectureContains(),
        MinCores(),
        MaxCores(),
        MinMemory(),
        KernelAtLeast(),
        GpuContains(),
        DmiContains(),
    ]
