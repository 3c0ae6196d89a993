"""What must not be shown: the values of secret variables, and how they are taken out of what people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import takewhile
from operator import eq
from typing import Any

import msgspec

from campaign.records.order import Order, ServiceOrder, StepOrder, show_late

#: What stands where a value is not for the reader.
MASK = "***"
#: A variable with one of these in its name is secret, whoever sets it.
SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "KEY")
#: What the engine's own variables begin with; none of them is among an order's ``masked``.
_OWN = "CAMPAIGN_"
#: A shorter line of a secret, or beginning of one that was cut off, gives nothing away and may stand anywhere.
_SHORTEST_PART = 4
_CUT = "…"
#: What the late value of a granted device begins with.
_DEVICE = "\0device."


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    return any(word in name.upper() for word in SECRET_WORDS)


def is_harmless(name: str) -> bool:
    """Whether the value of a variable may stand in files for people: campaign's own say what the spec says in clear.

    So ``CAMPAIGN_PARAM_KEYS`` shows, whatever its name; what it has of a secret variable is masked as everywhere.
    """
    return name.startswith(_OWN)


def secrets_of(order: Order) -> tuple[str, ...]:
    """The texts to mask in everything that comes of an order, longest first, so that none hides inside another."""
    names = order.masked
    if not names and not order.secrets:
        return ()
    processes: tuple[ServiceOrder | StepOrder, ...] = (*order.services, *order.steps)
    environments = (order.environment, *(each.env for each in processes))
    values = {env[name] for env in environments for name in names if name in env}
    parts = {part for value in (*values, *order.secrets) for part in _parts(value)}
    return tuple(sorted(parts, key=lambda part: (-len(part), part)))


def _parts(value: str) -> Iterable[str]:
    """A secret as it may be met: whole, as JSON writes it, and line by line; late values are not part of it."""
    for text in value.split("\0")[::2]:
        if text.strip():
            yield text
            yield msgspec.json.encode(text).decode()[1:-1]
        yield from (line for each in text.splitlines() if len(line := each.strip()) >= _SHORTEST_PART)


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """``text`` without the secrets, and without the beginning of one where a message was cut short (``…``)."""
    for secret in secrets:
        text = text.replace(secret, MASK)
        if _CUT in text:
            text = _mask_beginning(text, secret)
    return text


def _mask_beginning(text: str, secret: str) -> str:
    at = text.find(secret[:_SHORTEST_PART])
    while at >= 0:
        end = at + sum(1 for _ in takewhile(bool, map(eq, text[at : at + len(secret)], secret)))
        if end - at >= _SHORTEST_PART and text.startswith(_CUT, end):
            text = text[:at] + MASK + text[end:]
        at = text.find(secret[:_SHORTEST_PART], at + 1)
    return text


def mask_json(value: Any, secrets: Iterable[str]) -> Any:
    """A JSON value without the secrets, keys too."""
    if isinstance(value, str):
        return mask_text(value, secrets)
    if isinstance(value, Mapping):
        return {mask_text(str(key), secrets): mask_json(each, secrets) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [mask_json(each, secrets) for each in value]
    return value


def shown_environment(env: Mapping[str, str], late: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """An environment for people: every name, the values of campaign's own variables, ``late`` ones filled in.

    Granted devices are campaign's own too, whatever the variable is called.
    """
    return {
        name: mask_text(show_late(value, late), secrets) if is_harmless(name) or value.startswith(_DEVICE) else MASK
        for name, value in env.items()
    }
