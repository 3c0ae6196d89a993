"""What is to be carried out: one attempt of one run, complete, so that a supervisor needs nothing else.

An order is rendered by the planner, stored by the ledger and executed by a supervisor.  Its texts may hold *late
values*: ``\\0slot.gpu\\0`` and ``\\0srv.port\\0`` stand for what is known only when the attempt starts (NUL cannot
occur in an argument, so the mark cannot be forged).  ``late(name)`` writes one, ``fill`` replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from campaign.units import Value, format_value, to_json

ORDER_SCHEMA = "campaign.order/1"


class PatternOrder(Struct, frozen=True, omit_defaults=True):
    """A pattern that the output pump looks for, line by line, in stdout and stderr of all steps.

    ``id`` is how it is asked for (``output matches x``), ``text`` a plain text for ``contains`` or a linear-time
    regular expression for ``matches``.  With ``among``, a regular expression too, only the last line that matches
    that one is looked at.
    """

    id: str
    kind: Literal["contains", "matches"]
    text: str
    among: str = ""


def pattern_order(kind: Literal["contains", "matches"], text: str, among: str = "") -> PatternOrder:
    """A pattern with the id that says what it looks for: who looks for the same shares it."""
    asked = f"output {kind} {text}"
    return PatternOrder(f"last {among!r} of {asked}" if among else asked, kind, text, among)


class MetricOrder(Struct, frozen=True, omit_defaults=True):
    """A number read from a step's output: group 1 of the last match of ``pattern``, read as ``type``."""

    name: str
    pattern: str
    type: str = "decimal"


class HoleOrder(Struct, frozen=True, array_like=True):
    """Where a text holds a parameter, in a unit or as it is; a ``switch`` is there only where that is true."""

    name: str
    unit: str | None = None
    switch: bool = False


#: How one argument, or the value of a variable, is made: texts, parameters, and None for what only the attempt knows.
Template: TypeAlias = "tuple[str | HoleOrder | None, ...]"


class TraceOrder(Struct, frozen=True, omit_defaults=True):
    """Where a process writes its trace, relative to the attempt's public directory: always below ``trace/``.

    At most ``most_bytes`` of it are kept; ``replay`` are the arguments that carry it out again, empty where none can.
    """

    path: str
    most_bytes: int
    replay: tuple[str, ...] = ()


class ReplayOrder(Struct, frozen=True, omit_defaults=True):
    """The trace that a step carries out: ``path`` below the attempt's public directory, where it lies before it starts.

    It is a copy of ``source``, relative to the directory of the attempt that is carried out again; ``digest`` (BLAKE2b,
    32 hex digits) is that of its bytes.  ``to_the_end``: its tool ended by itself, perhaps by its last operation, which
    is carried out too.
    """

    path: str
    source: str
    digest: str
    to_the_end: bool = False


class StepOrder(Struct, frozen=True, omit_defaults=True):
    """One command of the run.

    ``counts`` says whether its failure fails the run; ``values`` are the parameters by name, as JSON, and reach the
    tool as ``CAMPAIGN_PARAM_<NAME>`` in ``env``.  ``index`` (from 1) tells the repeats of a swept step apart.
    ``template`` and ``env_template`` say how a declared tool's ``argv`` and ``env`` are made of them, where rule sets
    bind the values.
    """

    label: str
    tool: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    values: dict[str, Any] = {}
    index: int | None = None
    timeout_s: float | None = None
    ok_exits: tuple[int, ...] = (0,)
    counts: bool = True
    metrics: tuple[MetricOrder, ...] = ()
    template: tuple[Template, ...] = ()
    env_template: dict[str, Template] = {}
    trace: TraceOrder | None = None
    replay: ReplayOrder | None = None


class ServiceOrder(Struct, frozen=True, omit_defaults=True):
    """A served tool: started before the steps, ready before the first one, stopped after the last.

    ``probe`` says whether its provider has a readiness of its own, asked in the provider host.
    """

    label: str
    tool: str
    argv: tuple[str, ...]
    env: dict[str, str] = {}
    values: dict[str, Any] = {}
    timeout_s: float | None = None
    probe: bool = False
    template: tuple[Template, ...] = ()
    env_template: dict[str, Template] = {}
    trace: TraceOrder | None = None


