"""Files in the working directory: an oracle over what a run leaves behind, and faults that damage it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import ClassVar

from campaign.plugins.api import Evidence, Fault, Judgement, Oracle, Schema, UnableError, Value, hookimpl
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
        there = _exists(locate(evidence, path), path)
        message = f"{path} exists" if there else f"{path} does not exist"
        return Judgement(ok=there is not settings["absent"], message=message)


def _exists(path: str, shown: str) -> bool:
    """Whether it is there; raises UnableError where nobody can tell, as behind a folder that may not be read."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENAMETOOLONG}:
            return False  # such a name leads to nothing
        raise UnableError(f"whether {shown} exists cannot be told: {error.strerror}") from None
    return True


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [Exists()]


@hookimpl
def campaign_faults() -> list[Fault]:
    """The faults of this plugin."""
    return [Flip(), Truncate(), Torn(), Delete()]
