"""Tools: what runs, what it is told, and how it is asked whether it serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from msgspec import Struct

from campaign.plugins import traces
from campaign.plugins.layout import UnableError
from campaign.plugins.providers import Provider
from campaign.units import Value


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
