"""An oracle over JSON that a run writes, and a report as JSON."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import msgspec

from campaign.plugins.api import (
    Evidence,
    Judgement,
    Oracle,
    Reporter,
    RunView,
    Schema,
    Summary,
    UnableError,
    Value,
    format_value,
    hookimpl,
)
from campaign_standard._reading import locate, open_regular

api = 1

#: A larger file is not read: an oracle must not need more memory than that.
MAX_BYTES = 64 << 20
#: A double ends at 308.
MAX_EXPONENT = 400
_LIMITS: Mapping[str, Callable[[int | Fraction, int | Fraction], bool]] = {"min": operator.lt, "max": operator.gt}


class MissingError(LookupError):
    """The document has no value there; the text says where the way ends."""


class JsonValue(Oracle):
    """Whether a value in a JSON file is what it should be; without ``equals``, ``min`` and ``max``: is there at all."""

    name = "value"
    about = "a value in a JSON file is there, equals, or lies within limits"
    parameters: ClassVar[Schema] = {
        "file": {"type": "string", "required": True, "meta": {"help": "which file, relative to work/, or absolute"}},
        "pointer": {"type": "string", "default": "", "meta": {"help": "a JSON pointer: /results/0/ops"}},
        "equals": {
            "type": "string",
            "meta": {"help": 'what it must be: a string as it is, else its JSON: "3", "true"'},
        },
        "min": {"type": "decimal", "meta": {"help": "the least number it may be"}},
        "max": {"type": "decimal", "meta": {"help": "the greatest number it may be"}},
    }

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Read the file, walk to the value, compare."""
        name = str(settings["file"])
        text = _read(evidence, name)
        if text is None:
            return Judgement(ok=False, message=f"{name} does not exist")
        try:
            value = resolve(json.loads(text, parse_float=_decimal, parse_constant=_refuse), str(settings["pointer"]))
        except MissingError as error:
            return Judgement(ok=False, message=f"{name} {error}")
        except (ValueError, RecursionError) as error:
            return Judgement(ok=False, message=f"{name} is not JSON: {error}")
        return _compare(value, settings)


def resolve(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901) or a dotted path (``results.0.ops``); raises MissingError."""
    value = document
    for key in keys(pointer):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and key.isascii() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise MissingError(f"has nothing at {pointer}: no {key} there")
    return value


def keys(pointer: str) -> list[str]:
    """The keys on the way."""
    if not pointer:
        return []
    if pointer.startswith("/"):
        return [key.replace("~1", "/").replace("~0", "~") for key in pointer[1:].split("/")]
    return pointer.split(".")


def _compare(value: Any, settings: Mapping[str, Value]) -> Judgement:
    shown = _shown(value)
    where = str(settings["pointer"]) or "the document"
    if "equals" in settings and shown != settings["equals"]:
        return Judgement(ok=False, message=f"{where} is {_short(shown)}, not {settings['equals']}")
    for name, wrong in _LIMITS.items():
        limit = settings.get(name)
        if not isinstance(limit, int | Fraction):
            continue
        if isinstance(value, bool) or not isinstance(value, int | Fraction):
            return Judgement(ok=False, message=f"{where} is {_short(shown)}, not a number")
        if wrong(value, limit):
            return Judgement(ok=False, message=f"{where} is {shown}, {name} is {format_value(limit)}")
    return Judgement(ok=True, message=f"{where} is {_short(shown)}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Fraction):
        return format_value(value)
    return json.dumps(value, default=str, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _read(evidence: Evidence, name: str) -> bytes | None:
    fd = open_regular(locate(evidence, name), name)
    if fd is None:
        return None
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UnableError(f"{name} is larger than {MAX_BYTES >> 20} MiB")
    return data


def _decimal(text: str) -> Fraction:
    """A number with a point or an exponent, exactly; ``1e999999999`` would not fit into any memory."""
    number = Decimal(text)
    if abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueError(f"{text[:40]} is out of range")
    return Fraction(number)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


class JsonReporter(Reporter):
    """The records themselves: the summary, then every attempt."""

    name = "json"
    about = "summary and runs as one JSON object"
    filename = "report.json"

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """Write ``{"schema", "summary", "runs": […]}``, a run at a time."""
        encode = msgspec.json.Encoder().encode
        write('{"schema":"campaign.report/1","summary":' + encode(summary).decode() + ',"runs":[')
        for number, run in enumerate(runs):
            write((",\n" if number else "\n") + encode(run).decode())
        write("\n]}\n")


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [JsonValue()]


@hookimpl
def campaign_reporters() -> list[Reporter]:
    """The reporter of this plugin."""
    return [JsonReporter()]
