"""Files in the working directory: an oracle over what a run leaves behind, and faults that damage it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from campaign.plugins.api import Evidence, Fault, Judgement, Oracle, Schema, Value, hookimpl
from campaign_standard._damage import Delete, Flip, Torn, Truncate
from campaign_standard._reading import locate

api = 1


class Exists(Oracle):
    """Whether a file or folder is there; a symbolic link to nothing is not."""

    name = "exists"
    about = "a file is there"
    parameters: ClassVar[Schema] = {
        "path": {"type": "string", "required": True, "meta": {"help": "relative to work/, or absolute"}},
        "absent": {"type": "bool", "default": False, "meta": {"help": "ok where it is not there"}},
    }

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Look whether it is there."""
        path = str(settings["path"])
        there = os.path.exists(locate(evidence, path))
        message = f"{path} exists" if there else f"{path} does not exist"
        return Judgement(ok=there is not settings["absent"], message=message)


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [Exists()]


@hookimpl
def campaign_faults() -> list[Fault]:
    """The faults of this plugin."""
    return [Flip(), Truncate(), Torn(), Delete()]
