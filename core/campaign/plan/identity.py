"""Who a run is, and what it draws: keys, ids and random numbers that depend on nothing else.

Everything here is BLAKE2b over text.  Hash states are prepared once for each campaign and copied for each run, so
that a million ids cost about as much as a million bare hashes.  ``docs/explanation/identity.md`` has an example
worked by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from hashlib import blake2b
from math import ceil, floor

#: Bytes of an id: 80 bits, so that even a billion runs share none (chance below one in a million).
ID_BYTES = 10
_DRAW_BITS = 64
_STREAM_BITS = 512  # one whole BLAKE2b digest for each number of a stream


def run_key(cell: str, seed: int) -> str:
    """The key of a run within its campaign: ``crash.wal.full#3``."""
    return f"{cell}#{seed}"


def split_key(key: str) -> tuple[str, int]:
    """Cell and seed of a key; raises ValueError for what is not ``cell#seed``."""
    cell, _, seed = key.rpartition("#")
    if not cell or not (seed.removeprefix("-").isascii() and seed.removeprefix("-").isdigit()):
        raise ValueError(f"{key} is not a run's key: cell#seed")
    return cell, int(seed)


def identifier(campaign_name: str, attempt: int = 1) -> Callable[[str], str]:
    """A function from a run's key to the id of that attempt in campaigns of this name: 20 hex digits.

    Hashed is ``<length of name>:<name><key>@<attempt>``: the length in front and the digits behind make it read in
    one way only.
    """
    state = blake2b(f"{len(campaign_name)}:{campaign_name}".encode(), digest_size=ID_BYTES, person=b"campaign.run")
    copy, behind = state.copy, f"@{attempt}"

    def identify(key: str) -> str:
        hashed = copy()
        hashed.update((key + behind).encode())
        return hashed.hexdigest()

    return identify


def run_id(campaign_name: str, key: str, attempt: int = 1) -> str:
    """The id of one attempt of one run: it changes with the campaign's name, the key and the attempt alone."""
    return identifier(campaign_name, attempt)(key)


def drawer(campaign_seed: int, purpose: str) -> Callable[[str], int]:
    """A function from a run's key (or an instance's label) to its number for this purpose, 0 to 2^64-1.

    BLAKE2b is keyed with the campaign's seed in decimal; hashed is ``<length of purpose>:<purpose><key>``.
    """
    state = blake2b(
        f"{len(purpose)}:{purpose}".encode(),
        digest_size=_DRAW_BITS // 8,
        key=_seed_key(campaign_seed),
        person=b"campaign.draw",
    )
    copy, number = state.copy, int.from_bytes

    def drawn(key: str) -> int:
        hashed = copy()
        hashed.update(key.encode())
        return number(hashed.digest(), "big")

    return drawn


def draw(campaign_seed: int, key: str, purpose: str) -> int:
    """One random number, 0 to 2^64-1, for a run (or an instance) and a purpose such as ``fault.kill.at``."""
    return drawer(campaign_seed, purpose)(key)


def below(drawn: int, bound: int) -> int:
    """A drawn number scaled to 0..bound-1; the bias is below ``bound / 2^64``."""
    return drawn * bound >> _DRAW_BITS


def instant_purpose(label: str) -> str:
    """What the instant of a fault is drawn for."""
    return f"fault.{label}.at"


def drawn_instant(first: Fraction, last: Fraction, drawn: int) -> Fraction:
    """One of the whole milliseconds from ``first`` to ``last``, all in seconds; ``first`` where there is none."""
    lowest, highest = ceil(first * 1000), floor(last * 1000)
    return Fraction(lowest + below(drawn, highest - lowest + 1), 1000) if lowest <= highest else first


class Stream:
    """As many random numbers as one likes for (campaign's seed, instance label, purpose): BLAKE2b over a counter.

    ``sample`` and ``cover`` draw from it; no other instance and no other purpose can change what comes.
    """

    __slots__ = ("_count", "_state")

    def __init__(self, campaign_seed: int, label: str, purpose: str) -> None:
        self._state = blake2b(
            f"{len(purpose)}:{purpose}{len(label)}:{label}".encode(),
            digest_size=_STREAM_BITS // 8,
            key=_seed_key(campaign_seed),
            person=b"campaign.stream",
        )
        self._count = 0

    def below(self, bound: int) -> int:
        """The next number, 0..bound-1; ``bound`` may be far beyond 2^64, the bias is below ``bound / 2^512``."""
        hashed = self._state.copy()
        hashed.update(self._count.to_bytes(8, "big"))
        self._count += 1
        return int.from_bytes(hashed.digest(), "big") * bound >> _STREAM_BITS


def _seed_key(campaign_seed: int) -> bytes:
    text = str(campaign_seed).encode()
    return text if len(text) <= blake2b.MAX_KEY_SIZE else blake2b(text).digest()
