"""Oracles over text: a run's output, or any file it wrote."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Literal

from campaign.plugins.api import (
    Evidence,
    Judgement,
    Oracle,
    PatternOrder,
    Schema,
    UnableError,
    Value,
    hookimpl,
    pattern_order,
)
from campaign_standard._patterns import matcher, wrong_pattern
from campaign_standard._reading import (
    Line,
    bytes_not_kept,
    kept_lines,
    locate,
    open_output,
    open_regular,
    quoted,
)

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

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:  # noqa: ARG002 - its hook
        """Whether it is given what is no pattern."""
        return wrong_pattern(str(settings["among"]))

    def looks_for(self, settings: Mapping[str, Value]) -> tuple[PatternOrder, ...]:
        """The text, in the run's own output."""
        return _sought("contains", str(settings["text"]), settings)

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Look for it, line by line."""
        text = str(settings["text"])
        needle = text.encode()
        return _judge(evidence, settings, lambda line: needle in line, f'"{text}"', self.looks_for(settings))


class Matches(Oracle):
    """Whether some line matches a regular expression (linear-time syntax; ``^ $`` are the line's ends)."""

    name = "matches"
    about = "a line of the output or a file matches a regular expression"
    parameters: ClassVar[Schema] = {
        "pattern": {"type": "string", "required": True, "meta": {"help": "a regular expression, for one line"}},
        **_COMMON,
    }

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:  # noqa: ARG002 - its hook
        """Whether it is given what is no pattern."""
        return wrong_pattern(str(settings["pattern"]), str(settings["among"]))

    def looks_for(self, settings: Mapping[str, Value]) -> tuple[PatternOrder, ...]:
        """The pattern, in the run's own output."""
        return _sought("matches", str(settings["pattern"]), settings)

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Look for it, line by line."""
        pattern = str(settings["pattern"])
        return _judge(evidence, settings, matcher(pattern), f"/{pattern}/", self.looks_for(settings))


def _sought(kind: Literal["contains", "matches"], text: str, settings: Mapping[str, Value]) -> tuple[PatternOrder, ...]:
    """What is looked for while the run prints it; nothing in a file, and what is no pattern is told when it judges."""
    among = str(settings["among"])
    if settings["file"]:
        return ()
    try:
        for pattern in (among, text if kind == "matches" else ""):
            matcher(pattern)
    except UnableError:
        return ()
    return (pattern_order(kind, text, among),)


def _judge(
    evidence: Evidence,
    settings: Mapping[str, Value],
    matches: Callable[[bytes], bool],
    wanted: str,
    sought: tuple[PatternOrder, ...],
) -> Judgement:
    file, among = str(settings["file"]), str(settings["among"])
    name, path = (file, locate(evidence, file)) if file else (_OUTPUT, evidence.output)
    missing = 0 if path is None else bytes_not_kept(evidence, path)
    printed = next((evidence.searched.get(each.id) for each in sought), None)
    where = f"the last line of {name} that matches /{among}/" if among else name
    if missing and printed is False:
        return Judgement(bool(settings["absent"]), f"{wanted} is not in {where}")
    fd = open_regular(path, name) if file and path else open_output(evidence)
    if fd is None and file:
        return Judgement(ok=False, message=f"{name} does not exist")
    line, sure = _find(kept_lines(fd, missing), matches, matcher(among) if among else None)
    if missing and not sure and printed is None:
        raise UnableError(f"{missing:,} bytes of {name} were not kept, and {wanted} may be there")
    if line is not None and (sure or not missing):
        return Judgement(not settings["absent"], f"{wanted} is in line {line.number} of {name}: {quoted(line.text)}")
    if printed and (missing or not among):
        unseen = "in what was not kept of it" if missing else "masked, as a secret"
        return Judgement(not settings["absent"], f"{wanted} is in {name}, {unseen}")
    return Judgement(bool(settings["absent"]), f"{wanted} is not in {where}")


def _find(
    kept: Iterator[Line], matches: Callable[[bytes], bool], among: Callable[[bytes], bool] | None
) -> tuple[Line | None, bool]:
    """The line that was found, and whether this holds whatever else was printed."""
    if among is None:
        line = next((line for line in kept if matches(line.text)), None)
        return line, line is not None
    last = next(iter(deque((line for line in kept if among(line.text)), maxlen=1)), None)
    return (last if last is not None and matches(last.text) else None), last is not None and last.behind


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [Contains(), Matches()]
