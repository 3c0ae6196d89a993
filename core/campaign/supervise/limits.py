"""The limits once more, by whoever is about to start something: an order's values against the rule sets as they are.

What was planned may be days old; a limit that was tightened since holds for everything that has not started.
"""

from __future__ import annotations

from hashlib import blake2b

from campaign.diagnostics import CampaignError
from campaign.records import Order, RulesOrder
from campaign.rules.files import bind_paths
from campaign.rules.orders import broken, differing, sentence
from campaign.rules.structs import RuleBook
from campaign.units import UnitError

_MOST_BYTES = 1 << 20
_MOST_SAID = 3


class Limits:
    """The rule books of the orders so far; each is read again as soon as one of its files is not what it was."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, ...], tuple[dict[str, str], RuleBook]] = {}

    def broken(self, order: Order) -> str | None:
        """Why an order must not be carried out: limits that its values break, or that cannot be read; None: none."""
        if order.rules is None:
            return None
        try:
            found = broken(order, self._book(order.rules))
            forged = next(differing(order), None)
        except CampaignError as error:
            return f"the rule sets cannot be read as they are now: {error.diagnostics[0]}"
        except UnitError as error:
            return f"a value cannot be held against its limits: {error}"
        if not found:
            return forged
        said = "; ".join(map(sentence, found[:_MOST_SAID]))
        more = f"; and {len(found) - _MOST_SAID} more" if len(found) > _MOST_SAID else ""
        return f"a limit is broken: {said}{more}"

    def _book(self, rules: RulesOrder) -> RuleBook:
        known = self._books.get(rules.paths)
        if known is not None and all(_digest(path) == digest for path, digest in known[0].items()):
            return known[1]
        bound = bind_paths(rules.paths, _read)
        digests = {path: _digest_of(data) for path, data in bound.files.items()}
        self._books[rules.paths] = (digests, bound.book)
        return bound.book


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_MOST_BYTES)


def _digest(path: str) -> str | None:
    """Of a file as it is; None where it is not there."""
    try:
        return _digest_of(_read(path))
    except (OSError, ValueError):
        return None


def _digest_of(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
