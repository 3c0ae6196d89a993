"""For the tests of plugins: whether campaign would take one, without installing it."""

from __future__ import annotations

from types import ModuleType

from campaign.plugins.border import RejectedError, admit, collect, new_manager


def problems(module: ModuleType) -> list[str]:
    """Everything that campaign would refuse a plugin for, one sentence each; empty where it would be taken."""
    manager = new_manager()
    try:
        collect(manager, "plugin", admit(manager, "plugin", module))
    except RejectedError as error:
        return list(error.sentences)
    return []
