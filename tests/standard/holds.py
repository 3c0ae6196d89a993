"""Put a hold on and take it off as a provider host does, with the inverse on a journey as JSON in between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from campaign.plugins.api import Fault, Injected, Injection
from campaign.plugins.parameters import defaults, from_json


def values(fault: Fault, **given: Any) -> dict[str, Any]:
    return defaults(fault) | from_json(fault, given)


def injection(fault: Fault, workdir: Path | str = "/", **given: Any) -> Injection:
    return Injection(label="x", settings=values(fault, **given), target=None, workdir=str(workdir), random=7)


def arm(fault: Fault, **given: Any) -> Mapping[str, Any]:
    undo: Mapping[str, Any] = json.loads(json.dumps(fault.arm(injection(fault, **given))))
    return undo


@contextmanager
def held(fault: Fault, **given: Any) -> Iterator[Injected]:
    """Held; taken off twice, which does no harm."""
    undo = arm(fault, **given)
    try:
        yield fault.inject(injection(fault, **given), undo)
    finally:
        fault.clear(undo)
        fault.clear(undo)
