"""Hooks and providers are documented: CI fails on a hook without docs, exact signature or test.

``python tests/plugins/test_docs.py > docs/reference/providers.md`` writes that page again.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from heapq import nlargest
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from campaign.plugins import api, hookspecs
from campaign.plugins.discovery import OWN_DISTRIBUTION
from campaign.plugins.registry import Registry
from campaign.plugins.schema import check_schema
from campaign.plugins.testing import problems

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
HOOKS = [name for name, function in vars(hookspecs).items() if hasattr(function, "campaign_spec")]
SOURCES = "\n".join(path.read_text() for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/**/*.py")])


def test_there_are_hooks() -> None:
    assert len(HOOKS) >= 13


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook) -> None:
    page = (REFERENCE / "hooks.md").read_text()
    function = getattr(hookspecs, hook)
    section = page.partition(f"\n### {hook}\n")[2].partition("\n### ")[0]
    written = re.search(r"```python\n(.*?)\n```", section, re.DOTALL)
    assert written, f"no section with a signature for {hook}"
    annotations = {name: str(note) for name, note in function.__annotations__.items()}
    arguments = ", ".join(f"{name}: {annotations[name]}" for name in inspect.signature(function).parameters)
    assert written[1] == f"def {hook}({arguments}) -> {annotations['return']}"
    assert len(section.split("```")[2].split()) >= 3, f"nothing is said of {hook}"


def test_no_hook_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^### (campaign_\w+)$", (REFERENCE / "hooks.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_tested(hook) -> None:
    assert f"def {hook}(" in SOURCES


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_when_and_where_it_is_called(hook) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert any(place in text for place in ("planner", "provider host", "command"))


def test_everything_of_the_api_is_documented() -> None:
    for name in api.__all__:
        value = getattr(api, name)
        assert name == "API" or not callable(value) or inspect.getdoc(value), name


# --- providers ----------------------------------------------------------------------------------------------------


def providers_page() -> str:
    """The reference of the standard providers, as it must stand in the docs."""
    registry = Registry()
    standard = [plugin for plugin in registry.installed() if plugin.origins[0].distribution == OWN_DISTRIBUTION]
    sections = [
        _section(kind, name, provider)
        for kind in ("tool", "fault", "oracle", "reporter", "schedule", "matcher", "minimizer")
        for plugin in standard
        for name, provider in plugin.providers[kind].items()
    ]
    return HEADER + "\n".join(sections)


HEADER = """# Providers

What the standard plugins provide. They need no `use`; `campaign plugins` lists what else is installed. The settings
that belong to the engine (`at for sla target after every required advisory over ok-exits timeout faults`) may stand in
the block of any provider they fit and are described with [the language](language.md).

"""


def _section(kind: str, name: str, provider: Any) -> str:
    about = f"{provider.about[0].upper()}{provider.about[1:].rstrip('.')}."
    lines = [f"## {name}", "", f"{kind.capitalize()}. {about}", ""]
    if provider.parameters:
        lines += ["| parameter | type | default | allowed | |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(parameter, rules) for parameter, rules in provider.parameters.items()]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, rules: Mapping[str, Any]) -> str:
    default = "required" if rules.get("required") else _written(rules["default"]) if "default" in rules else ""
    about = rules.get("meta", {}).get("help", "")
    return f"| `{name}` | {rules['type']} | {default} | {', '.join(_limits(rules))} | {about} |"


def _limits(rules: Mapping[str, Any]) -> Iterator[str]:
    if len(rules.get("allowed", ())) in range(1, _MOST_SHOWN):
        yield " ".join(_written(value) for value in rules["allowed"])
    if "min" in rules or "max" in rules:
        yield f"`{rules.get('min', '')}..{rules.get('max', '')}`"


#: Longer lists are what the platform has, such as its signals, and not the same everywhere.
_MOST_SHOWN = 13


def _written(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if value == "" else str(value)
    return f"`{text}`"


def test_every_standard_provider_is_documented_as_it_is() -> None:
    page = (REFERENCE / "providers.md").read_text()
    assert page == providers_page(), "write it again: python tests/plugins/test_docs.py > docs/reference/providers.md"


def test_standard_providers_explain_every_parameter() -> None:
    for plugin in Registry().installed():
        for providers in plugin.providers.values():
            for name, provider in providers.items():
                for parameter, rules in getattr(provider, "parameters", {}).items():
                    assert rules.get("meta", {}).get("help"), f"{name}: {parameter} has no help"


def test_the_kernel_takes_every_standard_plugin() -> None:
    for plugin in Registry().installed():
        assert plugin.module is None or problems(plugin.module) == []


def test_the_guide_draws_at_random_in_a_way_that_works_and_repeats() -> None:
    guide = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    written = dedent(next(block for block in blocks if "random.Random(step.random)" in block))
    names: dict[str, Any] = {**vars(api), "random": random}
    exec(written, names)  # a page of this repository
    step = api.Step(label="a", settings={}, workdir="/w", seed=1, random=2**64 - 1, instance="i", cell="i", attempt=1)
    command = names["command"](None, step)
    assert isinstance(command, api.Command)
    assert names["command"](None, step) == command


@pytest.mark.parametrize(
    "name", ["Step", "Command", "Metric", "Service", "Injection", "Injected", "Evidence", "Judgement"]
)
def test_every_field_that_a_provider_sees_is_listed(name: str) -> None:
    page = (REFERENCE / "hooks.md").read_text()
    (row,) = re.findall(rf"^\| `{name}` \| (.+) \|$", page, re.MULTILINE)
    listed = re.findall(r"`(\w+)(?: = [^`]+)?`", row)
    assert set(getattr(api, name).__struct_fields__) <= set(listed)


def test_the_fault_of_the_guide_hides_a_file_and_brings_it_back(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    given = {"os": os, "suppress": suppress, "Any": Any, "Mapping": Mapping, "Iterable": Iterable}
    names: dict[str, Any] = {**vars(api), **given}
    exec(next(each for each in blocks if "Fault)" in each), names)  # a page of this repository
    (fault,) = names["campaign_faults"]()
    assert check_schema(fault) == []
    (tmp_path / "db").write_text("rows")
    asked = {"label": "f", "settings": {"path": "db"}, "target": None, "workdir": str(tmp_path), "random": 1}
    undo = json.loads(json.dumps(fault.arm(api.Injection(**asked))))
    fault.clear(undo)
    assert (tmp_path / "db").exists()
    fault.inject(api.Injection(**asked), undo)
    assert not (tmp_path / "db").exists()
    for _ in range(2):
        fault.clear(undo)
        assert (tmp_path / "db").read_text() == "rows"


def test_the_reporter_of_the_guide_works() -> None:
    guide = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    given = {"Results": Any, "Mapping": Mapping, "Callable": Any, "nlargest": nlargest}
    names: dict[str, Any] = {**vars(api), **given}
    exec(f"from __future__ import annotations\n{next(each for each in blocks if 'Reporter)' in each)}", names)
    reporter = names["Slowest"]()
    assert check_schema(reporter) == []
    runs = [SimpleNamespace(key=f"a#{n}", duration_s=n) for n in (1, None, 3)]
    pieces: list[str] = []
    reporter.render(SimpleNamespace(runs=lambda: iter(runs)), {"count": 2}, pieces.append)
    assert "".join(pieces) == "    3.000 s  a#3\n    1.000 s  a#1\n"


if __name__ == "__main__":
    sys.stdout.write(providers_page())
