"""How what is asked for beside a plan is carried out, by the kind of the request."""

from __future__ import annotations

from collections.abc import Mapping

from campaign.engine import repeat, replay
from campaign.engine.sidework import Maker

MAKERS: Mapping[str, Maker] = {"replay": replay.work, repeat.KIND: repeat.work}
