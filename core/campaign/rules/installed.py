"""Rule sets that packages bring: entry points of the group ``campaign.rules``, found without importing anything.

An entry point ``zen4 = "acme_rules"`` says that the package ``acme_rules`` holds ``zen4.yaml``.  The group
``campaign.triage`` is of the same kind: of its sets an analysis asks the triage rules, whatever binds the campaign.
"""

from __future__ import annotations

import os.path
from functools import cache
from importlib import metadata
from importlib.machinery import PathFinder

GROUP, TRIAGE = "campaign.rules", "campaign.triage"


@cache
def installed_rules(group: str = GROUP) -> dict[str, str]:
    """The files of all installed rule sets of a group by name, sorted."""
    found: dict[str, str] = {}
    for point in sorted(metadata.entry_points(group=group), key=lambda each: (each.name, each.value)):
        folder = _folder(point.module)
        if folder is not None:
            found.setdefault(point.name, os.path.join(folder, f"{point.name}.yaml"))
    return found


def find_installed(name: str) -> str | None:
    """The file of an installed rule set; None where no package brings one of that name."""
    return installed_rules().get(name)


def _folder(module: str) -> str | None:
    """The folder of a package; a parent is looked into, never imported."""
    path: list[str] | None = None
    for name in module.split("."):
        spec = PathFinder.find_spec(name, path)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = list(spec.submodule_search_locations)
    return path[0] if path else None
