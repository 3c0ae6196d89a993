"""Where the output of an attempt goes: masked, scanned, and kept."""

from __future__ import annotations

from collections.abc import Callable

from campaign.records import MetricOrder, Order, OutputRecord, secrets_of
from campaign.supervise.folders import open_below
from campaign.supervise.loop import Loop
from campaign.supervise.output import Log, Stream
from campaign.supervise.scan import Patterns, Scanner, as_printed
from campaign.supervise.secrets import Masker

OUTPUT_FILE = "output.log"
SERVICE_FOLDER = "serve"


class StepSink:
    """Takes the output of one step: masks it, keeps it, looks for what the order asks for."""

    def __init__(self, log: Log, scanner: Scanner, masker: Masker | None) -> None:
        self._log, self._scanner, self._masker = log, scanner, masker
        self._start = log.total
        self._written = 0

    def write(self, data: memoryview) -> None:
        """Take a chunk; without secrets and patterns it is not even copied."""
        if self._masker is not None:
            self._keep(self._masker.feed(bytes(data)))
        elif self._scanner.idle:
            self._log.write(data)
            self._written += len(data)
        else:
            self._keep(bytes(data))

    def end(self) -> None:
        """Let go of what was held back, and look at the last line."""
        if self._masker is not None:
            self._keep(self._masker.flush())
        self._scanner.end()

    def _keep(self, data: bytes) -> None:
        self._log.write(data)
        self._scanner.feed(data)
        self._written += len(data)

    @property
    def metrics(self) -> dict[str, str]:
        """The metrics found so far, as printed."""
        return dict(self._scanner.values)

    def record(self) -> OutputRecord:
        """What was kept of this step's output."""
        if not self._written:
            return OutputRecord()
        dropped = self._log.dropped_within(self._start, self._start + self._written)
        return OutputRecord(OUTPUT_FILE, self._written, dropped)


class Recording:
    """The logs of one attempt and the streams that feed them."""

    def __init__(self, order: Order, loop: Loop, buffer: bytearray, folder: Callable[[], int]) -> None:
        """``folder`` is the attempt's open public folder; raises ``re2.error`` for a pattern that is none."""
        self._loop, self._buffer, self._folder = loop, buffer, folder
        self._secrets = secrets_of(order)
        self._patterns = Patterns(as_printed(order.patterns, self._secrets))
        self._log = Log(folder, OUTPUT_FILE, OUTPUT_FILE)
        self._service_logs: dict[str, Log] = {}
        self._streams: list[Stream] = []

    def step(self, metrics: tuple[MetricOrder, ...]) -> tuple[Stream, StepSink]:
        """A stream for the output of a step."""
        sink = StepSink(self._log, Scanner(self._patterns, metrics), self._masker())
        return self._stream(sink), sink

    def service(self, label: str) -> tuple[Stream, StepSink]:
        """A stream for the output of a served tool: a log of its own, in which nothing is looked for.

        One that is started again writes on in the log that it had.
        """
        sink = self._service_sink(label)
        return self._stream(sink), sink

    def inherit(self, label: str, stream: Stream) -> StepSink:
        """A served tool goes on from an earlier run: what comes from now on is this one's."""
        self._streams.append(stream)
        return self._service_sink(label)

    def let_go(self, stream: Stream) -> None:
        """A served tool goes on to a later run: what comes from now on is that one's."""
        if stream in self._streams:
            stream.drain()
            self._streams.remove(stream)
            if not stream.ended:
                stream.sink.end()

    @property
    def matched(self) -> tuple[str, ...]:
        """The ids of the patterns that were found."""
        return tuple(self._patterns.found)

    def drain(self) -> None:
        """Read what is there now."""
        for stream in self._streams:
            stream.drain()

    def finish(self) -> None:
        """Read what is left, close everything, and write the tails."""
        for stream in self._streams:
            stream.drain()
            stream.close()
        for log in self._logs:
            log.finish()

    def record(self) -> OutputRecord:
        """What was kept of the output of all steps."""
        return self._log.record()

    @property
    def unkept(self) -> tuple[tuple[str | None, int], ...]:
        """Of each log where it is, once there is something in it, and how much of it is not there."""
        return tuple((log.record().path, log.dropped) for log in self._logs)

    @property
    def error(self) -> str | None:
        """Why an output could not be kept, if so."""
        return next((log.error for log in self._logs if log.error), None)

    @property
    def _logs(self) -> tuple[Log, ...]:
        return (self._log, *self._service_logs.values())

    def _stream(self, sink: StepSink) -> Stream:
        stream = Stream(self._loop, self._buffer, sink)
        self._streams.append(stream)
        return stream

    def _service_sink(self, label: str) -> StepSink:
        name = f"{label}.log".replace("/", "_")
        if name not in self._service_logs:
            self._service_logs[name] = Log(self._service_folder, name, f"{SERVICE_FOLDER}/{name}")
        return StepSink(self._service_logs[name], Scanner(Patterns(()), ()), self._masker())

    def _masker(self) -> Masker | None:
        return Masker(self._secrets) if self._secrets else None

    def _service_folder(self) -> int:
        return open_below(self._folder(), SERVICE_FOLDER)
