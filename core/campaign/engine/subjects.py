"""What of a failing attempt can be made smaller: parameters, faults, the lines of an input file, recorded operations.

Each subject gives a minimizer its start and turns a candidate into an order; it may write files below its folder, named
by what they hold, so that writing one again changes nothing.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine.prepare import Prepared
from campaign.engine.replay import as_it_was
from campaign.engine.retrace import digest_of
from campaign.engine.sidework import Ground
from campaign.failpoints import reach
from campaign.plan.matrix import Run
from campaign.plan.repro import Instead, Less, repro
from campaign.plan.variants import tunables, variant
from campaign.plugins.api import Tool, Tunable
from campaign.plugins.printing import printing_aside
from campaign.readable import read_bounded
from campaign.records import Order
from campaign.units import Value, to_shown_json

Candidate: TypeAlias = "tuple[Any, ...]"
#: Larger files are no inputs that anyone reads line by line.
MOST_BYTES = 64 << 20
#: Variables that begin so are campaign's own: a repro sets them by itself.
_OURS = "CAMPAIGN_"
#: Beside a repro: what it reads instead of what the spec names.
DATA = "repro"
#: The parameter of a repro's tool that names the trace.
_TRACE = "replayed_trace"


class Subject(ABC):
    """Of one attempt: what is made smaller, and the order that a candidate comes to."""

    #: The minimizer that is asked, unless another one is wanted.
    minimizer = "minimize.ddmin"

    def __init__(self, ground: Ground, prepared: Prepared, run: Run) -> None:
        self._ground, self._prepared, self._run = ground, prepared, run

    @property
    @abstractmethod
    def start(self) -> Candidate:
        """What a minimizer begins with."""

    @abstractmethod
    def order(self, candidate: Candidate) -> Order:
        """What carries a candidate out; raises CampaignError for one that may not be run, OSError."""

    @abstractmethod
    def change(self, before: Candidate, after: Candidate) -> tuple[str, Any, Any]:
        """The name of what a candidate changes, from what and to what, as JSON."""

    @abstractmethod
    def result(self, smallest: Candidate) -> dict[str, Any]:
        """What it came to, as JSON."""

    @abstractmethod
    def repro(self, smallest: Candidate, remarks: Iterable[str]) -> str:
        """A spec of it; raises CampaignError where none can be written."""

    # --- for all of them

    def _rendered(self, run: Run) -> Order:
        return self._ground.render(run, self._attempt)

    @property
    def _attempt(self) -> int:
        assert self._ground.parent is not None
        return self._ground.parent.row.attempt

    @property
    def _beside(self) -> str:
        """Where a repro keeps what it reads: beside it, so that both can be taken elsewhere."""
        assert self._ground.parent is not None
        return os.path.join(self._ground.parent.row.directory, DATA)

    def _variant(self, values: Mapping[str, Value]) -> Run:
        if not values:
            return self._run
        return variant(self._prepared.plan, self._run, values, lambda: self._prepared.registry)

    def _written(
        self,
        run: Run,
        remarks: Iterable[str],
        without: Sequence[str] = (),
        instead: Mapping[str, Instead] = MappingProxyType({}),
        kept: Sequence[str] | None = None,
    ) -> str:
        plan, root, beside = self._prepared.plan, self._prepared.snapshot.directory, os.path.dirname(self._beside)
        less = Less(frozenset(without), None if kept is None else tuple(kept))
        return repro(plan, run, root, remarks, lambda: self._prepared.registry, less, instead, beside=beside)


class Parameters(Subject):
    """The values of parameters, one after the other."""

    minimizer = "minimize.parameters"

    def __init__(self, ground: Ground, prepared: Prepared, run: Run, names: Sequence[str]) -> None:
        super().__init__(ground, prepared, run)
        rules = prepared.plan.rules
        self._parameters = tunables(run, names, rules.book.limits if rules is not None else {})
        if not self._parameters:
            wanted = f"none of {', '.join(names)}" if names else "no duration, whole number or size of its tools"
            raise impossible(f"{wanted} can be made smaller in {run.key}")
        found = {each.name for each in self._parameters}
        left = [name for name in names if name not in found]
        if left:
            ground.note(f"{', '.join(left)} of {run.key} is left as it is: no number or quantity of this run")

    @property
    def start(self) -> tuple[Tunable, ...]:
        """The parameters."""
        return self._parameters

    def order(self, candidate: Candidate) -> Order:
        """Those that differ are set, like by ``--set``."""
        return self._rendered(self._variant(self._values(candidate)))

    def change(self, before: Candidate, after: Candidate) -> tuple[str, Any, Any]:
        """The parameter that is another one."""
        at = next((at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new), 0)
        return self._parameters[at].name, to_shown_json(before[at]), to_shown_json(after[at])

    def result(self, smallest: Candidate) -> dict[str, Any]:
        """Every parameter with its value."""
        return {each.name: to_shown_json(value) for each, value in zip(self._parameters, smallest, strict=True)}

    def repro(self, smallest: Candidate, remarks: Iterable[str]) -> str:
        """With these values."""
        return self._written(self._variant(self._values(smallest)), remarks)

    def _values(self, candidate: Candidate) -> dict[str, Value]:
        pairs = zip(self._parameters, candidate, strict=True)
        return {each.name: value for each, value in pairs if value != each.value}


class Faults(Subject):
    """The faults of the run, one by one where a schedule laid them out, but for those that are values of an axis."""

    def __init__(self, ground: Ground, prepared: Prepared, run: Run) -> None:
        super().__init__(ground, prepared, run)
        assert ground.parent is not None
        parts = run.cell.scenario.program.case.parts
        fixed = {part.label for part in parts if part.kind == "fault" and part.placed.condition is None}
        faults = [each for each in ground.parent.order.faults if each.label in fixed]
        self._names = tuple(each.name for each in faults)
        self._scheduled = {each.name for each in faults if each.sequence}
        if not self._names:
            raise impossible(f"{run.key} has no faults that could be left out")

    @property
    def start(self) -> tuple[str, ...]:
        """Their names: labels, with an index where one comes more than once."""
        return self._names

    def order(self, candidate: Candidate) -> Order:
        """Without the others; what is left comes when it came."""
        order = self._rendered(self._run)
        gone = set(self._names) - set(candidate)
        return replace(order, faults=tuple(each for each in order.faults if each.name not in gone))

    def change(self, before: Candidate, after: Candidate) -> tuple[str, Any, Any]:
        """Which are left."""
        return "faults", list(before), list(after)

    def result(self, smallest: Candidate) -> dict[str, Any]:
        """Which are left."""
        return {"faults": list(smallest)}

    def repro(self, smallest: Candidate, remarks: Iterable[str]) -> str:
        """Without the others; those that were laid out are all there, and the schedule keeps these of them."""
        gone = [each for each in self._names if each not in smallest]
        kept = [each for each in self._names if each in smallest and each in self._scheduled]
        return self._written(
            self._run,
            remarks,
            [each for each in gone if each not in self._scheduled],
            kept=kept if self._scheduled.intersection(gone) else None,
        )


class Lines(Subject):
    """The lines of the files that parameters name, all in one list: each element is a file's number and a line."""

    def __init__(self, ground: Ground, prepared: Prepared, run: Run, names: Sequence[str], folder: str) -> None:
        super().__init__(ground, prepared, run)
        self._folder = folder
        found = {name: path for name in names if (path := self._path(name)) is not None}
        if not found:
            raise impossible(f"{', '.join(names)} names no file that {run.key} reads")
        for name in names:
            if name not in found:
                ground.note(f"{name} of {run.key} is left as it is: it names no file")
        self._names, self._paths = tuple(found), tuple(found.values())
        self._lines = tuple((at, line) for at, name in enumerate(found) for line in _lines_of(name, found[name]))

    def _path(self, name: str) -> str | None:
        assert self._ground.parent is not None
        order = self._ground.parent.order
        provider, _, parameter = name.rpartition(".")
        given = [(each.tool, each.values) for each in order.steps]
        given += [(each.tool, each.values) for each in order.services]
        values = [values.get(parameter) for tool, values in given if provider in {"", tool}]
        return next((each for each in values if isinstance(each, str) and os.path.isabs(each)), None)

    @property
    def start(self) -> tuple[tuple[int, bytes], ...]:
        """Their lines."""
        return self._lines

    def order(self, candidate: Candidate) -> Order:
        """The run with files of these lines alone."""
        return self._rendered(self._variant(self._values(candidate, self._folder)))

    def change(self, before: Candidate, after: Candidate) -> tuple[str, Any, Any]:
        """How many lines there are, of the files that it changes."""
        old, new = self._counts(before), self._counts(after)
        changed = [at for at in range(len(self._names)) if old[at] != new[at]] or [0]
        name = ", ".join(self._names[at] for at in changed)
        if len(changed) == 1:
            return name, old[changed[0]], new[changed[0]]
        return name, [old[at] for at in changed], [new[at] for at in changed]

    def result(self, smallest: Candidate) -> dict[str, Any]:
        """The files that are left, and how many lines in all."""
        files = [self._file(at, smallest, self._folder) for at in range(len(self._names))]
        told = {"parameter": ", ".join(self._names), "lines": len(smallest), "of": len(self._lines)}
        return {**told, "file": files[0] if len(files) == 1 else files}

    def repro(self, smallest: Candidate, remarks: Iterable[str]) -> str:
        """Reading the files that are left."""
        return self._written(self._variant(self._values(smallest, self._beside)), remarks)

    def _values(self, candidate: Candidate, folder: str) -> dict[str, Value]:
        """A new file for each of which lines are left out."""
        left, whole = self._counts(candidate), self._counts(self._lines)
        changed = (at for at in range(len(self._names)) if left[at] != whole[at])
        return {self._names[at]: self._file(at, candidate, folder) for at in changed}

    def _counts(self, candidate: Candidate) -> list[int]:
        found = Counter(at for at, _ in candidate)
        return [found[at] for at in range(len(self._names))]

    def _file(self, at: int, candidate: Candidate, folder: str) -> str:
        data = b"".join(line for number, line in candidate if number == at)
        path = os.path.join(folder, blake2b(data, digest_size=8).hexdigest(), os.path.basename(self._paths[at]))
        _keep(path, lambda part: Path(part).write_bytes(data))
        return path


