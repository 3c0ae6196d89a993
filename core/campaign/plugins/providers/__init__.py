"""What plugins provide, a module for each kind; ``campaign.plugins.api`` hands all of it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

#: A cerberus schema with the language's types (``duration``, ``voltage``, …) registered, see ``Provider``.
Schema = Mapping[str, Mapping[str, Any]]


class Provider:
    """What all providers share: a name, one sentence, and parameters.

    ``parameters`` is a cerberus schema, by parameter name: ``type`` (one of ``int decimal string bool path duration
    size voltage current power frequency temperature ratio list``), ``default``, ``min``, ``max``, ``allowed``,
    ``required``, ``schema`` (of a list's items), and ``meta: {"help": "…"}``; ``meta: {"physical": True}`` says
    that it is written to the world as it is (a rail), so that rule sets can deny it without a limit.
    Defaults, ``min`` and ``max`` of quantities are written as in the language: ``"10s"``.  Settings reach the methods
    as Python values: Quantity, Fraction, int, bool, str, tuple.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    parameters: ClassVar[Schema] = {}

    def available(self) -> str | None:
        """Why it cannot be used on this machine, in one sentence that says how to get it; None where it can.

        Called before anything runs.
        """
        return None
