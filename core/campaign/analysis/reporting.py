"""The reports that a spec or a command line asks for: reporter, settings, file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.language.reports import Report, command_settings
from campaign.plugins.api import Reporter
from campaign.plugins.names import split_name
from campaign.plugins.parameters import defaults, parameter_types
from campaign.plugins.registry import Registry
from campaign.units import Value

_SHORT = {"md": "markdown"}


class Wanted(Struct, frozen=True):
    """A report to write: who writes it, with which settings, and into which file of the run root."""

    reporter: Reporter
    settings: Mapping[str, Value]
    file: str


def find_reporter(name: str) -> Reporter:
    """The reporter of that name; raises CampaignError for none and for a broken plugin."""
    return _found(*_registry(name))


def wanted(name: str, sets: Sequence[str] = (), file: str | None = None) -> Wanted:
    """The report that a command line asks for, with its ``--set name=value``; raises CampaignError."""
    name, registry = _registry(name)
    reporter = _found(name, registry)
    return _wanted(reporter, command_settings(name, sets, registry) if sets else {}, file)


def wanted_by(report: Report, directory: str) -> Wanted:
    """The report that a block of a spec asks for; its paths are relative to ``directory``.

    Raises CampaignError where its plugin is gone or broken.
    """
    reporter = find_reporter(report.name)
    paths = {name for name, kind in parameter_types(reporter).items() if kind == "path"}
    placed = {
        name: os.path.join(directory, value) if name in paths and isinstance(value, str) else value
        for name, value in report.settings.items()
    }
    return _wanted(reporter, placed, report.file)


def _registry(name: str) -> tuple[str, Registry]:
    name = _SHORT.get(name, name)
    return name, Registry([split_name(name)[0]])


def _found(name: str, registry: Registry) -> Reporter:
    found = registry.find("reporter", name)
    if not isinstance(found, Reporter):
        known = ", ".join(sorted(registry.names("reporter")))
        raise CampaignError([Diagnostic("CAMP582", f"no reporter is called {name}", hint=f"there are {known}")])
    return found


def _wanted(reporter: Reporter, given: Mapping[str, Value], file: str | None) -> Wanted:
    settings = {**defaults(reporter), **given}
    return Wanted(reporter, settings, file or reporter.file(settings))