#: Of faults that overlap: each goes by itself, the last injected goes first, or all go with the last that is over.
Overlap = Literal["adds", "stacks", "counts"]


class FaultOrder(Struct, frozen=True, omit_defaults=True):
    """A fault to inject: ``at_s`` after the start of step ``after`` (the first one unless said), into ``target``.

    ``random`` was drawn for it from the run's key, 0 to 2^64-1; ``resources`` as of a ``HoldOrder``.  Where its target
    carries out a trace, ``in_trace`` says what stands in it: ``end``, it is not injected, for the trace ends with the
    death that it was; ``effect``, it need not be injected where its instant comes too late.  ``restarts``: the
    target, a served tool, is started again once it is over.

    Of one that a schedule laid out, ``sequence`` is its number there, by instants from 1, and ``index`` (from 1) tells
    the repeats of one label apart; both stay as they are where others are left out.

    ``overlaps`` says how it gets on with others in force that change the same: one of ``resources``, or of ``shares``
    where they are of its model; where it names neither, its target.
    """

    label: str
    fault: str
    at_s: float
    settings: dict[str, Any] = {}
    for_s: float | None = None
    sla_s: float | None = None
    target: str | None = None
    after: str | None = None
    random: int = 0
    resources: tuple[str, ...] = ()
    in_trace: Literal["end", "effect"] | None = None
    index: int | None = None
    sequence: int = 0
    restarts: bool = False
    overlaps: Overlap = "stacks"
    shares: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As the language writes it: ``crash[2]`` where it is laid out more than once."""
        return repeated(self.label, self.index)


def repeated(label: str, index: int | None) -> str:
    """How the language writes one of several repeats of a label: ``crash[2]``; without an index the label."""
    return label if index is None else f"{label}[{index}]"


class ScheduleOrder(Struct, frozen=True, omit_defaults=True):
    """What laid faults out: the strategy with its settings, and the span; each of its faults bears its own instant."""

    strategy: str
    over_s: float
    settings: dict[str, Any] = {}


class HoldOrder(Struct, frozen=True, omit_defaults=True):
    """A condition to put on before the first tool starts; ``target`` is the tool it is for, missing where all are.

    ``resources`` are what no other attempt may hold or fault meanwhile: absolute paths, or names of any other kind.
    """

    label: str
    fault: str
    settings: dict[str, Any] = {}
    target: str | None = None
    random: int = 0
    resources: tuple[str, ...] = ()


class GuardOrder(Struct, frozen=True, omit_defaults=True):
    """An oracle that is asked every ``every_s`` seconds while the attempt lasts; what it objects to stops it."""

    label: str
    oracle: str
    every_s: float
    settings: dict[str, Any] = {}


class WatchOrder(Struct, frozen=True, omit_defaults=True):
    """An oracle that is asked every ``every_s`` seconds from before the first step until the last one has ended.

    ``faults`` are the labels of those that it judges, missing where it judges all; ``timeout_s`` is how long a sample
    may take before it counts as not ok.  ``required`` and ``advisory`` as of an ``OracleOrder``.  ``searches`` are the
    ids of the patterns that its oracle looks for in the output.
    """

    label: str
    oracle: str
    every_s: float
    timeout_s: float
    settings: dict[str, Any] = {}
    faults: tuple[str, ...] | None = None
    required: bool = True
    advisory: bool = False
    searches: tuple[str, ...] = ()

    def judges(self, fault: str) -> bool:
        """Whether it says when this fault was detected, and when recovered."""
        return not self.advisory and (self.faults is None or fault in self.faults)


class RulesOrder(Struct, frozen=True, omit_defaults=True):
    """The rule sets whose limits the values of an order are held against, once more, before anything starts.

    ``paths`` are the sets that were bound, absolute; ``files`` the digests (BLAKE2b, 32 hex digits) of everything that
    was read for them.  ``kinds`` are the types of values by provider and parameter, those of settings and axes under
    an empty name; a list's is ``list/voltage``.  ``physical`` are the parameters, by provider, that are written to the
    world as they are.  ``merged`` and ``split`` are what people say of fingerprints: which one stands for another, and
    by which settings one is told apart.
    """

    paths: tuple[str, ...]
    files: dict[str, str]
    kinds: dict[str, dict[str, str]] = {}
    physical: dict[str, tuple[str, ...]] = {}
    merged: dict[str, str] = {}
    split: dict[str, tuple[str, ...]] = {}


class OracleOrder(Struct, frozen=True, omit_defaults=True):
    """An oracle to ask when the steps have ended; ``required`` false: may be missing, ``advisory``: never counts.

    ``timeout_s`` is how long it may take, 10 minutes unless said.
    """

    label: str
    oracle: str
    settings: dict[str, Any] = {}
    required: bool = True
    advisory: bool = False
    timeout_s: float | None = None


class ExpectOrder(Struct, frozen=True, omit_defaults=True):
    """A stop condition: its text, its tree (``language.syntax`` as JSON, settings already put in) and its why."""

    text: str
    tree: Raw
    why: str | None = None
    place: str | None = None


class RetryOrder(Struct, frozen=True, omit_defaults=True):
    """``retry { attempts = 3; on = [setup, timeout]; backoff = 1s..1m }``: at most ``attempts`` in all.

    ``on`` are kinds of failure, empty for every kind; the pause doubles from ``first_s`` up to ``last_s``.
    """

    attempts: int = 1
    on: tuple[str, ...] = ()
    first_s: float = 0.0
    last_s: float = 0.0


class MinimizeOrder(Struct, frozen=True, omit_defaults=True):
    """``minimize { order = [duration, keys]; attempts = 60; time = 1h; by = parameters }``.

    Asked for once the run has failed: at most so many attempts, none begun after so many seconds.
    """

    by: str = "parameters"
    order: tuple[str, ...] = ()
    attempts: int = 60
    seconds: float = 3600.0


class LinkOrder(Struct, frozen=True):
    """Which one of a chain's runs this is: ``number`` (from 1) of ``of``; ``head`` is the token of the first one."""

    head: str
    number: int
    of: int


