"""``host.json``: the machine that a campaign ran on."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

HOST_SCHEMA = "campaign.host/1"


class HostRecord(Struct, frozen=True, kw_only=True):
    """A machine as found: what cannot be had is missing, never guessed.

    ``id`` is stable for a machine, ``boot_id`` for one start of it; sizes in bytes; ``facts`` are what matchers see.
    """

    schema: str = HOST_SCHEMA
    id: str
    boot_id: str
    hostname: str
    system: str
    release: str
    architecture: str
    cpu_model: str | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    python: str
    campaign: str
    facts: dict[str, Any] = {}