def _lines_of(name: str, path: str) -> list[bytes]:
    """The lines of a file that a parameter names; raises CampaignError."""
    try:
        data = read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise impossible(f"{path}, which {name} names, cannot be read: {error.strerror or error}") from error
    if len(data) == MOST_BYTES:
        raise impossible(f"{path}, which {name} names, is larger than {MOST_BYTES >> 20} MiB")
    return data.splitlines(keepends=True)


class Operations(Subject):
    """The operations that a step traced, carried out again."""

    def __init__(self, ground: Ground, prepared: Prepared, run: Run, folder: str) -> None:
        super().__init__(ground, prepared, run)
        parent = ground.parent
        assert parent is not None
        assert parent.exit is not None
        self._folder, self._directory = folder, parent.row.directory
        self._whole = as_it_was(parent.order, parent.exit, self._directory, ground.note)
        traced = [(step, replayed) for step, replayed in zip(parent.order.steps, self._whole.steps, strict=True)]
        found = next(((step, replayed.replay) for step, replayed in traced if replayed.replay is not None), None)
        if found is None:
            raise impossible(f"{run.key} has no trace that can be carried out again")
        self._step, self._replay = found
        self._trace = os.path.join(self._directory, self._replay.source)
        provider = prepared.registry.find("tool", self._step.tool) if "." in self._step.tool else None
        self._tool = provider if isinstance(provider, Tool) else Tool()
        with _its_own_words(self._step.tool):
            self._count = self._tool.operations(self._trace)

    @property
    def start(self) -> tuple[int, ...]:
        """Their numbers."""
        return tuple(range(self._count))

    def order(self, candidate: Candidate) -> Order:
        """A replay of these alone."""
        if len(candidate) == self._count:
            return self._whole
        path = self._file(candidate, self._folder)
        source = os.path.relpath(path, self._directory)
        kept = replace(self._replay, source=source, digest=digest_of(path))
        steps = (replace(each, replay=kept) if each.replay == self._replay else each for each in self._whole.steps)
        return replace(self._whole, steps=tuple(steps))

    def change(self, before: Candidate, after: Candidate) -> tuple[str, Any, Any]:
        """How many there are."""
        return "trace", len(before), len(after)

    def result(self, smallest: Candidate) -> dict[str, Any]:
        """The trace that is left."""
        return {"operations": len(smallest), "of": self._count, "trace": self._file(smallest, self._folder)}

    def repro(self, smallest: Candidate, remarks: Iterable[str]) -> str:
        """A spec whose step carries the trace out."""
        assert self._step.trace is not None
        public = os.path.join(self._directory, "")
        trace, path = os.path.join(self._directory, self._replay.path), self._file(smallest, self._beside)
        words = (word.replace(trace, f"\0{_TRACE}\0") for word in self._step.trace.replay)
        passed = self._prepared.snapshot.environment
        env = {name: text for name, text in self._step.env.items() if name not in passed and not name.startswith(_OURS)}
        instead = Instead(
            tuple(word.replace(f"{public}work", "\0workdir\0") for word in words),
            {name: text.replace(f"{public}work", "\0workdir\0") for name, text in env.items()},
            {_TRACE: path},
        )
        gone = [each.label for each in self._whole.faults if each.in_trace is not None]
        return self._written(self._run, remarks, gone, {self._step.label: instead})

    def _file(self, kept: Candidate, folder: str) -> str:
        name = blake2b(repr(kept).encode(), digest_size=8).hexdigest()
        path = os.path.join(folder, name, os.path.basename(self._replay.path))

        def write(part: str) -> None:
            with _its_own_words(self._step.tool):
                self._tool.keep(self._trace, kept, part)

        _keep(path, write)
        return path


def _keep(path: str, write: Callable[[str], object]) -> None:
    """Have a file written once, whole and durably: one that is there holds what its name says, power cuts or not."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.part"
    with suppress(FileNotFoundError):
        os.unlink(part)
    write(part)
    reach("planner.candidate.before")
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    reach("planner.candidate.synced")
    os.replace(part, path)
    reach("planner.candidate.after")


@contextmanager
def _its_own_words(tool: str) -> Iterator[None]:
    """What a tool cannot do with a trace is said; a stranger's code takes nothing down."""
    try:
        with printing_aside():
            yield
    except OSError:
        raise
    except (Exception, SystemExit) as error:
        raise impossible(f"{tool} cannot take its trace apart: {error}") from error


def impossible(summary: str) -> CampaignError:
    """Nothing can be minimized."""
    return CampaignError([Diagnostic("CAMP591", summary, status=ExitStatus.SETUP)])
