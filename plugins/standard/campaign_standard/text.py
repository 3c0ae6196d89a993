"""Oracles over text: a run's output, or any file it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from campaign.plugins.api import Evidence, Judgement, Oracle, Schema, UnableError, Value, hookimpl
from campaign_standard._patterns import matcher
from campaign_standard._reading import Line, bytes_not_kept, kept_lines, lines, locate, open_regular, quoted

api = 1

_OUTPUT = "the output"
_COMMON: Schema = {
    "file": {
        "type": "string",
        "default": "",
        "meta": {"help": "which file, relative to work/; the run's output where it is not given"},
    },
    "absent": {"type": "bool", "default": False, "meta": {"help": "ok where nothing is found"}},
    "among": {
        "type": "string",
        "default": "",
        "meta": {"help": "a regular expression: look at the last line that matches it, alone; a log's last word"},
    },
}


class Contains(Oracle):
    """Whether some line contains a text."""

    name = "contains"
    about = "a text stands in the output or a file"
    parameters: ClassVar[Schema] = {
        "text": {"type": "string", "required": True, "meta": {"help": "the text, within one line"}},
        **_COMMON,
    }

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Look for it, line by line."""
        text = str(settings["text"])
        needle = text.encode()
        return _judge(evidence, settings, lambda line: needle in line, f'"{text}"')


class Matches(Oracle):
    """Whether some line matches a regular expression (linear-time syntax; ``^ $`` are the line's ends)."""

    name = "matches"
    about = "a line of the output or a file matches a regular expression"
    parameters: ClassVar[Schema] = {
        "pattern": {"type": "string", "required": True, "meta": {"help": "a regular expression, for one line"}},
        **_COMMON,
    }

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Look for it, line by line."""
        pattern = str(settings["pattern"])
        return _judge(evidence, settings, matcher(pattern), f"/{pattern}/")


def _judge(
    evidence: Evidence, settings: Mapping[str, Value], matches: Callable[[bytes], bool], wanted: str
) -> Judgement:
    name, among = str(settings["file"]) or _OUTPUT, str(settings["among"])
    path = locate(evidence, str(settings["file"])) if settings["file"] else evidence.output
    fd = None if path is None else open_regular(path, name)
    if fd is None and settings["file"]:
        return Judgement(ok=False, message=f"{name} does not exist")
    missing = 0 if path is None else bytes_not_kept(evidence, path)
    kept = iter(()) if fd is None else kept_lines(lines(fd), missing)
    if among:
        last = _last(kept, matcher(among))
        found = last if last is not None and matches(last.text) else None
        told = last is not None and last.behind
    else:
        found = next((line for line in kept if matches(line.text)), None)
        told = found is not None
    if missing and not told:
        raise UnableError(f"{missing:,} bytes of {name} were not kept, and {wanted} may be there")
    if found is None:
        where = f"the last line of {name} that matches /{among}/" if among else name
        return Judgement(ok=bool(settings["absent"]), message=f"{wanted} is not in {where}")
    where = f"line {found.number} of {name}: {quoted(found.text)}"
    return Judgement(ok=not settings["absent"], message=f"{wanted} is in {where}")


def _last(kept: Iterator[Line], among: Callable[[bytes], bool]) -> Line | None:
    """The last line that matches; None where no line does."""
    found = None
    for line in kept:
        if among(line.text):
            found = line
    return found


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [Contains(), Matches()]
