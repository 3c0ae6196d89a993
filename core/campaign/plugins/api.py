"""What a plugin may import: everything here, and nothing else of campaign.

A reporter may import ``results.py`` too, and a tool that traces, with the program that it runs, ``traces.py``.

A plugin is a module, named by an entry point of the group ``campaign.plugins``, with ``api = 1`` and hook
implementations marked with ``@hookimpl`` (``hookspecs.py`` lists the hooks in pipeline order).  What the hooks
return are *providers*: frozen objects with blocking methods and no state of their own, so that the same provider
can be found again by its name in another process and be given its settings as JSON.

A provider's full name is ``<entry point>.<name>``: ``sqlite.writer``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import pluggy
from msgspec import Struct

from campaign.plugins import traces
from campaign.plugins.layout import Placement, Spread, UnableError, Unplaced
from campaign.proc import Process, boot_id, identify, process_tree, running, send_signals
from campaign.records import (
    Evidence,
    Exit,
    FaultExit,
    Judgement,
    OutputRecord,
    PlanTool,
    ProcessExit,
    RunView,
    StepExit,
    StepView,
    Summary,
    UniqueFailure,
    Verdict,
)
from campaign.units import Dimension, Quantity, UnitError, Value, format_value, parse_quantity

if TYPE_CHECKING:
    from campaign.plugins.results import Results

#: The major version of this interface; a plugin module says ``api = 1``.
API = 1

hookimpl = pluggy.HookimplMarker("campaign")

#: A cerberus schema with the language's types (``duration``, ``voltage``, …) registered, see ``Provider``.
Schema = Mapping[str, Mapping[str, Any]]


class DisagreesError(UnableError):
    """Raised by a fault whose read-back is not what it set: the machine cannot be trusted to be as it was left.

    The run does not pass, and its slots stay held until a person has looked.
    """


class Provider:
    """What all providers share: a name, one sentence, and parameters.

    ``parameters`` is a cerberus schema, by parameter name: ``type`` (one of ``int decimal string bool path duration
    size voltage current power frequency temperature ratio list``), ``default``, ``min``, ``max``, ``allowed``,
    ``required``, ``schema`` (of a list's items), and ``meta: {"help": "…"}``; ``meta: {"physical": True}`` says
    that it is written to the world as it is (a rail), so that rule sets can deny it without a limit.
    Defaults, ``min`` and ``max`` of quantities are written as in the language: ``"10s"``.  Settings reach the methods
    as Python values: Quantity, Fraction, int, bool, str, tuple.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    parameters: ClassVar[Schema] = {}

    def available(self) -> str | None:
        """Why it cannot be used on this machine, in one sentence that says how to get it; None where it can.

        Called before anything runs.
        """
        return None


class Step(Struct, frozen=True, kw_only=True):
    """What a tool is asked to run: its settings by name and the run's built-in values.

    ``workdir`` is the attempt's working directory; ``seed`` the run's seed; ``random`` a number drawn for this step
    from the run's key, 0 to 2^64-1, the same in every attempt.  ``trace`` is where a tool with ``traces`` writes its
    trace, an absolute path whose folder is there, and ``trace_bytes`` the most it may hold; None where nothing is to be
    traced.
    """

    label: str
    settings: Mapping[str, Value]
    workdir: str
    seed: int
    random: int
    instance: str
    cell: str
    attempt: int
    tier: str | None = None
    trace: str | None = None
    trace_bytes: int = 0


class Command(Struct, frozen=True, kw_only=True):
    """An argument vector (no shell is ever involved) and additions to the environment.

    A first word without a slash is looked up in ``PATH``.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}


class Metric(Struct, frozen=True, kw_only=True):
    """A number in a tool's output: group 1 of the last match of a linear-time pattern, read as ``type``."""

    name: str
    pattern: str
    type: str = "decimal"


class Service(Struct, frozen=True, kw_only=True):
    """A served tool that was started: where it works and its process."""

    label: str
    settings: Mapping[str, Value]
    workdir: str
    pid: int


class Tool(Provider):
    """Something that runs: turns its settings into an argument vector."""

    #: Slots that one step of this tool holds unless the spec says otherwise: ``{"gpu": 1}``.
    needs: ClassVar[Mapping[str, int]] = {}
    metrics: ClassVar[tuple[Metric, ...]] = ()
    #: Whether ``ready`` is implemented; a served tool without it is ready as soon as it has started.
    serves: ClassVar[bool] = False
    #: Whether it writes a trace to ``step.trace`` where that is given; it then brings ``replay`` too.
    traces: ClassVar[bool] = False

    def command(self, step: Step) -> Command:
        """The command of one step.  Called in the planner for every run: quick, pure, no I/O."""
        raise NotImplementedError(f"{type(self).__name__}.command")

    def replay(self, step: Step, trace: str) -> Command:
        """The command that carries out the operations in the file ``trace`` again, in order, else as ``step`` says.

        Where the trace ends because its tool was killed, the replay kills itself with SIGKILL at that point.  Called in
        the planner, for every traced run too (the record shows how to replay it): quick, pure, the file may not be
        there yet.
        """
        raise NotImplementedError(f"{type(self).__name__}.replay")

    def operations(self, trace: str) -> int:
        """How many operations of a trace can be left out, each by itself, so that the rest still makes sense.

        As it stands for traces of ``traces.py``: their units.  Called in the planner; raises UnableError or OSError for
        what is no trace.
        """
        try:
            return len(traces.units(trace))
        except traces.TraceError as error:
            raise UnableError(str(error)) from error

    def keep(self, trace: str, indexes: Iterable[int], into: str) -> None:
        """Write a trace to the new file ``into`` that holds of ``trace`` only the operations ``indexes``, from 0.

        Replayed, it does what the tool would have done had it been asked for these alone; it ends as ``trace`` does.
        Called in the planner; raises UnableError or OSError.
        """
        try:
            traces.keep(trace, indexes, into)
        except traces.TraceError as error:
            raise UnableError(str(error)) from error

    def ready(self, service: Service) -> Mapping[str, str] | None:
        """What a served tool exports once it is ready (``{"port": "6379"}``), None while it is not.

        Called again and again in the provider host until it answers or the step's timeout is over.
        """
        raise NotImplementedError(f"{type(self).__name__}.ready")


class Injection(Struct, frozen=True, kw_only=True):
    """A fault about to happen: its settings, the process aimed at (leader of a step or served tool) and the draw.

    ``target`` is missing where the fault is held: it is put on before any process of the run is there.
    ``duration_s`` is the fault's ``for``; ``random`` a number drawn from the run's key, 0 to 2^64-1.
    """

    label: str
    settings: Mapping[str, Value]
    target: Process | None
    workdir: str
    random: int
    duration_s: float | None = None


class Injected(Struct, frozen=True, kw_only=True):
    """What a fault did: ``hit`` are the processes whose end is now excused, ``notes`` one line for the record.

    Of a held one: ``env`` is added to the environment of every tool that it is for, and ``wrap`` stands before its
    argument vector: a program with its arguments that becomes the tool (``prlimit``, ``taskset``).
    """

    hit: tuple[Process, ...] = ()
    notes: str | None = None
    env: Mapping[str, str] = {}
    wrap: tuple[str, ...] = ()


class Draw(Struct, frozen=True, kw_only=True):
    """One fault of a virtual timeline, and what its outcome may be drawn from.

    ``seed`` is the run's, ``random`` was drawn for this fault from the run's key, both 0 to 2^64-1.  ``sequence`` is
    its number in the schedule that laid it out, by instants from 1; 0 where none did.  ``index`` (from 1) tells the
    repeats of a label apart.  ``at_s`` is when it is injected, ``for_s`` how long it lasts, ``sla_s`` within what it is
    to recover: seconds, from the start of the run and from the injection.
    """

    label: str
    seed: int
    random: int
    sequence: int = 0
    index: int | None = None
    at_s: float = 0.0
    for_s: float | None = None
    sla_s: float | None = None


class Simulated(Struct, frozen=True, kw_only=True):
    """How a fault went on the virtual timeline: seconds after its injection, None for what never came about."""

    detected_after_s: float | None = None
    recovered_after_s: float | None = None
    notes: str | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """A fault that was simulated, with the settings it had and how it went."""

    draw: Draw
    settings: Mapping[str, Value]
    simulated: Simulated


class Timeline(Struct, frozen=True, kw_only=True):
    """A run on the virtual clock: who it is, the strategy that laid its faults out, and the seconds of its span."""

    campaign: str
    key: str
    instance: str
    seed: int
    tier: str | None
    attempt: int
    schedule: str | None
    over_s: float


class Fault(Provider):
    """A fault model, in three phases so that instants are kept and crashes undone; all in the provider host.

    ``arm`` prepares and returns the inverse as JSON, which is journalled and synced before ``inject`` acts;
    ``clear`` takes it back from that JSON alone, perhaps in another process after a crash, and may be called
    twice.  Any exception means: not injected, and the run is an error.
    """

    #: Whether it can stand under ``clock virtual``: ``simulate`` is implemented.
    simulates: ClassVar[bool] = False

    #: Whether the process it hits is expected to end, so that its exit is excused.
    ends_target: ClassVar[bool] = False
    #: Whether its target, which must be a served tool, is started again once the fault is over, with the same command
    #: in the same place; it is over at once where it is given no ``for``.  What is left of it then, ``clear`` ends.
    restarts: ClassVar[bool] = False
    #: The full name of the served tool that its target must be: ``net.proxy``; None where it hits any process.
    aims_at: ClassVar[str | None] = None
    #: Whether it can stand after ``fault``: it acts at an instant, while the run's processes are there.
    injects: ClassVar[bool] = True
    #: Whether it can stand after ``hold``: it acts before the run's processes are there, and aims at none of them.
    holds: ClassVar[bool] = False
    #: Of a held one: whether it is taken off only once no process of the run is left, because it must not go from under
    #: them: a file system, say.
    after_tools: ClassVar[bool] = False

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """What these settings ask for and this machine lacks, in one sentence that says how to get it; None if nothing.

        Called before anything runs, with the settings of a scenario's first run.
        """
        return None

    def resources(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """What it changes that outlives the run's processes: absolute paths of files, or names such as ``rail:vcore``.

        No two attempts on this machine hold or fault one of them at the same time: the second one waits.  Called in
        the planner for every run: quick, pure, no I/O.
        """
        return ()

    def signals(self, settings: Mapping[str, Value]) -> tuple[str, ...]:
        """The names of signals (``KILL``) that do the same to its target: at its instant, and when it is over.

        Empty where none do.  Called in the planner for a run that did not pass, for its ``replay.sh``.
        """
        return ()

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Prepare, act on nothing, and return what ``clear`` needs."""
        return {}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Act, now."""
        raise NotImplementedError(f"{type(self).__name__}.inject")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Take it back; idempotent; raises where that failed."""

    def simulate(self, draw: Draw, settings: Mapping[str, Value]) -> Simulated:
        """How a fault goes on the virtual clock.  Pure: of these arguments alone, no clock, no I/O."""
        raise NotImplementedError(f"{type(self).__name__}.simulate")

    def reports(self, timeline: Timeline, outcomes: Sequence[Outcome]) -> Mapping[str, str]:
        """Files about a simulated run, texts by name, that are put beside its evidence; none unless it says so.

        Called once for a run, with its faults of this model by their instants.  Pure likewise.
        """
        return {}


class Oracle(Provider):
    """Judges evidence; may read files and run programs of its own, never changes the evidence.

    A program gets ``evidence.env`` as its environment: the provider host's own has nothing of what a spec passes on.
    """

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:
        """What these settings ask for and this machine lacks, in one sentence: a program, say; None where all is there.

        Called before anything runs, with the settings of a scenario's first run, and for an oracle that need not be
        there again before it judges; ``env`` is what ``evidence.env`` will be, of the first run.
        """
        return None

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Judge one attempt.  Called in the provider host, once, after its processes are gone."""
        raise NotImplementedError(f"{type(self).__name__}.judge")


class Reporter(Provider):
    """Writes a file from a campaign's record and its runs.

    It brings ``report``, or ``render`` where it wants settings, the host, or a campaign as pictures show it.
    """

    #: The file it writes unless told otherwise: ``junit.xml``.
    filename: ClassVar[str]
    #: Whether ``campaign report`` prints it, unless a file is named.
    printed: ClassVar[bool] = False

    def file(self, settings: Mapping[str, Value]) -> str:
        """The file it writes with these settings unless told otherwise."""
        return self.filename

    def objection(self, file: str, settings: Mapping[str, Value]) -> str | None:
        """Why it cannot write a file of that name with these settings, as the end of a sentence; None where it can."""
        return None

    def render(self, results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
        """Write the report in pieces, of text or of bytes; ``settings`` hold every parameter that has a value."""
        self.report(results.summary, results.runs(), write)

    def report(self, summary: Summary, runs: Iterator[RunView], write: Callable[[str], None]) -> None:
        """Write the report in pieces; ``runs`` can be very many and is read once, in order of cell and seed.

        A run that was attempted more than once comes once for each attempt, in order.
        """
        raise NotImplementedError(f"{type(self).__name__}.report")


class Schedule(Provider):
    """A strategy that lays faults without an instant out over a time span."""

    #: The span where the spec names none: ``"10m"``; None where it has to.
    over: ClassVar[str | None] = None

    def lay_out(self, spread: Spread) -> Sequence[Placement]:
        """The injections, at most 10,000; a fault may come more than once, in any order.

        Called in the planner for every run.  Pure: drawn from ``spread.random`` or ``spread.seed`` alone, no clock, no
        I/O.  UnableError says why these faults cannot be laid out so.
        """
        raise NotImplementedError(f"{type(self).__name__}.lay_out")


class Matcher(Provider):
    """A safety matcher: whether the host is one that a rule set was written for.

    ``facts`` are JSON values by name: ``cpu_model``, ``architecture`` and ``kernel`` (texts), ``cores`` (a count),
    ``memory`` (bytes), ``gpus`` (names), ``dmi`` (texts by field); what is not known of a host is not there, and a
    matcher must then say no.
    """

    def objection(self, wanted: Any) -> str | None:
        """Why no host could ever be asked for ``wanted``, as the end of a sentence; None where it is well formed.

        Called when a rule set is checked; ``matches`` is called only with what it has no objection to.
        """
        return None

    def found(self, facts: Mapping[str, Any]) -> str | None:
        """What the host has of what is asked for, in words, for the explanation of a verdict; None: not known."""
        return None

    def matches(self, facts: Mapping[str, Any], wanted: Any) -> bool:
        """Whether the host's ``facts`` are what ``wanted`` (from the rule set) asks for.  Pure: no I/O, no clock."""
        raise NotImplementedError(f"{type(self).__name__}.matches")


class Tunable(Struct, frozen=True, kw_only=True):
    """A parameter to be made smaller: its value, and the lowest one that it takes.

    Without ``low`` there is no lower end.  With ``allowed`` only those values are taken, in rising order.
    """

    name: str
    value: int | Fraction | Quantity
    low: int | Fraction | Quantity | None = None
    allowed: tuple[int | Fraction | Quantity, ...] = ()


class Minimizer(Provider):
    """A way to make what fails smaller: yields candidates, is sent which of them still fail the same way.

    What is made smaller is a list (``lists``: operations, faults, lines; a candidate is a selection, in order), or
    else parameters (a tuple of ``Tunable``; a candidate is a tuple of their values, in order).
    """

    lists: ClassVar[bool] = False

    def size(self, candidate: tuple[Any, ...]) -> Any:
        """The one order of «smaller»: of two candidates that fail the one whose size sorts first is kept."""
        raise NotImplementedError(f"{type(self).__name__}.size")

    def candidates(
        self, start: tuple[Any, ...], settings: Mapping[str, Value], slots: int
    ) -> Generator[Sequence[tuple[Any, ...]], Sequence[bool], None]:
        """A generator over batches of candidates, each sent back what became of the batch, in its order.

        The candidates of a batch are run side by side, so none may need to know of another; ``slots`` is how many
        can run at a time.  ``start`` itself is known to fail.  A candidate that may not be run counts as not failing.
        The end may come after any batch.  Pure: no clock, no I/O, the same candidates for the same outcomes.
        """
        raise NotImplementedError(f"{type(self).__name__}.candidates")


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
    "parse_quantity",
    "process_tree",
    "running",
    "send_signals",
]
