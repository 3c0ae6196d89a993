"""Rails: voltages, clocks and whatever else a file or a command sets, held while a run lasts.

What was there is read first and journalled; what was set is read back, and so is what was restored.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Schema, UnableError, Value, hookimpl
from campaign_standard._setting import (
    number,
    put_back,
    read_file,
    run_command,
    seconds,
    settled,
    texts,
    unwritable,
    write_file,
)

api = 1

#: What a restore command has in place of the value that was read before.
OLD = "{old}"
#: What a set command has in place of ``value``, so that a limit of ``value`` reaches what is really set.
VALUE = "{value}"

_READ_BACK: Schema = {
    "tolerance": {
        "type": "decimal",
        "default": 0,
        "min": 0,
        "meta": {"help": "how far what is read back may be from what was set, in the unit that is read"},
    },
    "settle": {
        "type": "duration",
        "default": "0s",
        "min": "0s",
        "max": "20s",
        "meta": {"help": "how long it may take until what is read back is right"},
    },
}


class Sysfs(Fault):
    """A file that sets something: its value is read, written, read back, and written again when it is over."""

    name = "sysfs"
    about = "write a value to a file, read it back, and put the old one back"
    holds = True
    parameters: ClassVar[Schema] = {
        "path": {"type": "path", "required": True, "meta": {"help": "the file; it is never made"}},
        "value": {
            "type": "string",
            "required": True,
            "meta": {"help": 'what is written, in the file\'s own unit: `"{voltage:mV}"`', "physical": True},
        },
        **_READ_BACK,
    }

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """The file, or the right to write it."""
        return None if "\0" in str(settings["path"]) else unwritable(str(settings["path"]))

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The file."""
        return (str(settings["path"]),)

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Read what is there."""
        path = os.path.realpath(str(injection.settings["path"]))
        if (why := unwritable(path)) is not None:
            raise UnableError(why)
        old = read_file(path)
        if not old:
            raise UnableError(f"{path} is empty, so that nothing could be put back")
        return {"path": path, "old": old, **_read_back(injection)}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Write, and read back."""
        path, value = undo["path"], str(injection.settings["value"])
        write_file(path, value)
        found = settled(lambda: read_file(path), value, Fraction(undo["tolerance"]), undo["settle"], path)
        return Injected(notes=f"{path}: {undo['old']} → {found}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Write what was there, and read it back."""
        put_back([undo], Fraction(undo["tolerance"]), undo["settle"])


class Command(Fault):
    """A rail behind commands: one reads it, one sets it, one restores it; no shell is ever involved."""

    name = "command"
    about = "set a rail by a command, read it back by another, and restore it by a third"
    holds = True
    parameters: ClassVar[Schema] = {
        "rail": {
            "type": "string",
            "required": True,
            "meta": {"help": "its name: two runs never hold one rail at the same time"},
        },
        "set": {
            "type": "list",
            "required": True,
            "schema": {"type": "string"},
            "meta": {"help": "the command that sets it: a program and its arguments; `{{value}}` stands for `value`"},
        },
        "read": {
            "type": "list",
            "required": True,
            "schema": {"type": "string"},
            "meta": {"help": "the command that prints its value"},
        },
        "restore": {
            "type": "list",
            "required": True,
            "schema": {"type": "string"},
            "meta": {"help": "the command that puts it back; `{{old}}` stands for what was read before"},
        },
        "value": {
            "type": "string",
            "required": True,
            "meta": {"help": "what the second command must print once it is set", "physical": True},
        },
        **_READ_BACK,
        "within": {
            "type": "duration",
            "default": "10s",
            "max": "20s",
            "meta": {"help": "how long one command may take"},
        },
    }

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A program that is not there."""
        for name in ("set", "read", "restore"):
            argv = texts(settings[name])
            if not argv or not argv[0]:
                return f"{name} is an empty command"
            if "\0" not in argv[0] and shutil.which(argv[0]) is None:
                return f"{argv[0]} was not found: install it, or give its path"
        return None

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The rail, by its name."""
        return (f"rail:{settings['rail']}",)

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Read what is there."""
        settings = injection.settings
        within_s = seconds(settings["within"])
        old = run_command(read := texts(settings["read"]), within_s)
        if not old:
            raise UnableError(f"{read[0]} printed nothing, so that nothing could be put back")
        restore = [word.replace(OLD, old) for word in texts(settings["restore"])]
        common = {"rail": str(settings["rail"]), "read": list(read), "within": within_s}
        return {**common, "old": old, "restore": restore, **_read_back(injection)}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Set it, and read it back."""
        value = str(injection.settings["value"])
        run_command([word.replace(VALUE, value) for word in texts(injection.settings["set"])], undo["within"])
        found = _read_until(undo, value)
        return Injected(notes=f"{undo['rail']}: {undo['old']} → {found}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Restore it, and read it back."""
        run_command(undo["restore"], undo["within"])
        _read_until(undo, undo["old"])


def _read_until(undo: Mapping[str, Any], wanted: str) -> str:
    def read() -> str:
        return run_command(undo["read"], undo["within"])

    return settled(read, wanted, Fraction(undo["tolerance"]), undo["settle"], undo["rail"])


def _read_back(injection: Injection) -> dict[str, Any]:
    settings = injection.settings
    return {"tolerance": str(number(settings["tolerance"])), "settle": seconds(settings["settle"])}


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds of this plugin."""
    return [Command(), Sysfs()]
