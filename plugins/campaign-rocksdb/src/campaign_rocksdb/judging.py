"""What is wrong with the values that were found: the first thing, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from campaign_rocksdb.history import History, Operation, key_bytes, read_value


class Found(NamedTuple):
    """What a full scan found: the operation that wrote each key's value, and what nobody ever wrote."""

    numbers: Mapping[int, int]
    strange: str | None = None


def collect(pairs: Iterable[tuple[bytes, bytes]]) -> Found:
    """Read the pairs of a scan."""
    numbers: dict[int, int] = {}
    strange: str | None = None
    for name, value in pairs:
        key = int(name[3:]) if name[3:].isdigit() and name == key_bytes(int(name[3:])) else None
        number = None if key is None else read_value(key, value)
        if key is None or number is None:
            strange = strange or _strange(name, key, value)
        else:
            numbers[key] = number
    return Found(numbers, strange)


def _strange(name: bytes, key: int | None, value: bytes) -> str:
    if key is None:
        return f"a key that was never written is there: {name[:32]!r}"
    return f"key {key} holds {len(value)} bytes that were never written to it"


def wrong_with(history: History, found: Found) -> str | None:
    """The first broken promise; None where every key holds what it must, or what it may instead."""
    return found.strange or _wrong_values(history, found.numbers)


def _wrong_values(history: History, numbers: Mapping[int, int]) -> str | None:
    lost: list[tuple[Operation, int]] = []
    there: list[tuple[Operation, int]] = []
    missed: list[tuple[Operation, int]] = []
    for key in sorted(history.asked() | numbers.keys()):
        candidates = history.candidates(key)
        fits = [at for at, each in enumerate(candidates) if _fits(each, numbers.get(key))]
        if not fits:
            lost.append((candidates[0], key))
            continue
        there.append((candidates[fits[0]], key))
        missed += [(each, key) for each in candidates[fits[-1] + 1 :] if each.acknowledged is not None]
    return _lost(lost, history, numbers) or _hole(there, missed)


def _fits(operation: Operation, number: int | None) -> bool:
    return number is None if operation.size is None else number == operation.number


def _lost(lost: list[tuple[Operation, int]], history: History, numbers: Mapping[int, int]) -> str | None:
    if not lost:
        return None
    operation, key = min(lost)
    if not operation.number:
        return f"key {key} holds put {numbers[key]}, which was never asked for"
    holds = f"it holds put {numbers[key]}" if key in numbers else "it holds nothing"
    more = f", {len(lost)} keys in all" if len(lost) > 1 else ""
    return f"{_promise(operation, history)} of key {key} is lost: {holds}{more}"


def _promise(operation: Operation, history: History) -> str:
    return f"acknowledged{'' if history.log or history.everything else ' and flushed'} {operation}"


def _hole(there: list[tuple[Operation, int]], missed: list[tuple[Operation, int]]) -> str | None:
    """What is there is a beginning of what was done: nothing outlives what was acknowledged before it began."""
    if not there or not missed:
        return None
    newest, its_key = max(there, key=lambda pair: pair[0].begun)
    lost, key = min(missed, key=lambda pair: pair[0].acknowledged or 0)
    if (lost.acknowledged or 0) > newest.begun:
        return None
    return f"there is a hole: {lost} of key {key} is lost, {newest} of key {its_key}, begun after it, is there"
