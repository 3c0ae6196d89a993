"""The values of one run on their way into its order: computed, read as seconds, written as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, Span
from campaign.language.expressions import Closure, EvaluationError
from campaign.plan.program import Environment, PathOf, Recipe
from campaign.units import Quantity, UnitError, Value, format_value, to_json


class Evaluation(Struct, frozen=True):
    """What the closures of one run look up, where its paths lie, and the number drawn for a purpose.

    Every method raises CampaignError for a value that cannot be computed for this very run.
    """

    environment: Environment
    path_of: PathOf
    draw: Callable[[str], int]

    def computed(self, closure: Closure) -> Value:
        """What a closure comes to."""
        try:
            return closure(self.environment)
        except EvaluationError as error:
            raise refused("CAMP113", error.message, error.span) from None

    def seconds(self, closure: Closure | None, otherwise: float, what: str) -> float:
        """A duration; ``otherwise`` where there is none."""
        if closure is None:
            return otherwise
        value = self.computed(closure)
        seconds = float(value.value) if isinstance(value, Quantity) else otherwise
        if seconds < 0:
            raise refused("CAMP112", f"{what} is {format_value(value)}, which is less than nothing", None)
        return seconds

    def time(self, recipe: Recipe, name: str) -> float | None:
        """A duration among an item's own settings of the engine, in seconds; None where it has none."""
        closures = recipe.engine.get(name)
        return self.seconds(closures[0], 0.0, name) if closures else None

    def flag(self, recipe: Recipe, name: str, otherwise: bool) -> bool:
        """A bool among an item's own settings of the engine."""
        closures = recipe.engine.get(name)
        return self.computed(closures[0]) is True if closures else otherwise

    def parameters(self, recipe: Recipe) -> dict[str, Value]:
        """An item's parameters by name."""
        return recipe.values(self.environment, self.path_of)


def as_json(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values by name as JSON; raises CampaignError for one without an exact written form."""
    try:
        return {name: to_json(value) for name, value in values.items()}
    except UnitError as error:
        raise refused("CAMP113", str(error), None) from None


def refused(code: str, summary: str, span: Span | None) -> CampaignError:
    """An error in a value of a run, at the place where it was written."""
    return CampaignError([Diagnostic(code, summary, span)])
