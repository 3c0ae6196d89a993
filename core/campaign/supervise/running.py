"""One step or served tool of an attempt: started, under way, ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import NoReturn

from campaign.proc import Process
from campaign.records import (
    ProcessExit,
    ServiceOrder,
    StepExit,
    StepLine,
    StepOrder,
    TraceExit,
    fill,
    mask_text,
    show_late,
    shown_environment,
)
from campaign.supervise.holds import merged
from campaign.supervise.output import Stream
from campaign.supervise.processes import StartError, find_program, spawn
from campaign.supervise.recording import StepSink
from campaign.supervise.station import Station


class Running:
    """A step or served tool; ``error`` says why it could not be started at all.

    Times are seconds from the attempt's start.
    """

    def __init__(self, order: StepOrder | ServiceOrder, stream: Stream, sink: StepSink, started_at_s: float) -> None:
        self.order = order
        self.stream, self._sink = stream, sink
        self.argv: tuple[str, ...] = order.argv
        self.started_at_s = started_at_s
        self.ended_at_s: float | None = None
        self._epoch = 0.0
        self._seen_until_s = started_at_s
        self.pid: int | None = None
        self.process: Process | None = None
        self.status = ProcessExit()
        self.timed_out = False
        self.excused = False
        self.error: str | None = None
        self.trace: TraceExit | None = None

    @property
    def name(self) -> str:
        """The label, with the index of a repeated step: ``load[2]``."""
        index = self.order.index if isinstance(self.order, StepOrder) else None
        return self.order.label if index is None else f"{self.order.label}[{index}]"

    @property
    def ended(self) -> bool:
        """Whether its process has ended, or never was."""
        return self.ended_at_s is not None

    @property
    def ok(self) -> bool:
        """Whether it exited by itself with a status that counts as good."""
        good = self.order.ok_exits if isinstance(self.order, StepOrder) else (0,)
        return not self.timed_out and self.error is None and self.status.code in good

    def start(  # noqa: PLR0913, PLR0917 - what a process is started with
        self,
        station: Station,
        folder: int,
        tree_lock: int,
        values: Mapping[str, str],
        epoch: float,
        dress: tuple[Mapping[str, str], tuple[str, ...]] = ({}, ()),
    ) -> None:
        """Start its program; ``epoch`` is the attempt's start on the loop's clock, ``dress`` what the holds add.

        Raises StartError; ``error`` then says the same.
        """
        try:
            self.argv = tuple(fill(each, values) for each in self.order.argv)
            env = merged({name: fill(each, values) for name, each in self.order.env.items()}, dress[0])
            if dress[1]:
                self.argv = (*dress[1], find_program(self.argv, env), *self.argv[1:])
            self.pid = spawn(self.argv, env, folder, self.stream.open(), tree_lock)
        except KeyError as error:
            self.fail(f"{error.args[0]} is not known: no served tool exports it, no slot bears that name")
        except StartError as error:
            self.fail(str(error))
        except OSError as error:
            self.fail(f"{self.order.argv[0]} could not be started: {error.strerror}")
        else:
            self.stream.started()
            self._epoch = epoch
            station.children.started(self.pid, lambda status: self._ended(status, station.loop.now()))

    def fail(self, why: str) -> NoReturn:
        """It could not be started.  Raises StartError."""
        self.stream.close()
        self.error = why
        self.ended_at_s = self.started_at_s
        raise StartError(why)

    def go_on(self, sink: StepSink, epoch: float, at_s: float) -> None:
        """Serve another run, that began at ``epoch``, from ``at_s`` of its seconds on."""
        self._sink = self.stream.sink = sink
        self._epoch, self.started_at_s, self._seen_until_s = epoch, at_s, at_s
        self.excused, self.trace = False, None

    def left(self, at_s: float) -> None:
        """The run is over, and it goes on."""
        self._seen_until_s = at_s

    def _ended(self, status: int, at: float) -> None:
        code = os.waitstatus_to_exitcode(status)
        self.status = ProcessExit(code=code) if code >= 0 else ProcessExit(signal=-code)
        self.ended_at_s = at - self._epoch

    def how(self) -> str:
        """How it ended, in words."""
        if self.status.signal is not None:
            return f"killed by {_signal_name(self.status.signal)}"
        return f"exit status {self.status.code}"

    def record(self, late: Mapping[str, str], secrets: tuple[str, ...]) -> StepExit:
        """What the exit record says of it; ``late`` are the late values that became known."""
        step = self.order if isinstance(self.order, StepOrder) else None
        ended_at_s = self._seen_until_s if self.ended_at_s is None else self.ended_at_s
        return StepExit(
            label=self.order.label,
            tool=self.order.tool,
            argv=tuple(mask_text(show_late(each, late), secrets) for each in self.argv),
            exit=ProcessExit(self.status.code, self.status.signal, self.timed_out),
            index=step.index if step else None,
            started_at_s=round(self.started_at_s, 6),
            duration_s=round(ended_at_s - self.started_at_s, 6),
            excused=self.excused,
            counts=step.counts if step else True,
            ok=self.ok,
            metrics=self._sink.metrics,
            output=self._sink.record(),
            error=None if self.error is None else mask_text(self.error, secrets),
            trace=self.trace,
        )

    def line(self, late: Mapping[str, str], secrets: tuple[str, ...]) -> StepLine:
        """Its line of ``steps.ldjson``."""
        return _line(self.record(late, secrets), self.order, shown_environment(self.order.env, late, secrets))


def _line(record: StepExit, order: StepOrder | ServiceOrder, env: dict[str, str]) -> StepLine:
    return StepLine(
        label=record.label,
        index=record.index,
        served=isinstance(order, ServiceOrder),
        tool=record.tool,
        argv=record.argv,
        env=env,
        exit=record.exit,
        started_at_s=record.started_at_s,
        duration_s=record.duration_s,
        ok=record.ok,
        output_path=record.output.path,
        metrics=dict(record.metrics),
        error=record.error,
        trace=record.trace,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
