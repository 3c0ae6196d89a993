"""The plugin: providers and the hooks that hand them out.  Imports nothing of campaign but ``campaign.plugins.api``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from campaign.plugins.api import (
    Command,
    Evidence,
    Judgement,
    Metric,
    Oracle,
    Quantity,
    Schema,
    Step,
    Tool,
    Value,
    hookimpl,
)

api = 1

#: Shared by tool and oracle: one `greetings = …` in a spec reaches both.
_SHARED: Schema = {
    "greetings": {"type": "int", "default": 10, "min": 1, "meta": {"help": "how many lines"}},
}
_FILE = "greetings.txt"


class Greeter(Tool):
    """A tool turns its settings into a command line; it runs nothing itself."""

    name = "greeter"
    about = "writes greetings into a file"
    parameters: ClassVar[Schema] = {
        **_SHARED,
        "pause": {"type": "duration", "default": "0s", "min": "0s", "meta": {"help": "between two greetings"}},
    }
    metrics = (Metric(name="greetings", pattern=r"^greetings (\d+)$", type="int"),)

    def command(self, step: Step) -> Command:
        """Quick, pure, no I/O: this is called for every run of a plan."""
        pause = step.settings["pause"]
        assert isinstance(pause, Quantity)
        arguments = [_FILE, str(step.settings["greetings"]), str(float(pause.number("s")))]
        return Command(argv=(sys.executable, "-P", "-m", "campaign_newname.greeter", *arguments))


class Complete(Oracle):
    """An oracle reads the evidence, changes nothing, and names the first thing wrong in one line."""

    name = "complete"
    about = "every greeting is there"
    parameters: ClassVar[Schema] = _SHARED

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Called once, after the processes of the attempt are gone; raising means: could not tell."""
        lines = Path(evidence.work, _FILE).read_text(encoding="utf-8").splitlines()
        for number in range(int(str(settings["greetings"]))):
            if number >= len(lines) or lines[number] != f"hello {number}":
                return Judgement(ok=False, message=f"greeting {number} is missing")
        return Judgement(ok=True, message=f"all {len(lines)} greetings are there")


@hookimpl
def campaign_tools() -> Iterable[Tool]:
    """What a spec can run."""
    return [Greeter()]


@hookimpl
def campaign_oracles() -> Iterable[Oracle]:
    """What a spec can ask."""
    return [Complete()]