class Directories(Struct, frozen=True, omit_defaults=True):
    """Absolute paths: ``public`` is ``…/seed-3/attempt-1``, ``private`` is ``.campaign/attempts/<token>``.

    ``chain`` is the folder that the runs of a chain share: their served tools, which outlive a run, work in it.
    """

    public: str
    private: str
    work: str
    chain: str | None = None

    @property
    def served(self) -> str:
        """Where served tools work."""
        return self.work if self.chain is None else self.chain


class Order(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="schema", tag=ORDER_SCHEMA):
    """One attempt of one run, ready to be carried out.

    ``token`` names the attempt for its supervisor; ``epoch`` is the ledger's, so that what an earlier owner started
    is kept but not counted; ``digest`` binds what will be executed to what the ledger admitted.  ``granted`` are the
    indexes of the named slots it holds, ``devices`` what the tools call the units of a slot, by index.
    ``environment`` is what programs that judge get, the tools' own without their parameters; ``masked`` names the
    variables whose values are secret, ``secrets`` are values that texts of the order hold without a variable that is
    handed on.  ``parent`` (``key@attempt``) and ``request`` say where an attempt comes from that is not the plan's own.
    ``signed_by`` are those of the ``plugins`` that are asked for a signature where it fails.
    Under the ``virtual`` clock nothing is started.  With a ``link`` it is one run of a chain, which one supervisor
    carries out in their order.
    """

    token: str
    epoch: int
    campaign: str
    campaign_name: str
    key: str
    id: str
    attempt: int
    origin: str = "plan"
    parent: str | None = None
    request: str | None = None
    instance: str
    cell: str
    seed: int
    tier: str | None = None
    axes: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    group: str = ""
    priority: int = 0
    needs: dict[str, int] = {}
    prefers: dict[str, int] = {}
    granted: dict[str, tuple[int, ...]] = {}
    devices: dict[str, tuple[str, ...]] = {}
    fallback_reason: str | None = None
    directories: Directories
    timeout_s: float
    clock: Literal["real", "virtual"] = "real"
    schedule: ScheduleOrder | None = None
    link: LinkOrder | None = None
    cooldown_s: float = 0.0
    retry: RetryOrder | None = None
    minimize: MinimizeOrder | None = None
    all_steps: bool = True
    services: tuple[ServiceOrder, ...] = ()
    steps: tuple[StepOrder, ...]
    holds: tuple[HoldOrder, ...] = ()
    guards: tuple[GuardOrder, ...] = ()
    faults: tuple[FaultOrder, ...] = ()
    watches: tuple[WatchOrder, ...] = ()
    oracles: tuple[OracleOrder, ...] = ()
    patterns: tuple[PatternOrder, ...] = ()
    expectations: tuple[ExpectOrder, ...] = ()
    rules: RulesOrder | None = None
    plugins: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    masked: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    digest: str = ""

    @property
    def is_judged(self) -> bool:
        """Whether something is said after its exit record: oracles are asked, or who knows failures."""
        return bool(self.oracles or self.signed_by)


