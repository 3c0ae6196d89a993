"""Where everything that happened is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: The folder that is looked for upwards, unless ``--workspace`` or ``CAMPAIGN_WORKSPACE`` name one.
WORKSPACE_NAME = ".campaign"


def find_workspace(given: str | None, environ: Mapping[str, str], directory: str) -> str:
    """The workspace: as given, from ``CAMPAIGN_WORKSPACE``, the nearest ``.campaign`` upwards, else one right here."""
    chosen = given or environ.get("CAMPAIGN_WORKSPACE")
    if chosen:
        return os.path.abspath(os.path.join(directory, chosen))
    parent = os.path.abspath(directory)
    while True:
        candidate = os.path.join(parent, WORKSPACE_NAME)
        if os.path.isdir(candidate):
            return candidate
        if parent == os.path.dirname(parent):
            return os.path.join(os.path.abspath(directory), WORKSPACE_NAME)
        parent = os.path.dirname(parent)
