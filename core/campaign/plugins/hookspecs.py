"""The hooks, in pipeline order: when each is called, in which process, and what its result means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from campaign.plugins.api import Fault, Matcher, Minimizer, Oracle, Reporter, Schedule, Tool
from campaign.records import Evidence, Exit, RunView, Summary

hookspec = pluggy.HookspecMarker("campaign")


@hookspec
def campaign_tools() -> Iterable[Tool]:
    """Tools: what a spec can ``run`` and ``serve``.

    Called once in the planner when the plugin is loaded, and in a provider host that waits for readiness.
    """
    raise NotImplementedError


@hookspec
def campaign_faults() -> Iterable[Fault]:
    """Fault models: what a spec can ``fault`` and ``hold``.

    Called once in the planner (parameters are checked there) and in each provider host, where they act.
    """
    raise NotImplementedError


@hookspec
def campaign_schedules() -> Iterable[Schedule]:
    """Strategies that lay out the faults without an instant: what stands after ``schedule``.

    Called once in the planner, where they lay out the faults of every run.
    """
    raise NotImplementedError


@hookspec
def campaign_oracles() -> Iterable[Oracle]:
    """Oracles: what a spec can ask with ``oracle`` and ``watch``.

    Called once in the planner (availability is asked there, before anything runs) and in each provider host.
    """
    raise NotImplementedError


@hookspec
def campaign_matchers() -> Iterable[Matcher]:
    """Safety matchers for rule sets.  Called once in the planner, when a rule set has a ``match``."""
    raise NotImplementedError


@hookspec
def campaign_minimizers() -> Iterable[Minimizer]:
    """Minimizers.  Called once in the planner, which drives the generators and runs their candidates."""
    raise NotImplementedError


@hookspec(firstresult=True)
def campaign_fingerprint(exit: Exit, evidence: Evidence, message: str) -> str | None:
    """A signature for a failure that this plugin understands; None leaves it to the next one and to the kernel.

    Called in the provider host for an attempt that failed: ``message`` is that of the oracle that objected, else what
    the failure says (``exit 3 of step t``).  Equal signatures are the same bug.
    """
    raise NotImplementedError


@hookspec
def campaign_reporters() -> Iterable[Reporter]:
    """Reporters: what ``report NAME`` and ``campaign report --as NAME`` can write.  Called in the command."""
    raise NotImplementedError


@hookspec
def campaign_executors() -> Iterable[Any]:
    """Executors: where orders are carried out; ``local`` comes from the kernel.  Called in the planner."""
    raise NotImplementedError


@hookspec
def campaign_planned(campaign: str, runs: int) -> None:
    """A campaign was planned and recorded.  An event: at least once, in the planner, cannot alter results."""
    raise NotImplementedError


@hookspec
def campaign_run_started(campaign: str, key: str, attempt: int) -> None:
    """An attempt started.  An event: at least once, in order of event number, in the planner."""
    raise NotImplementedError


@hookspec
def campaign_run_finished(campaign: str, run: RunView) -> None:
    """An attempt is done.  An event: at least once, in order of event number, in the planner."""
    raise NotImplementedError


@hookspec
def campaign_finished(summary: Summary) -> None:
    """A campaign ended.  An event: at least once, in the planner."""
    raise NotImplementedError
