"""One attempt on the virtual clock: claimed, simulated in one question to the provider host, recorded, never started.

Its exit record is that of any attempt: seconds stand on a timeline that begins with the attempt, and hours of it pass
while the host answers.  Oracles are not asked, for there is nothing that they could judge.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from campaign.failpoints import reach
from campaign.records import (
    Exit,
    FaultExit,
    FaultOrder,
    Order,
    OutputRecord,
    Stop,
    fill_json,
    mask_text,
    secrets_of,
    slot_values,
)
from campaign.records.messages import Exited, FromSupervisor, Judged, Refused, Started
from campaign.supervise.chain import Chain, release
from campaign.supervise.claim import Claim, ClaimedError, take
from campaign.supervise.folders import closing_fd, open_folder, write_file
from campaign.supervise.hostmessages import Failed, Reply, Simulate, Simulated, SimulatedFault, Skipped, VirtualFault
from campaign.supervise.judging import UNJUDGED, oracle_record
from campaign.supervise.station import Station, utc_now

_DEADLINE_S = 60.0
#: Names that other files of an attempt bear.
_TAKEN = frozenset(("run.json", "output.log", "steps.ldjson", "replay.sh", "work", "oracle", "trace", "minimize"))


class VirtualAttempt:
    """What ``Attempt`` is to a real clock; reports through ``send`` and calls ``over`` when it is done."""

    stuck = False  # nothing was started that could survive it
    goes_on = False

    def __init__(  # noqa: PLR0913, PLR0917 - as ``Attempt``
        self,
        order: Order,
        station: Station,
        send: Callable[[FromSupervisor], None],
        over: Callable[[], None],
        blocked: str | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.order, self._chain = order, chain
        self._station, self._send, self._over = station, send, over
        self._started_at = utc_now()
        self._secrets = station.host.secrets = secrets_of(order)
        self._claim: Claim | None = None
        self._unsafe = False
        self._setup_error = blocked
        self._internal_error: str | None = None
        self._stopped: Stop | None = None
        self._faults: tuple[FaultExit, ...] = ()
        self._recorded = self._ended = False

    def refuse(self, why: str) -> None:
        """Its values break a limit: nothing of it may count."""
        self._unsafe, self._setup_error = True, why

    def begin(self) -> None:
        """Claim it, ask how its faults go."""
        try:
            self._claim = take(self.order, self._station.me)
            self._send(Started(self.order.token, self._started_at))
            reach("virtual.started")
            os.close(open_folder(self.order.directories.public, self.order.campaign))
            request = self._request() if self._setup_error is None and self.order.faults else None
        except ClaimedError as error:
            self._send(Refused(self.order.token, str(error)))
            self._finish()
        except OSError as error:
            self._fail(f"the run could not be set up: {error.filename or self.order.token}: {error.strerror}")
        except KeyError as error:
            self._fail(f"{error.args[0]} is not known: nothing is served under a virtual clock")
        else:
            if request is None:
                self._record()
            else:
                self._station.host.ask(request, _DEADLINE_S, self._simulated)

    def judge_again(self, record: Exit) -> None:
        """There is nothing to ask."""
        self._recorded = True
        self._judged(record)

    def stop(self, reason: Stop, grace_s: float) -> None:  # noqa: ARG002 - nothing runs that could be given time
        """End it early: it is over in a moment anyhow, but not what was asked for."""
        if not self._recorded:
            self._stopped = reason
            self._record()

    def abort(self, why: str) -> None:
        """Something went wrong in the supervisor itself: end it, and say so."""
        self._internal_error = self._internal_error or why
        if self._recorded:
            self._finish()
        else:
            self._record()

    def children_changed(self) -> None:
        """Nothing of it runs."""

    # --- asking -----------------------------------------------------------------------------------------------------

    def _request(self) -> Simulate:
        """Raises KeyError for a value that only a served tool could give."""
        order = self.order
        late = slot_values(order, order.granted)
        return Simulate(
            id=self._station.host.next_id(),
            plugins=order.plugins,
            campaign=order.campaign,
            key=order.key,
            instance=order.instance,
            seed=order.seed,
            tier=order.tier,
            attempt=order.attempt,
            schedule=order.schedule.strategy if order.schedule is not None else None,
            over_s=_span_s(order),
            faults=tuple(_virtual(each, late) for each in order.faults),
        )

    def _simulated(self, reply: Reply) -> None:
        if self._recorded:
            return
        if isinstance(reply, Simulated):
            pairs = zip(self.order.faults, reply.faults, strict=True)
            self._faults = tuple(_exit_of(order, answer, self._secrets) for order, answer in pairs)
            self._write(reply.files)
            self._record()
        else:
            why = reply.error if isinstance(reply, Failed) else f"it answered {type(reply).__name__}"
            self._fail(f"the faults could not be simulated: {why}")

    def _write(self, files: Mapping[str, str]) -> None:
        """What models say about it, beside its evidence and, as the newest attempt decides, in the run's folder."""
        if not files:
            return
        public = self.order.directories.public
        try:
            with closing_fd(open_folder(public, self.order.campaign)) as folder:
                for name, text in files.items():
                    _check_name(name)
                    write_file(folder, name, mask_text(text, self._secrets).encode("utf-8", "replace"))
                if self.order.origin == "plan":
                    self._share(folder, files)
        except OSError as error:
            self._internal_error = f"a file of the run could not be written: {error.strerror or error}"

    def _share(self, folder: int, names: Iterable[str]) -> None:
        """One file, two names, as ``run.json`` has them.  Raises OSError."""
        above = os.path.dirname(self.order.directories.public)
        with closing_fd(open_folder(above, self.order.campaign)) as run:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=run)
                reach("virtual.share.before")
                os.link(name, name, src_dir_fd=folder, dst_dir_fd=run)
                reach("virtual.share.after")

    # --- recording --------------------------------------------------------------------------------------------------

    def _fail(self, why: str) -> None:
        self._setup_error = self._setup_error or mask_text(why, self._secrets)
        self._record()

    def _record(self) -> None:
        """Leave the exit record, and say so."""
        self._recorded = True
        record = self._exit()
        try:
            if self._claim is not None:
                self._claim.write_exit(record)
        except OSError as error:
            record = replace(record, internal_error=f"the exit record could not be written: {error.strerror}")
        self._send(Exited(self.order.token, record))
        reach("virtual.exited")
        self._judged(record)

    def _exit(self) -> Exit:
        stopped = Stop.SAFETY if self._unsafe else self._stopped
        return Exit(
            token=self.order.token,
            epoch=self.order.epoch,
            digest=self.order.digest,
            started_at=self._started_at,
            finished_at=utc_now(),
            duration_s=_duration_s(self.order, self._faults),
            boot_id=self._station.boot_id,
            clock="virtual",
            faults=self._faults,
            output=OutputRecord(),
            granted=self.order.granted,
            stopped=stopped,
            setup_error=self._setup_error,
            internal_error=self._internal_error,
        )

    def _judged(self, record: Exit) -> None:
        self.goes_on = self._chain is not None and self._chain.follows() and not record.breaks
        if self.order.oracles:
            why = Skipped(0, UNJUDGED)
            oracles = tuple(replace(oracle_record(each, why, 0.0), paths=()) for each in self.order.oracles)
            self._send(Judged(record.token, oracles, None))
        self._finish()

    def _finish(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._claim is not None:
            release(self._claim, self._chain if self.goes_on else None)
        reach("virtual.over")
        self._over()


def _virtual(order: FaultOrder, late: Mapping[str, str]) -> VirtualFault:
    return VirtualFault(
        label=order.label,
        fault=order.fault,
        settings=fill_json(order.settings, late),
        random=order.random,
        sequence=order.sequence,
        index=order.index,
        at_s=order.at_s,
        for_s=order.for_s,
        sla_s=order.sla_s,
    )


def _exit_of(order: FaultOrder, answer: SimulatedFault, secrets: Sequence[str]) -> FaultExit:
    """A fault as the record has it: what the model counts from the injection, on the run's timeline."""
    return FaultExit(
        label=order.label,
        fault=order.fault,
        planned_at_s=order.at_s,
        injected_at_s=order.at_s,
        cleared_at_s=None if order.for_s is None else order.at_s + order.for_s,
        detected_at_s=_later(order.at_s, answer.detected_after_s),
        recovered_at_s=_later(order.at_s, answer.recovered_after_s),
        target=order.target,
        notes=None if answer.notes is None else mask_text(answer.notes, secrets),
        index=order.index,
    )


def _later(at_s: float, after_s: float | None) -> float | None:
    return None if after_s is None else round(at_s + after_s, 6)


def _span_s(order: Order) -> float:
    return order.schedule.over_s if order.schedule is not None else 0.0


def _duration_s(order: Order, faults: Iterable[FaultExit]) -> float:
    """The span of the schedule, or longer where a fault ends later."""
    ends = (at for each in faults for at in (each.injected_at_s, each.cleared_at_s, each.recovered_at_s))
    return max((_span_s(order), *(at for at in ends if at is not None)))


def _check_name(name: str) -> None:
    """Raises OSError for what no file of a model may be called."""
    if name in _TAKEN or name.startswith(".") or "/" in name or not name.isprintable():
        raise OSError(f"no model may write a file called {name!r}")
