"""Environments: a variable that a tool finds changed, or does not find at all, held while a run lasts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Schema, Value, hookimpl

api = 1

#: What campaign itself gives every tool, and knows it again by.
_OURS = "CAMPAIGN_"

_VARIABLE: Schema = {"variable": {"type": "string", "required": True, "meta": {"help": "its name: `TZ`, `PATH`"}}}


class Set(Fault):
    """``env.set { variable = "LANG"; value = "tr_TR.UTF-8" }``: it has this value, whatever the tool was given."""

    name = "set"
    about = "start the tools with another value of an environment variable"
    holds = True
    injects = False
    parameters: ClassVar[Schema] = {
        **_VARIABLE,
        "value": {"type": "string", "required": True, "meta": {"help": "what they find; may be empty"}},
    }

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A name that can be set."""
        if "\0" in str(settings["value"]):
            return "a value of the environment cannot hold a zero byte"
        return _unnameable(str(settings["variable"]))

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Have the tools started with it; the value is not noted, it may be a secret."""
        name = str(injection.settings["variable"])
        return Injected(env={name: str(injection.settings["value"])}, notes=f"{name} is another one")


class Unset(Fault):
    """``env.unset { variable = "HOME" }``: it is not there."""

    name = "unset"
    about = "start the tools without an environment variable"
    holds = True
    injects = False
    parameters = _VARIABLE

    def available(self) -> str | None:
        """The program that leaves it out and becomes the tool."""
        return None if shutil.which("env") else "env was not found: apt-get install coreutils"

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A name that can be left out."""
        return _unnameable(str(settings["variable"]))

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - nothing to undo
        """Have the tools started by env(1)."""
        name = str(injection.settings["variable"])
        return Injected(wrap=(shutil.which("env") or "env", f"--unset={name}"), notes=f"without {name}")


def _unnameable(name: str) -> str | None:
    if not name or "=" in name or "\0" in name:
        return f"{name or 'an empty text'} is no name of an environment variable"
    if name.startswith(_OURS):
        return f"{name} is campaign's own"
    return None


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds of this plugin."""
    return [Set(), Unset()]
