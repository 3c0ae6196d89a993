"""Strategies that lay the faults without an instant out over a span: ``schedule even { over = 8h }``.

Instants are whole milliseconds after the start and before the end of the span.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import ClassVar

from campaign.plugins.api import Dimension, Placement, Quantity, Schedule, Schema, Spread, UnableError, hookimpl
from campaign_standard._chance import Chance
from campaign_standard.synthetic import Compact, Session

api = 1

_TIMES: Schema = {
    "times": {"type": "int", "default": 1, "min": 1, "max": 10_000, "meta": {"help": "how often each fault comes"}}
}


class Even(Schedule):
    """One after the other, in the order of the spec, in equal steps."""

    name = "even"
    about = "in equal steps, in the order of the spec"
    parameters = _TIMES

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """The n-th of N faults at n / (N + 1) of the span; nothing is drawn."""
        turns = _turns(spread)
        return [_at(fault, _share(spread, number, len(turns))) for number, fault in enumerate(turns, start=1)]


class Jittered(Schedule):
    """As ``even``, each moved by a little."""

    name = "jittered"
    about = "in equal steps, each moved by a little"
    parameters: ClassVar[Schema] = {
        **_TIMES,
        "jitter": {
            "type": "ratio",
            "default": "25%",
            "min": "0%",
            "max": "50%",
            "meta": {"help": "how far one is moved at most, of a step"},
        },
    }

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """Up to ``jitter`` of a step earlier or later; at most half of one, so that the order stays."""
        turns, chance = _turns(spread), Chance(spread.random)
        step = _whole(spread) // (len(turns) + 1)
        most = int(step * _number(spread.settings["jitter"]))
        return [
            _at(fault, _share(spread, number, len(turns)) - most + chance.below(2 * most + 1))
            for number, fault in enumerate(turns, start=1)
        ]


class Uniform(Schedule):
    """Each at any instant of the span, whatever the others do."""

    name = "random"
    about = "each at any instant of the span"
    parameters = _TIMES

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """Every millisecond of the span as likely as another."""
        chance, span = Chance(spread.random), _whole(spread)
        return [_at(fault, chance.below(span)) for fault in _turns(spread)]


class Poisson(Schedule):
    """Arrivals that know nothing of each other, so many on the average."""

    name = "poisson"
    about = "arrivals at random, one in `mean` on the average; each fault once at least"
    parameters: ClassVar[Schema] = {
        "mean": {"type": "duration", "min": "1ms", "meta": {"help": "between two arrivals; the span over the faults"}}
    }

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """Gaps drawn from an exponential distribution; the first arrivals take every fault once, the others any.

        Faults for which no arrival is left come at any instant.
        """
        chance, span, count = Chance(spread.random), _whole(spread), len(spread.faults)
        wanted = spread.settings.get("mean")
        mean = _milliseconds(wanted) if isinstance(wanted, Quantity) else max(1, span // count)
        if span // mean > _MOST:
            raise UnableError(f"there would be more than {_MOST:,}: mean is too short")
        arrivals: list[int] = []
        at = chance.exponential(mean * _FINE)
        while at < span * _FINE:
            arrivals.append(at // _FINE)
            at += chance.exponential(mean * _FINE)
        arrivals += [chance.below(span) for _ in range(count - len(arrivals))]
        first = list(range(count))
        chance.shuffle(first)
        faults = [*first, *(chance.below(count) for _ in range(len(arrivals) - count))]
        return [_at(fault, instant) for fault, instant in zip(faults, arrivals, strict=True)]


class Storm(Schedule):
    """Several faults at once, and never more than ``most``."""

    name = "storm"
    about = "bursts of overlapping faults, at most `most` at a time"
    parameters: ClassVar[Schema] = {
        **_TIMES,
        "most": {"type": "int", "default": 3, "min": 1, "max": 1000, "meta": {"help": "faults in force at a time"}},
        "within": {"type": "duration", "default": "1s", "min": "1ms", "meta": {"help": "how long a burst takes"}},
    }

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """Bursts of ``most`` faults, drawn; those of one begin ``within`` of each other, and while the first lasts.

        A burst ends before the next one begins; raises UnableError where the span has no room for that.
        """
        chance, span = Chance(spread.random), _whole(spread)
        turns = _turns(spread)
        chance.shuffle(turns)
        most = int(_number(spread.settings["most"]))
        bursts = [turns[first : first + most] for first in range(0, len(turns), most)]
        lengths = [_milliseconds(each.duration) for each in spread.faults if each.duration is not None]
        longest = max(lengths, default=0)
        within = min([_milliseconds(spread.settings["within"]), *lengths])
        share = span // len(bursts)
        slack = share - within - longest
        if slack < 0:
            raise UnableError(f"there is no room for {len(bursts)} of its bursts in {spread.over}: over is too short")
        found: list[Placement] = []
        for number, burst in enumerate(bursts):
            begin = number * share + chance.below(slack + 1)
            found += [_at(fault, begin + (chance.below(within) if place else 0)) for place, fault in enumerate(burst)]
        return found


#: As many as the kernel takes in one run.
_MOST = 10_000
#: Parts of a millisecond in which waiting times add up: rounded each by itself, short ones would come too often.
_FINE = 1_000_000


def _turns(spread: Spread) -> list[int]:
    """Every fault ``times`` times, round after round."""
    return list(range(len(spread.faults))) * int(_number(spread.settings["times"]))


def _number(value: object) -> Fraction:
    """A number or a ratio as one; raises UnableError for what is none."""
    if isinstance(value, Quantity):
        return value.value
    if isinstance(value, int | Fraction):
        return Fraction(value)
    raise UnableError(f"takes a number, not {value!r}")


def _milliseconds(value: object) -> int:
    return int(_number(value) * 1000)


def _whole(spread: Spread) -> int:
    """The span in whole milliseconds, one at least."""
    return max(1, _milliseconds(spread.over))


def _share(spread: Spread, number: int, count: int) -> int:
    return _whole(spread) * number // (count + 1)


def _at(fault: int, milliseconds: int) -> Placement:
    return Placement(fault, Quantity(Fraction(milliseconds, 1000), Dimension.DURATION, "s"))


@hookimpl
def campaign_schedules() -> Iterable[Schedule]:
    """These, and the two of the synthetic harness."""
    return [Even(), Jittered(), Uniform(), Poisson(), Storm(), Compact(), Session()]
