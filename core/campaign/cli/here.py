"""This host, as rule sets ask of it: its facts and the folders that hold rule sets, each only when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from campaign.plan.ruled import Host


def this_host(*, strict: bool = True) -> Host:
    """What decides here which rule sets hold; not ``strict`` where nothing is to run."""
    return Host(facts=_facts, folder=_folder, installed=_installed, strict=strict, place=os.path.realpath)


@cache
def _facts() -> Mapping[str, Any]:
    from campaign.engine.host import describe_host  # late: asking the hardware takes a while

    return describe_host().facts


def _folder(path: str) -> list[str]:
    return sorted(os.listdir(path or "."))


def _installed() -> Mapping[str, str]:
    from campaign.rules.installed import installed_rules  # late: entry points are slow to read

    return installed_rules()
