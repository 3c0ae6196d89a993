"""Configuration that changes under a running tool: a setting replaced or gone, a line dropped, a whole file."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Any, ClassVar

import msgspec

from campaign.plugins.api import Fault, Injected, Injection, Schema, UnableError, Value, hookimpl, matches
from campaign_standard._inside import GoneError, leads_out, opened_file, read_within, write_within
from campaign_standard._memo import forget, memo_of, recall, remember

api = 1

_LONGEST = 1 << 20
#: What stands between the name of a setting and its value: redis.conf, ini and properties, YAML.
_BETWEEN = " \t=:"
_EDITS = ("set", "remove", "drop", "text")


class Edit(Fault):
    """``config.edit { path = "app.ini"; set = "timeout"; value = "0" }``; the file is as it was when it is over.

    The file is replaced in one go; a tool sees it when it reads it next, at a SIGHUP say.
    """

    name = "edit"
    about = "change a configuration file in the working directory, and put it back when it is over"
    parameters: ClassVar[Schema] = {
        "path": {"type": "string", "required": True, "meta": {"help": "the file, within `work/`"}},
        "set": {
            "type": "string",
            "dependencies": "value",
            "meta": {"help": "the setting that gets `value`: the first word of its line; in `.json` a JSON pointer"},
        },
        "value": {"type": "string", "dependencies": "set", "meta": {"help": "its value; in `.json` as JSON"}},
        "remove": {"type": "string", "meta": {"help": "the setting that is no longer there, named as in `set`"}},
        "drop": {"type": "string", "meta": {"help": "leave out the lines that match; `*` stands for any characters"}},
        "text": {"type": "string", "meta": {"help": "the whole new content"}},
    }

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A path within the working directory, and one thing to do."""
        path = str(settings["path"])
        if (why := leads_out(path)) is not None:
            return why
        asked = [name for name in _EDITS if settings.get(name) is not None]
        if len(asked) != 1:
            return f"give one of {', '.join(_EDITS)}, not {' and '.join(asked) or 'none'}"
        if path.endswith(".json") and asked[0] in {"set", "remove"}:
            return _bad_json(str(settings[asked[0]]), settings.get("value"))
        return None

    def shares(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The file."""
        return (os.path.normpath(str(settings["path"])),)

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where to write down what the file holds, once it is changed."""
        return memo_of(injection)

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Change it."""
        path, workdir = str(injection.settings["path"]), injection.workdir
        with opened_file(workdir, path, os.O_RDONLY) as fd:
            like = os.fstat(fd)
        old = read_within(workdir, path, _LONGEST)
        new, notes = _edited(path, old, injection.settings)
        if new == old:
            raise UnableError(f"{path}: {notes} changes nothing")
        remember(undo, {"path": path, "old": base64.b64encode(old).decode(), "new": _digest(new)})
        write_within(workdir, path, new, like)
        return Injected(notes=f"{path}: {notes}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Put it back as it was, unless somebody has written another one since."""
        if (state := recall(undo)) is None:
            return
        workdir, path = undo["workdir"], str(state["path"])
        with suppress(GoneError), opened_file(workdir, path, os.O_RDONLY) as fd:
            if _digest(read_within(workdir, path, _LONGEST << 4)) == state["new"]:
                write_within(workdir, path, base64.b64decode(state["old"]), os.fstat(fd))
        forget(undo)


def _edited(path: str, old: bytes, settings: Mapping[str, Value]) -> tuple[bytes, str]:
    """The new content, and what was done; raises UnableError."""
    asked = {name: str(settings[name]) for name in (*_EDITS, "value") if settings.get(name) is not None}
    if "text" in asked:
        return asked["text"].encode(), f"{len(old)} → {len(asked['text'].encode())} bytes"
    name = asked.get("set") or asked.get("remove") or ""
    if path.endswith(".json") and name:
        return _edited_json(path, old, name, asked.get("value"))
    return _edited_lines(path, old, name, asked)


def _edited_lines(path: str, old: bytes, name: str, asked: Mapping[str, str]) -> tuple[bytes, str]:
    lines, hits = list[str](), list[str]()
    for line in old.decode("utf-8", "surrogateescape").splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if not (_names(bare, name) if name else matches(asked["drop"], bare)):
            lines.append(line)
            continue
        hits.append(bare)
        if "value" in asked:
            lines.append(_head(bare, name) + asked["value"] + line[len(bare) :])
    if not hits:
        raise UnableError(f"{path} has no line {'that sets ' + name if name else 'like ' + asked['drop']}")
    what = f"{name}: {_head(hits[0], name)}{asked['value']}" if "value" in asked else f"without {hits[0].strip()}"
    more = f" and {len(hits) - 1} more" if len(hits) > 1 else ""
    return "".join(lines).encode("utf-8", "surrogateescape"), what + more


def _names(line: str, name: str) -> bool:
    """Whether a line sets ``name``: its first word, what follows stands after a space, ``=`` or ``:``."""
    rest = line.strip()
    return rest.startswith(name) and (len(rest) == len(name) or rest[len(name)] in _BETWEEN)


def _head(line: str, name: str) -> str:
    """A line up to its value."""
    end = line.index(name) + len(name)
    rest = line[end:]
    between = rest[: len(rest) - len(rest.lstrip(_BETWEEN))]
    return line[:end] + (between or " ")


# --- JSON -------------------------------------------------------------------------------------------------------


def _bad_json(pointer: str, value: Value | None) -> str | None:
    if not pointer.startswith("/"):
        return f"{pointer} is no JSON pointer: it begins with a slash, /server/port"
    try:
        msgspec.json.decode(str(value) if value is not None else "0")
    except (msgspec.MsgspecError, UnicodeError):
        return f"{value} is no JSON: a text stands in quotes"
    return None


def _edited_json(path: str, old: bytes, pointer: str, value: str | None) -> tuple[bytes, str]:
    try:
        tree = msgspec.json.decode(old)
        *folders, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
        at = tree
        for each in folders:
            at = at[_place(at, each)]
        place = _place(at, last)
        if value is None:
            del at[place]
        else:
            at[place] = msgspec.json.decode(value)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise UnableError(f"{path} has no {pointer}: {type(error).__name__}: {error}") from None
    done = f"without {pointer}" if value is None else f"{pointer}: {value}"
    return msgspec.json.format(msgspec.json.encode(tree), indent=2) + b"\n", done


def _place(tree: object, part: str) -> str | int:
    """A part of a pointer as an index of that object or list; raises TypeError and ValueError."""
    if isinstance(tree, list):
        return int(part)
    if isinstance(tree, dict):
        return part
    raise TypeError(f"{part} is asked of neither an object nor a list")


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


@hookimpl
def campaign_faults() -> list[Fault]:
    """The faults of this plugin."""
    return [Edit()]
