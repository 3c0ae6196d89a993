"""The reports that a spec or a command line asks for: reporter, settings, file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.reports import SHORT, Report, command_settings
from campaign.plugins.api import Reporter
from campaign.plugins.border import one_line
from campaign.plugins.names import split_name
from campaign.plugins.parameters import defaults, parameter_types
from campaign.plugins.printing import printing_aside
from campaign.plugins.registry import Registry
from campaign.units import Value

_Answer = TypeVar("_Answer")


class Wanted(Struct, frozen=True):
    """A report to write: who writes it, with which settings, and into which file of the run root.

    ``origin``: the plugin and the distribution that the reporter comes from.
    """

    reporter: Reporter
    settings: Mapping[str, Value]
    file: str
    origin: str


def find_reporter(name: str) -> Reporter:
    """The reporter of that name; raises CampaignError for none and for a broken plugin."""
    return _found(*_registry(name))


def wanted(name: str, sets: Sequence[str] = (), file: str | None = None) -> Wanted:
    """The report that a command line asks for, with its ``--set name=value``; raises CampaignError."""
    name, registry = _registry(name)
    reporter = _found(name, registry)
    given = command_settings(name, sets, registry) if sets else {}
    return _wanted(reporter, registry.origin(name), given, file)


def wanted_by(report: Report, directory: str) -> Wanted:
    """The report that a block of a spec asks for; its paths are relative to ``directory``.

    Raises CampaignError where its plugin is gone or broken.
    """
    name, registry = _registry(report.name)
    reporter = _found(name, registry)
    paths = {name for name, kind in parameter_types(reporter).items() if kind == "path"}
    placed = {
        name: os.path.join(directory, value) if name in paths and isinstance(value, str) else value
        for name, value in report.settings.items()
    }
    return _wanted(reporter, registry.origin(name), placed, report.file)


def objection(report: Wanted, file: str) -> str | None:
    """Why its reporter cannot write a file of that name, None where it can; raises CampaignError (CAMP592)."""
    reporter = report.reporter
    return _asked(reporter, report.origin, lambda: reporter.objection(file, report.settings))


def unmade(reporter: Reporter, why: str) -> CampaignError:
    """A report that its reporter cannot write."""
    summary = f"the report {reporter.name} cannot be written: {why}"
    return CampaignError([Diagnostic("CAMP592", summary, status=ExitStatus.SETUP)])


def _registry(name: str) -> tuple[str, Registry]:
    name = SHORT.get(name, name)
    return name, Registry([split_name(name)[0]])


def _found(name: str, registry: Registry) -> Reporter:
    found = registry.find("reporter", name)
    if not isinstance(found, Reporter):
        known = ", ".join(sorted(registry.names("reporter")))
        raise CampaignError([Diagnostic("CAMP582", f"no reporter is called {name}", hint=f"there are {known}")])
    return found


def _wanted(reporter: Reporter, origin: str, given: Mapping[str, Value], file: str | None) -> Wanted:
    settings = {**defaults(reporter), **given}
    return Wanted(reporter, settings, file or _asked(reporter, origin, lambda: reporter.file(settings)), origin)


def _asked(reporter: Reporter, origin: str, question: Callable[[], _Answer]) -> _Answer:
    try:
        with printing_aside():
            return question()
    except (Exception, SystemExit) as error:  # a stranger's code
        raise unmade(reporter, f"{origin} raises {one_line(error)}") from error
