"""Oracles over text: a run's output, or any file it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from campaign.plugins.api import Evidence, Judgement, Oracle, Schema, Value, hookimpl
from campaign_standard._patterns import matcher
from campaign_standard._reading import lines, locate, open_regular, quoted

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
    name = str(settings["file"]) or _OUTPUT
    source = _lines_of(evidence, str(settings["file"]))
    if source is None:
        return Judgement(ok=False, message=f"{name} does not exist")
    among = str(settings["among"])
    chosen = enumerate(source, 1) if not among else iter(_last(source, matcher(among)))
    found = next(((number, line) for number, line in chosen if matches(line)), None)
    if found is None:
        where = f"the last line of {name} that matches /{among}/" if among else name
        return Judgement(ok=bool(settings["absent"]), message=f"{wanted} is not in {where}")
    number, line = found
    return Judgement(ok=not settings["absent"], message=f"{wanted} is in line {number} of {name}: {quoted(line)}")


def _last(lines: Iterator[bytes], among: Callable[[bytes], bool]) -> list[tuple[int, bytes]]:
    """The last line that matches, with its number; none where no line does."""
    found: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines, 1):
        if among(line):
            found = [(number, line)]
    return found


def _lines_of(evidence: Evidence, file: str) -> Iterator[bytes] | None:
    """The lines of a file, None where it does not exist; a run that printed nothing has an empty output."""
    if not file and evidence.output is None:
        return iter(())
    path = locate(evidence, file) if file else str(evidence.output)
    fd = open_regular(path, file or _OUTPUT)
    return None if fd is None else lines(fd)


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [Contains(), Matches()]
