"""Evidence on disk for oracles to judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from campaign.plugins.api import Evidence, Exit, Judgement, Oracle
from campaign.plugins.parameters import defaults


def evidence(folder: Path, output: str | None = None) -> Evidence:
    """An attempt in ``folder`` that printed ``output``."""
    work = folder / "attempt-1/work"
    work.mkdir(parents=True, exist_ok=True)
    log = work.parent / "output.log"
    if output is not None:
        log.write_text(output)
    return Evidence(
        campaign="c-1",
        key="cell#0",
        instance="cell",
        cell="cell",
        seed=0,
        attempt=1,
        directory=str(work.parent),
        work=str(work),
        output=str(log) if output is not None else None,
        exit=Exit(token="t", epoch=1, digest="", started_at="", finished_at="", duration_s=0.0, boot_id=""),
    )


def judge(oracle: Oracle, seen: Evidence, **settings: Any) -> Judgement:
    """What the oracle says, its defaults filled in as its host does."""
    return oracle.judge(seen, defaults(oracle) | settings)
