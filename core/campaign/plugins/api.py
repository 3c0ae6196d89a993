"""What a plugin may import: everything here, and nothing else of campaign.

A reporter may import ``results.py`` too, and a tool that traces, with the program that it runs, ``traces.py``.

A plugin is a module, named by an entry point of the group ``campaign.plugins``, with ``api = 1`` and hook
implementations marked with ``@hookimpl`` (``hookspecs.py`` lists the hooks in pipeline order).  What the hooks
return are *providers*: frozen objects with blocking methods and no state of their own, so that the same provider
can be found again by its name in another process and be given its settings as JSON.  Each kind has a module in
``providers/``.

A provider's full name is ``<entry point>.<name>``: ``sqlite.writer``.
"""

from __future__ import annotations

import pluggy

from campaign.plugins.layout import Placement, Spread, UnableError, Unplaced
from campaign.plugins.providers import Provider, Schema
from campaign.plugins.providers.fault import (
    DisagreesError,
    Draw,
    Fault,
    Injected,
    Injection,
    Outcome,
    Simulated,
    Timeline,
)
from campaign.plugins.providers.matcher import Matcher
from campaign.plugins.providers.minimizer import Minimizer, Tunable
from campaign.plugins.providers.oracle import Oracle
from campaign.plugins.providers.reporter import Reporter
from campaign.plugins.providers.schedule import Schedule
from campaign.plugins.providers.tool import Command, Metric, Service, Step, Tool
from campaign.plugins.wildcards import matches
from campaign.proc import Process, boot_id, identify, process_tree, running, send_signals
from campaign.records import (
    Evidence,
    Exit,
    FaultExit,
    Judgement,
    OutputRecord,
    PatternOrder,
    PlanTool,
    ProcessExit,
    RunView,
    StepExit,
    StepView,
    Summary,
    UniqueFailure,
    Verdict,
    pattern_order,
)
from campaign.units import Dimension, Quantity, UnitError, Value, format_value, parse_quantity

#: The major version of this interface; a plugin module says ``api = 1``.
API = 1

hookimpl = pluggy.HookimplMarker("campaign")

__all__ = [
    "API",
    "Command",
    "Dimension",
    "DisagreesError",
    "Draw",
    "Evidence",
    "Exit",
    "Fault",
    "FaultExit",
    "Injected",
    "Injection",
    "Judgement",
    "Matcher",
    "Metric",
    "Minimizer",
    "Oracle",
    "Outcome",
    "OutputRecord",
    "PatternOrder",
    "Placement",
    "PlanTool",
    "Process",
    "ProcessExit",
    "Provider",
    "Quantity",
    "Reporter",
    "RunView",
    "Schedule",
    "Schema",
    "Service",
    "Simulated",
    "Spread",
    "Step",
    "StepExit",
    "StepView",
    "Summary",
    "Timeline",
    "Tool",
    "Tunable",
    "UnableError",
    "UniqueFailure",
    "UnitError",
    "Unplaced",
    "Value",
    "Verdict",
    "boot_id",
    "format_value",
    "hookimpl",
    "identify",
    "matches",
    "parse_quantity",
    "pattern_order",
    "process_tree",
    "running",
    "send_signals",
]
