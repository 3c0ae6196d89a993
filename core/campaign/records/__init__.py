"""Orders, exits, evidence, runs: frozen records, what plugins and files see.

Every record is a msgspec Struct: read strictly from JSON (unknown shapes are refused with their path) and written
whole.  Their JSON Schemas are in ``records/schemas`` and made from these definitions.
"""

from campaign.records.campaign import Environment, InstanceCounts, Remark, Summary, UniqueFailure
from campaign.records.event import EventView, StepLine
from campaign.records.evidence import Evidence
from campaign.records.exit import Exit, FaultExit, OutputRecord, ProcessExit, StepExit, Stop
from campaign.records.host import HostRecord
from campaign.records.judgement import (
    Decision,
    Failure,
    FailureKind,
    FallbackReason,
    Judgement,
    OracleRecord,
    Reason,
    Verdict,
)
from campaign.records.order import (
    Directories,
    ExpectOrder,
    FaultOrder,
    MetricOrder,
    OracleOrder,
    Order,
    PatternOrder,
    RetryOrder,
    ServiceOrder,
    StepOrder,
    devices_of,
    fill,
    fill_json,
    late,
    order_digest,
    show_late,
    slot_values,
)
from campaign.records.plan import PlanCounts, PlanFile, PlanInstance, PlanOptions, PlanPlugin, PlanTool, PlanView
from campaign.records.run import (
    FailureView,
    FaultView,
    HostView,
    OracleView,
    Resources,
    RunView,
    StepView,
)
from campaign.records.secrets import MASK, is_secret, mask_json, mask_text, secrets_of, shown_environment

__all__ = [
    "MASK",
    "Decision",
    "Directories",
    "Environment",
    "EventView",
    "Evidence",
    "Exit",
    "ExpectOrder",
    "Failure",
    "FailureKind",
    "FailureView",
    "FallbackReason",
    "FaultExit",
    "FaultOrder",
    "FaultView",
    "HostRecord",
    "HostView",
    "InstanceCounts",
    "Judgement",
    "MetricOrder",
    "OracleOrder",
    "OracleRecord",
    "OracleView",
    "Order",
    "OutputRecord",
    "PatternOrder",
    "PlanCounts",
    "PlanFile",
    "PlanInstance",
    "PlanOptions",
    "PlanPlugin",
    "PlanTool",
    "PlanView",
    "ProcessExit",
    "Reason",
    "Remark",
    "Resources",
    "RetryOrder",
    "RunView",
    "ServiceOrder",
    "StepExit",
    "StepLine",
    "StepOrder",
    "StepView",
    "Stop",
    "Summary",
    "UniqueFailure",
    "Verdict",
    "devices_of",
    "fill",
    "fill_json",
    "is_secret",
    "late",
    "mask_json",
    "mask_text",
    "order_digest",
    "secrets_of",
    "show_late",
    "shown_environment",
    "slot_values",
]
