"""No field of a file, and no word of a closed list, without its place in the reference."""

import re
import typing
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

from campaign.records import FailureKind, FallbackReason, Reason, Verdict
from campaign.records.schemas import RECORDS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def fields(record: object, seen: set[object]) -> Iterator[str]:
    """The names of all fields of a record and of what it holds, as they stand in files."""
    for part in typing.get_args(record):
        yield from fields(part, seen)
    if not isinstance(record, type) or not issubclass(record, msgspec.Struct) or record in seen:
        return
    seen.add(record)
    for field in msgspec.structs.fields(record):
        yield field.encode_name
        yield from fields(field.type, seen)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_stands_in_the_reference(name: str) -> None:
    told = set(re.findall(r"`(\w+)`", (REFERENCE / "files.md").read_text(encoding="utf-8")))
    assert not set(fields(RECORDS[name], set())) - told


@pytest.mark.parametrize("words", [Verdict, FailureKind, Reason, FallbackReason], ids=lambda words: words.__name__)
def test_every_closed_list_stands_in_the_reference(words: type[StrEnum]) -> None:
    text = (REFERENCE / "verdicts.md").read_text(encoding="utf-8")
    quoted = {word for span in re.findall(r"`([^`\n]+)`", text) for word in (span, *span.split())}
    assert not {word.value for word in words} - quoted
