"""Inject a fault and take it back as a provider host does, with the inverse on a journey as JSON in between."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from campaign.plugins.api import Fault, Injected, Injection, Process
from campaign.proc import boot_id, identify

from .holds import values


def process(pid: int) -> Process:
    found = identify(pid, boot_id())
    assert found is not None
    return found


def inject(
    fault: Fault, workdir: Path, pid: int | None = None, random: int = 7, **given: Any
) -> tuple[Injected, Mapping[str, Any]]:
    """What it did, and its inverse as it would be read from a journal."""
    target = None if pid is None else process(pid)
    settings = values(fault, **given)
    asked = Injection(label="f", settings=settings, target=target, workdir=str(workdir), random=random)
    undo: Mapping[str, Any] = json.loads(json.dumps(fault.arm(asked)))
    return fault.inject(asked, undo), undo


def clear(fault: Fault, undo: Mapping[str, Any]) -> None:
    """Twice, which does no harm."""
    fault.clear(undo)
    fault.clear(undo)
