"""How what is asked for beside a plan is carried out, by the kind of the request."""

from __future__ import annotations

from collections.abc import Mapping

from campaign.engine import minimize, repeat, replay
from campaign.engine.prepare import Prepared
from campaign.engine.sidework import Maker


def makers(prepared: Prepared) -> Mapping[str, Maker]:
    """Of a campaign that is carried out, or was."""
    return {
        "replay": replay.work,
        repeat.KIND: repeat.work,
        "minimize": lambda ground: minimize.work(prepared, ground),
    }
