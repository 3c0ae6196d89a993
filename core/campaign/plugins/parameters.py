"""The parameters of a provider: their types, defaults and limits, and what is wrong with settings.

A provider declares its parameters as a cerberus schema that holds the language's types, with quantities written as
in the language: ``{"duration": {"type": "duration", "default": "10s", "min": "1s"}}``.  The texts become values once
per provider (``parameter_rules``); cerberus itself (``schema``) is imported only where something is validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from campaign.plugins.parameter_rules import ParameterProblem, SchemaError, compiled, read_value
from campaign.units import Value

if TYPE_CHECKING:
    from campaign.plugins.api import Provider

__all__ = ["ParameterProblem", "SchemaError", "defaults", "from_json", "parameter_types", "validate"]


def parameter_types(provider: Provider) -> dict[str, str]:
    """The type of every parameter by name."""
    return {name: rules["type"] for name, rules in compiled(provider).items()}


def defaults(provider: Provider) -> dict[str, Value]:
    """The defaults by name, as values; parameters without one are left out."""
    return {name: rules["default"] for name, rules in compiled(provider).items() if "default" in rules}


def validate(provider: Provider, settings: Mapping[str, Value]) -> list[ParameterProblem]:
    """Everything wrong with ``settings``: unknown names, missing ones, types, limits."""
    # Late: cerberus costs 20 ms, and a spec that declares its own tools needs none of it.
    from campaign.plugins.schema import problems

    return problems(provider, settings)


def from_json(provider: Provider, settings: Mapping[str, Any]) -> dict[str, Value]:
    """Settings as values again after a journey as JSON; raises UnitError where one is not of its type."""
    types = compiled(provider)
    return {name: read_value(types[name], value) if name in types else value for name, value in settings.items()}
