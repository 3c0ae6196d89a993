"""What an oracle sees of an attempt: where everything is, what was asked for and how it ended."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from campaign.records.exit import Exit


class Evidence(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The evidence of one attempt, whole on disk before any oracle is asked.

    ``directory`` is the attempt's public directory, ``work`` the tools' working directory and ``output`` the log
    of all steps (absolute paths; ``output`` missing where nothing was printed).  ``settings`` and ``axes`` are JSON
    values, quantities as text.  ``env`` is the environment for a program that an oracle runs, which is what the tools
    had without their parameters; it may hold secrets.  ``searched`` says of each pattern that was looked for in all of
    the output, kept or not, by its id, whether it was found (so far, while the run lasts).
    """

    campaign: str
    key: str
    instance: str
    cell: str
    seed: int
    attempt: int
    tier: str | None = None
    axes: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    directory: str
    work: str
    output: str | None = None
    env: dict[str, str] = {}
    searched: dict[str, bool] = {}
    exit: Exit