def parameter_variables(values: Mapping[str, Value]) -> dict[str, str]:
    """The environment in which a process finds its parameters: ``CAMPAIGN_PARAM_<NAME>``, lists as JSON.

    Raises UnitError for a value without an exact written form.
    """
    return {f"CAMPAIGN_PARAM_{variable(name)}": _parameter_text(value) for name, value in values.items()}


def variable(name: str) -> str:
    """A name of a spec as it stands in a variable of the environment."""
    return name.upper().replace("-", "_")


def _parameter_text(value: Value) -> str:
    return msgspec.json.encode(to_json(value)).decode() if isinstance(value, tuple) else format_value(value)


def late(name: str) -> str:
    """The mark of a value that is known only when the attempt starts: ``slot.gpu``, ``srv.port``."""
    return f"\0{name}\0"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the late values in ``text``; raises KeyError with the name of one that is not there."""
    if "\0" not in text:
        return text
    parts = text.split("\0")
    parts[1::2] = [values[name] for name in parts[1::2]]
    return "".join(parts)


def slot_values(order: Order, granted: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The late values that what was granted decides: ``slot.gpu``, the indexes, and ``device.gpu``, what CUDA wants.

    Both empty after a fallback; a unit that has no device has no name.
    """
    values = {f"slot.{name}": ",".join(map(str, granted.get(name, ()))) for name in (*order.needs, *order.prefers)}
    values |= {f"slot.{name}": ",".join(map(str, held)) for name, held in granted.items()}
    return values | {f"device.{name}": ",".join(held) for name, held in devices_of(order, granted).items()}


def devices_of(order: Order, granted: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[str, ...]]:
    """What the tools call the units that were granted, by slot."""
    return {
        slot: tuple(names[index] for index in granted.get(slot, ()) if index < len(names))
        for slot, names in order.devices.items()
    }


def fill_json(value: Any, values: Mapping[str, str]) -> Any:
    """Replace the late values in every text of a JSON value; raises KeyError like ``fill``."""
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, Mapping):
        return {name: fill_json(each, values) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [fill_json(each, values) for each in value]
    return value


def show_late(text: str, values: Mapping[str, str]) -> str:
    """``text`` for people: late values filled in, one that never became known as its placeholder."""
    if "\0" not in text:
        return text
    parts = text.split("\0")
    parts[1::2] = [values.get(name, f"{{{name}}}") for name in parts[1::2]]
    return "".join(parts)


def order_digest(order: Order) -> str:
    """What binds an order to its admission: BLAKE2b over every argv, environment and value, in hex."""
    processes: tuple[ServiceOrder | StepOrder, ...] = (*order.services, *order.steps)
    executed = [
        [(each.argv, sorted(each.env.items()), sorted(each.values.items())) for each in processes],
        [(fault.fault, fault.at_s, fault.for_s, sorted(fault.settings.items())) for fault in order.faults],
        [(oracle.oracle, sorted(oracle.settings.items())) for oracle in order.oracles],
        [(hold.fault, hold.target, hold.resources, sorted(hold.settings.items())) for hold in order.holds],
        [(guard.oracle, guard.every_s, sorted(guard.settings.items())) for guard in order.guards],
        [(watch.oracle, watch.every_s, watch.faults, sorted(watch.settings.items())) for watch in order.watches],
        sorted(order.environment.items()),
        [order.token, order.campaign, order.key, order.attempt, order.origin],
        (order.rules, [(each.template, sorted(each.env_template.items())) for each in processes])
        if order.rules
        else None,
    ]
    if order.clock == "virtual":  # what decides there how a fault goes; older orders keep their digest
        executed.append([(fault.name, fault.sequence, fault.random, fault.sla_s) for fault in order.faults])
    return blake2b(msgspec.json.encode(executed), digest_size=16).hexdigest()
