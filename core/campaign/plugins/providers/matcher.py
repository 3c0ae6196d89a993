"""Matchers: whether a host is one that a rule set was written for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaign.plugins.providers import Provider


class Matcher(Provider):
    """A safety matcher: whether the host is one that a rule set was written for.

    ``facts`` are JSON values by name: ``cpu_model``, ``architecture`` and ``kernel`` (texts), ``cores`` (a count),
    ``memory`` (bytes), ``gpus`` (names), ``dmi`` (texts by field); what is not known of a host is not there, and a
    matcher must then say no.
    """

    def objection(self, wanted: Any) -> str | None:
        """Why no host could ever be asked for ``wanted``, as the end of a sentence; None where it is well formed.

        Called when a rule set is checked; ``matches`` is called only with what it has no objection to.
        """
        return None

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """What the host has of what is asked for, in words, for the explanation of a verdict; None: not known."""
        return None

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Whether the host's ``facts`` are what ``wanted`` (from the rule set) asks for.  Pure: no I/O, no clock."""
        raise NotImplementedError(f"{type(self).__name__}.matches")
