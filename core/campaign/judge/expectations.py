"""Expectations: whether each ``expect`` of a run holds over what was observed, and in words why not."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

import msgspec
from msgspec import Struct

from campaign.judge.observed import NotApplicable, Observation, Undecided, signal_name
from campaign.language.expressions import Closure, EvaluationError, Missing, compile_expression, references
from campaign.language.syntax import Expr, Name
from campaign.records import ExpectOrder
from campaign.units import UnitError, format_value

_DETAILS = 3  # values named in a reason; more would bury the sentence
_decoder = msgspec.json.Decoder(Expr)


class Holds(Enum):
    """What became of an expectation; undecided: campaign cannot tell.

    Idle: it does not apply to this cell, or is true only because there is nothing that it asks about.
    """

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"
    IDLE = "idle"


class Outcome(Struct, frozen=True):
    """One expectation, what became of it, and the values that tell why."""

    expectation: ExpectOrder
    holds: Holds
    names: tuple[str, ...] = ()
    detail: str = ""

    @property
    def sentence(self) -> str:
        """``expected oracle.ok: every commit is there (sqlite.integrity: row 7 missing)``."""
        why = f": {self.expectation.why}" if self.expectation.why else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"expected {self.expectation.text}{why}{detail}"


class Condition(Struct, frozen=True):
    """A compiled expectation and the names it asks for, in the order in which they stand, but for ``output``."""

    test: Closure
    names: tuple[str, ...]
    asks_no_output: bool


def condition(expectation: ExpectOrder) -> Condition:
    """The compiled tree of an expectation; runs of one cell share it, so that it is compiled once.

    Raises EvaluationError or msgspec.DecodeError for a tree that no checker can have written.
    """
    return _compiled(bytes(expectation.tree))


@lru_cache(maxsize=4096)
def _compiled(tree: bytes) -> Condition:
    expression = _decoder.decode(tree)
    written = dict.fromkeys(part.text if isinstance(part, Name) else part.name for part in references(expression))
    return Condition(
        test=compile_expression(expression, lambda name: lambda observation: observation(name)),
        names=tuple(name for name in written if name != "output"),
        asks_no_output="output" not in written,
    )


def evaluate_expectation(expectation: ExpectOrder, observation: Observation) -> Outcome:
    """Whether ``expectation`` holds; never raises, what cannot be computed is undecided with its reason."""
    names: tuple[str, ...] = ()
    try:
        compiled = condition(expectation)
        names = compiled.names
        if compiled.test(observation) is True:
            empty = compiled.asks_no_output and bool(names) and all(map(observation.is_over_nothing, names))
            return Outcome(expectation, Holds.IDLE if empty else Holds.YES, names)
    except NotApplicable:
        return Outcome(expectation, Holds.IDLE, names)
    except Missing as missing:
        return Outcome(expectation, Holds.NO, names, str(missing.name))
    except (Undecided, EvaluationError, UnitError, msgspec.MsgspecError) as error:
        return Outcome(expectation, Holds.UNDECIDED, names, str(error))
    return Outcome(expectation, Holds.NO, names, "; ".join(_details(names, observation)))


def _details(names: tuple[str, ...], observation: Observation) -> Iterator[str]:
    for name in names[:_DETAILS]:
        try:
            value = observation(name)
            if name == "oracle.ok" or (name.startswith("oracle.") and name.endswith(".ok")):
                yield from observation.objections(name)
            elif name == "exit.ok" or name.endswith(".exit.ok"):
                yield from observation.endings(name)
            elif name.endswith("exit.signal") and isinstance(value, int):
                yield f"{name} is {signal_name(value)}"
            else:
                yield f"{name} is {format_value(value)[:200]}"
        except (Missing, Undecided, NotApplicable, UnitError):
            continue  # it did not decide, or it would have been the outcome
