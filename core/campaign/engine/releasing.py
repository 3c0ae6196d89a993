"""Runs of which nobody knows what became of them, and faults that could not be taken back: what a person releases."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine import recover
from campaign.engine.findings import Exited
from campaign.engine.project import Projector
from campaign.engine.remains import Census
from campaign.engine.states import State
from campaign.judge.classify import one_line
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRow, Change, Ending, HoldRow, Released
from campaign.records import Decision, Failure, FailureKind, Order, Reason, Verdict, mask_text, secrets_of
from campaign.records.messages import Clear, Cleared
from campaign.supervise import undo
from campaign.supervise.loop import Loop
from campaign.supervise.rescue import rescue

_WORDS = "it could not be told what became of it; a person released it"


class Held(Struct, frozen=True, kw_only=True):
    """An attempt that holds something until a person releases it; ``units`` are named slots by their indexes."""

    row: AttemptRow
    order: Order
    why: tuple[str, ...]
    since: str | None
    units: Mapping[str, tuple[int, ...]]


class Scene(Struct, frozen=True, kw_only=True):
    """What can be seen of such an attempt now.

    ``supervised``: its supervisor lives; ``ended``: its exit record is there after all; ``processes`` bear its mark;
    ``undo`` is what is still in force, ``returned`` what was put back though it had not read back as it was set, each
    with the words of its inverse; ``trouble`` why the folder cannot be read.
    """

    private: str
    folder: bool
    supervised: bool
    ended: bool
    processes: tuple[int, ...]
    undo: tuple[str, ...]
    returned: tuple[str, ...] = ()
    trouble: str | None = None


def held(ledger: LedgerReader, row: AttemptRow) -> Held:
    """What an attempt holds.  Raises CampaignError where it holds nothing and is not lost."""
    holds = [each for each in ledger.holds() if each.token == row.token]
    record = ledger.record(row.token)
    if record is None or not (holds or row.state == State.LOST):
        raise CampaignError([_nothing(row)])
    return Held(
        row=row,
        order=record.order,
        why=tuple(dict.fromkeys(each.why for each in holds)),
        since=min((each.at for each in holds), default=None),
        units=_units(holds),
    )


def all_held(ledger: LedgerReader) -> dict[str, tuple[int, ...]]:
    """Every unit that stays held, by the name of its slot."""
    return _units(ledger.holds())


def waiting_for_a_person(ledger: LedgerReader) -> list[Held]:
    """Every attempt that holds something, the oldest first."""
    tokens = dict.fromkeys(each.token for each in ledger.holds())
    tokens |= dict.fromkeys(row.token for row in ledger.unfinished() if row.state == State.LOST)
    records = (ledger.record(token) for token in tokens)
    return [held(ledger, record.row) for record in records if record is not None]


def _units(holds: list[HoldRow]) -> dict[str, tuple[int, ...]]:
    names = dict.fromkeys(each.slot for each in holds if each.slot)
    return {name: tuple(sorted({each.slot_index for each in holds if each.slot == name})) for name in names}


def changes(found: Held, now: str) -> list[Change]:
    """What the ledger says of it from now on: nothing is held, and a lost run is an error."""
    order, row = found.order, found.row
    given_back: list[Change] = [Released(row.token)]
    if row.state != State.LOST:
        return given_back
    return [*given_back, Ending(order=order, source=State.LOST, cause=row.cause, at=now, decision=verdict())]


def verdict() -> Decision:
    """What a lost run comes to when it is released."""
    return Decision(Verdict.ERROR, Reason.LOST, Failure(FailureKind.LOST, _WORDS))


def look(order: Order) -> Scene:
    """Look at its private folder and at the processes that bear its mark; nothing is changed."""
    private = order.directories.private
    trouble, supervised, ended = None, False, False
    left, returned = tuple[str, ...](), tuple[str, ...]()
    try:
        supervised = recover.lock_held(private)
        found = recover.read_exit(order)
        ended = isinstance(found, Exited)
        off = {hold.label for hold in found.exit.holds if hold.returned} if isinstance(found, Exited) else set()
        journal = undo.pending(private)
        back = [each for each in journal.entries if each.held and each.label in off]
        left = (*(inverse_in_words(order, each) for each in journal.entries if each not in back), *journal.damaged)
        returned = tuple(inverse_in_words(order, each) for each in back)
    except OSError as error:
        trouble = str(error)
    return Scene(
        private=private,
        folder=os.path.isdir(private),
        supervised=supervised,
        ended=ended,
        processes=_processes(order),
        undo=left,
        returned=returned,
        trouble=trouble,
    )


def inverse_in_words(order: Order, entry: undo.UndoEntry) -> str:
    """An entry of the journal in words: whose it is, and all that its provider wrote down to take it back."""
    words = ", ".join(
        f"{name} {value if isinstance(value, str) else _json(value)}" for name, value in entry.undo.items()
    )
    return one_line(mask_text(f"{entry.label} ({entry.fault}): {words}", secrets_of(order)))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def take_back(order: Order) -> tuple[str, ...]:
    """Have what is in force taken back by a new provider host; why what is left could not be, nothing where all is."""
    told, loop = list[Cleared | None](), Loop()
    try:
        rescue(loop, Clear(order.token, order.directories.private), told.append)
    except OSError as error:
        return (f"nobody could be started to take it back: {error.strerror}",)
    while not told:
        loop.run_once()
    return ("it ended before it said what became of it",) if told[0] is None else told[0].failed


def give_up(order: Order) -> None:
    """Put the journal of what could not be taken back aside: it is a person's now.  Raises OSError."""
    undo.give_up(order.directories.private)


def _processes(order: Order) -> tuple[int, ...]:
    work = os.fsencode(order.directories.work)
    return tuple(sorted(each.pid for each in Census().read([work]).get(work, ())))


def project(ledger: LedgerReader, token: str) -> None:
    """Write ``run.json`` and the event of a release, where no planner of its campaign does.  Raises OSError."""
    record = ledger.record(token)
    campaign = ledger.campaign(record.row.campaign) if record else None
    if record is None or campaign is None or not campaign.finished or record.row.state != State.DONE:
        return
    row, projector = record.row, Projector(campaign.run_root, campaign.id, "")
    try:
        facts = (record.order, record.exit, record.oracles, record.decision)
        projector.run(row.directory, projector.view(*facts, cause=row.cause, parent=row.parent))
        events = list(ledger.events(campaign.id, projector.last_event()))
        if all(each.from_state == State.LOST for each in events):  # else it is for a planner to go on from there
            projector.append(events)
    finally:
        projector.close()


def _nothing(row: AttemptRow) -> Diagnostic:
    state = f"it is {row.state}" if row.verdict is None else f"it ended as {row.verdict}"
    summary = f"{row.key}, attempt {row.attempt}, is not lost and holds nothing: {state}"
    return Diagnostic("CAMP529", summary, hint="campaign status names the runs that wait for a person")
