"""Minimizers: how what fails is made smaller."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from msgspec import Struct

from campaign.plugins.providers import Provider
from campaign.units import Quantity, Value


class Tunable(Struct, frozen=True, kw_only=True):
    """A parameter to be made smaller: its value, and the lowest one that it takes.

    Without ``low`` there is no lower end.  With ``allowed`` only those values are taken, in rising order.
    """

    name: str
    value: int | Fraction | Quantity
    low: int | Fraction | Quantity | None = None
    allowed: tuple[int | Fraction | Quantity, ...] = ()


class Minimizer(Provider):
    """A way to make what fails smaller: yields candidates, is sent which of them still fail the same way.

    What is made smaller is a list (``lists``: operations, faults, lines; a candidate is a selection, in order), or
    else parameters (a tuple of ``Tunable``; a candidate is a tuple of their values, in order).
    """

    lists: ClassVar[bool] = False

    def size(self, candidate: tuple[Any, ...]) -> Any:
        """The one order of «smaller»: of two candidates that fail the one whose size sorts first is kept."""
        raise NotImplementedError(f"{type(self).__name__}.size")

    def candidates(
        self, start: tuple[Any, ...], settings: Mapping[str, Value], slots: int
    ) -> Generator[Sequence[tuple[Any, ...]], Sequence[bool], None]:
        """A generator over batches of candidates, each sent back what became of the batch, in its order.

        The candidates of a batch are run side by side, so none may need to know of another; ``slots`` is how many
        can run at a time.  ``start`` itself is known to fail.  A candidate that may not be run counts as not failing.
        The end may come after any batch.  Pure: no clock, no I/O, the same candidates for the same outcomes.
        """
        raise NotImplementedError(f"{type(self).__name__}.candidates")
