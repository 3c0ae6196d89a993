"""What is too large to be planned, known from the sizes of axes alone: the check asks, nothing is searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plan.scenario import Scenario
from campaign.plan.space import Space, components

#: More tuples than this are refused: their bookkeeping would take minutes and gigabytes.
MOST_TUPLES = 1_500_000


class CoverTooLargeError(CampaignError):
    """A cover with so many tuples of values that it cannot be searched for."""

    def __init__(self, scenario: Scenario, tuples: int) -> None:
        how = f"combine cover {scenario.combination.count} of {scenario.label_text}"
        summary = f"{how} has {tuples:,} tuples of values to cover, at most {MOST_TUPLES:,} can be"
        hint = "cover tuples of fewer values, sweep fewer values, or write `combine sample N`"
        super().__init__([Diagnostic("CAMP205", summary, scenario.span, hint)])


def bound_cover(scenario: Scenario) -> None:
    """Raise CoverTooLargeError where ``combine cover`` has more tuples than can be searched for."""
    sizes, strength = [len(axis.points) for axis in scenario.axes], scenario.combination.count
    if scenario.combination.how == "cover" and strength < len(sizes):
        tuples = count_tuples(sizes, strength)
        if tuples > MOST_TUPLES:
            raise CoverTooLargeError(scenario, tuples)


def check_bounds(scenarios: Iterable[Scenario]) -> Iterator[Diagnostic]:
    """What cannot be planned: covers of too many tuples, excludes that tie too many combinations together."""
    for scenario in scenarios:
        try:
            bound_cover(scenario)
            space = Space(scenario)
            for component in components(space.sizes, space.constraints):
                component.begin()
        except CampaignError as error:
            yield from error.diagnostics


def count_tuples(sizes: Iterable[int], strength: int) -> int:
    """How many tuples of ``strength`` values of as many axes there are."""
    counts = [1] + [0] * strength
    for size in sizes:
        for taken in range(strength, 0, -1):
            counts[taken] += counts[taken - 1] * size
    return counts[strength]
