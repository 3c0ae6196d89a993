"""Ask the oracles of an attempt, one after the other, once its exit record is on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from msgspec.structs import replace

from campaign.records import (
    MASK,
    Evidence,
    Excerpt,
    Exit,
    Failure,
    FailureKind,
    Judgement,
    OracleOrder,
    OracleRecord,
    Order,
    Stop,
    Verdict,
    fill_json,
    show_late,
)
from campaign.supervise.excerpting import stack_in
from campaign.supervise.folders import closing_fd, open_below, write_file
from campaign.supervise.hostclient import HostClient
from campaign.supervise.hostmessages import Answered, Ask, Failed, Load, Reply, Sign, Signed, Skipped
from campaign.supervise.loop import Loop
from campaign.supervise.recording import OUTPUT_FILE

ORACLE_FOLDER = "oracle"
ORACLE_DEADLINE_S = 600.0
_SIGN_DEADLINE_S = 30.0
_LOAD_DEADLINE_S = 60.0

#: Why no oracle is asked about a run that was simulated.
UNJUDGED = "nothing was started, the clock is virtual"
_encode = msgspec.json.Encoder().encode

#: Called with the records and a plugin's signature of the failure.
Judged = Callable[[tuple[OracleRecord, ...], str | None], None]


class Bench(Protocol):
    """Where a judging takes place: a loop, and the provider host that is asked."""

    @property
    def loop(self) -> Loop:
        """What waits for its answers."""

    @property
    def host(self) -> HostClient:
        """What is asked."""


class Judging:
    """The oracles of one attempt and what they said."""

    def __init__(  # noqa: PLR0913 - what is judged, with what, and who is told
        self,
        order: Order,
        record: Exit,
        station: Bench,
        *,
        late: Mapping[str, str],
        public: int | None,
        done: Judged,
        unseen: bool = False,
    ) -> None:
        """``late`` are the late values; ``public`` is the attempt's open public folder, for files under ``oracle/``.

        Without one nothing is written.  ``unseen``: whether the oracles are available was not asked before the run.
        """
        self._order, self._exit, self._late = order, record, late
        self._station, self._public, self._done, self._unseen = station, public, done, unseen
        self._evidence = evidence_of(order, record, late)
        self._waiting = list(order.oracles)
        self._records: list[OracleRecord] = []
        self._stopped: str | None = not_worth_asking(record)
        self._asked_at = 0.0

    def start(self) -> None:
        """Begin; ``done`` is called when the last one has answered."""
        if self._stopped is not None or not self._waiting:
            self._next()
        else:
            self._load(self._loaded)

    def _load(self, loaded: Callable[[Reply], None]) -> None:
        request = Load(self._station.host.next_id(), self._order.plugins)
        self._station.host.ask(request, _LOAD_DEADLINE_S, loaded)

    def stop(self, reason: str) -> None:
        """Ask no more; whoever is being asked is killed."""
        self._stopped = reason
        self._station.host.kill(reason)

    def given_up(self, why: str) -> tuple[OracleRecord, ...]:
        """What is known, and why the rest is not."""
        asked = {each.label for each in self._records}
        rest = (order for order in self._order.oracles if order.label not in asked)
        return (*self._records, *(oracle_record(order, Failed(0, why), 0.0) for order in rest))

    def _loaded(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self._stopped = self._stopped or reply.error
        self._next()

    def _next(self) -> None:
        while self._waiting and self._stopped is not None:
            unasked = Skipped(0, UNJUDGED) if self._exit.clock == "virtual" else Failed(0, self._stopped)
            self._add(self._waiting.pop(0), unasked)
        if not self._waiting:
            self._sign()
            return
        order = self._waiting.pop(0)
        self._asked_at = self._station.loop.now()
        known = {name: value for name, value in self._late.items() if MASK not in value}
        try:
            settings = fill_json(order.settings, known)
        except KeyError as error:
            why = f"{error.args[0]} is not known: {_unknown(error.args[0] in self._late)}"
            self._station.loop.call_later(0.0, lambda: self._answered(order, Failed(0, why)))
            return
        number = self._station.host.next_id()
        request = Ask(number, order.oracle, settings, order.required, self._evidence, self._unseen)
        self._station.host.ask(
            request, order.timeout_s or ORACLE_DEADLINE_S, lambda reply: self._answered(order, reply)
        )

    def _answered(self, order: OracleOrder, reply: Reply) -> None:
        self._add(order, reply, self._station.loop.now() - self._asked_at)
        self._next()

    def _add(self, order: OracleOrder, reply: Reply, duration_s: float = 0.0) -> None:
        record = oracle_record(order, reply, duration_s)
        judgement = reply.judgement if isinstance(reply, Answered) else Judgement(False)
        if self._public is None:
            self._records.append(replace(record, paths=()))
            return
        try:
            self._write(self._public, order, judgement, record)
        except OSError as failure:
            why = Failed(0, f"its files could not be written: {failure.strerror}")
            record = oracle_record(order, why, duration_s)
        self._records.append(record)

    @staticmethod
    def _write(public: int, order: OracleOrder, judgement: Judgement, record: OracleRecord) -> None:
        stem = file_stem(order.label)
        with closing_fd(open_below(public, ORACLE_FOLDER)) as folder:
            write_file(folder, f"{stem}.stdout", judgement.stdout.encode("utf-8", "replace"))
            write_file(folder, f"{stem}.stderr", judgement.stderr.encode("utf-8", "replace"))
            write_file(folder, f"{stem}.json", _encode(record) + b"\n")

    def _sign(self) -> None:
        """Ask who knows failures, where this is one: a host is started for nothing else."""
        failure = self._failure() if self._order.signed_by and self._stopped is None else None
        if failure is None:
            self._done(tuple(self._records), None)
            return
        objecting = next((each for each in self._records if each.ok is False and not each.advisory), None)
        if failure.kind is not FailureKind.ORACLE or objecting is None:
            self._load(lambda _reply: self._ask_for_signature(failure.message, _SIGN_DEADLINE_S))
            return
        asked = next((each.timeout_s for each in self._order.oracles if each.label == objecting.label), None)
        self._ask_for_signature(objecting.message, min(asked or _SIGN_DEADLINE_S, _SIGN_DEADLINE_S))

    def _failure(self) -> Failure | None:
        """What the judge will object to, None where the attempt does not fail."""
        from campaign.judge.classify import decide  # late: most supervisors never need it

        decision = decide(self._order, self._exit, self._records)
        return decision.failure if decision.verdict is Verdict.FAIL else None

    def _ask_for_signature(self, message: str, deadline_s: float) -> None:
        request = Sign(self._station.host.next_id(), self._exit, self._evidence, message)
        self._station.host.ask(request, deadline_s, self._signed)

    def _signed(self, reply: Reply) -> None:
        self._done(tuple(self._records), reply.fingerprint if isinstance(reply, Signed) else None)


def _unknown(secret: bool) -> str:
    return "it is secret and was not kept, so nobody can be asked again" if secret else "no served tool exported it"


def evidence_of(order: Order, record: Exit, late: Mapping[str, str]) -> Evidence:
    """What the oracles of an attempt see."""
    public = order.directories.public
    return Evidence(
        campaign=order.campaign,
        key=order.key,
        instance=order.instance,
        cell=order.cell,
        seed=order.seed,
        attempt=order.attempt,
        tier=order.tier,
        axes=order.axes,
        settings=order.settings,
        directory=public,
        work=order.directories.work,
        output=f"{public}/{OUTPUT_FILE}" if record.output.path else None,
        env={name: show_late(value, late) for name, value in order.environment.items()},
        searched={each.id: each.id in record.matched for each in order.patterns},
        exit=record,
    )


def not_worth_asking(record: Exit) -> str | None:
    """Why the oracles of this attempt are not asked: what they would judge is not there, or no one waits for it."""
    if record.clock == "virtual":
        return UNJUDGED
    if record.setup_error is not None:
        return f"not asked: {record.setup_error}"
    if record.internal_error is not None:
        return f"not asked: {record.internal_error}"
    if not record.tree_empty:
        return "not asked: processes of the run are still there"
    if record.stopped in {Stop.CANCEL, Stop.INTERRUPT}:
        return f"not asked: {record.stopped}"
    return None


def oracle_record(order: OracleOrder, reply: Reply, duration_s: float) -> OracleRecord:
    """An oracle's answer, or why there is none, as the run's record keeps it."""
    stem = f"{ORACLE_FOLDER}/{file_stem(order.label)}"
    blank = OracleRecord(
        label=order.label,
        oracle=order.oracle,
        advisory=order.advisory,
        duration_s=round(duration_s, 6),
        paths=tuple(f"{stem}.{kind}" for kind in ("stdout", "stderr", "json")),
    )
    match reply:
        case Answered(judgement=answer):
            record = replace(
                blank, ok=answer.ok, message=answer.message, exit_code=answer.exit_code, details=answer.details
            )
            return record if answer.ok else replace(record, excerpt=_stack(answer, stem))
        case Skipped(why=why):
            return replace(blank, skipped=why)
        case Failed(error=error):
            return replace(blank, error=error)
    return replace(blank, error=f"the provider host answered {type(reply).__name__}")


def _stack(answer: Judgement, stem: str) -> Excerpt | None:
    """The stack that the program wrote which the oracle asked, to its stderr or else to its stdout."""
    return stack_in(answer.stderr, f"{stem}.stderr") or stack_in(answer.stdout, f"{stem}.stdout")


def file_stem(label: str) -> str:
    """A label as the name of a file."""
    return label.replace("/", "_")
