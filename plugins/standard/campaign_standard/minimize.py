"""Minimizers: ways to make what fails smaller."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from campaign.plugins.api import Minimizer, Tunable, Value, hookimpl
from campaign_standard._bisection import scale_of, smallest
from campaign_standard._ddmin import minimal

api = 1

Candidates = Generator[Sequence[tuple[Any, ...]], Sequence[bool], None]


class Parameters(Minimizer):
    """``minimize { by = parameters }``: one parameter after the other, in the order given."""

    name = "parameters"
    about = "each parameter to its smallest failing value, in the order given"

    def size(self, candidate: tuple[Any, ...]) -> Any:
        """An earlier parameter counts more than all later ones: it was put first to be made small."""
        return candidate

    def candidates(self, start: tuple[Tunable, ...], settings: Mapping[str, Value], slots: int) -> Candidates:  # noqa: ARG002
        """At most log2(range) + 2 for a parameter whose larger values all fail, with one slot."""
        values = [each.value for each in start]
        for index, parameter in enumerate(start):
            scale = scale_of(parameter)
            search = smallest(scale, slots)
            try:
                points = next(search)
                while True:
                    tried = [(*values[:index], scale.value(point), *values[index + 1 :]) for point in points]
                    points = search.send(list((yield tried)))
            except StopIteration as end:
                values[index] = scale.value(end.value)


class DeltaDebugging(Minimizer):
    """``minimize { by = ddmin }``: operations, faults, lines."""

    name = "ddmin"
    about = "as few elements of a list as still fail: none of them can be left out"
    lists = True

    def size(self, candidate: tuple[Any, ...]) -> Any:
        """Fewer elements are smaller."""
        return len(candidate)

    def candidates(self, start: tuple[Any, ...], settings: Mapping[str, Value], slots: int) -> Candidates:  # noqa: ARG002
        """First nothing at all: if that fails, the list has no part in the failure.  Then ddmin."""
        if not start or any((yield [()])):
            return
        search = minimal(len(start), slots)
        try:
            selections = next(search)
            while True:
                answers = yield [tuple(start[index] for index in each) for each in selections]
                selections = search.send(list(answers))
        except StopIteration:
            return


@hookimpl
def campaign_minimizers() -> Iterable[Minimizer]:
    """Both."""
    return [Parameters(), DeltaDebugging()]
