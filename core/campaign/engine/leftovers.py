"""What attempts left on the machine whose supervisors died with whoever served the workspace; looked at, never touched.

The next one who serves it finds the same (``recover.py``), ends the processes and takes back what is in force.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from msgspec import Struct

from campaign.engine.recover import lock_held
from campaign.engine.releasing import inverse_in_words
from campaign.engine.remains import Census
from campaign.engine.states import State
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRecord
from campaign.supervise import undo

#: What puts it right.
PUT_BACK_BY = "campaign daemon, or the next campaign exec here, ends and takes back what is left"
_MOST_NAMED = 3
_IN_FLIGHT = frozenset({State.ADMITTED, State.STARTING, State.RUNNING, State.JUDGING})


class Leftover(Struct, frozen=True, kw_only=True):
    """What is left of an attempt, named as ``campaign show`` takes it.

    ``in_force`` are faults and holds that are not taken back, in words; ``processes`` bear its mark; ``trouble`` says
    what could not be looked at.
    """

    run: str
    in_force: tuple[str, ...] = ()
    processes: tuple[int, ...] = ()
    trouble: str | None = None

    @property
    def sentence(self) -> str:
        """What is left, in one line."""
        running = [f"process {pid}" for pid in self.processes[:_MOST_NAMED]]
        if len(self.processes) > _MOST_NAMED:
            running.append(f"{len(self.processes) - _MOST_NAMED} more processes")
        return "; ".join([*(f"in force: {each}" for each in self.in_force), *running, *filter(None, [self.trouble])])


def left_behind(ledger: LedgerReader) -> list[Leftover]:
    """What is left of all attempts in flight, for where nobody serves the workspace.  Raises LedgerError.

    A supervisor that lives sees to its attempt.
    """
    in_flight = (ledger.record(row.token) for row in ledger.unfinished() if row.state in _IN_FLIGHT)
    return list(_left([each for each in in_flight if each is not None]))


def _left(records: Iterable[AttemptRecord]) -> Iterator[Leftover]:
    records = list(records)
    processes = _processes(records)
    for record in records:
        order, row = record.order, record.row
        try:
            journal = undo.pending(order.directories.private)
            in_force = (*(inverse_in_words(order, each) for each in journal.entries), *journal.damaged)
            running = processes.get(os.fsencode(order.directories.work), ())
            if (in_force or running) and not lock_held(order.directories.private):
                yield Leftover(run=f"{row.campaign}/{row.name}", in_force=in_force, processes=running)
        except OSError as error:
            trouble = f"{order.directories.private} cannot be read: {error.strerror}"
            yield Leftover(run=f"{row.campaign}/{row.name}", trouble=trouble)


def _processes(records: Iterable[AttemptRecord]) -> dict[bytes, tuple[int, ...]]:
    """Who bears the mark of one of these attempts, by its working folder; nobody where the table cannot be read."""
    works = {os.fsencode(each.order.directories.work) for each in records}
    try:
        found = Census().read(works) if works else {}
    except OSError:
        return {}
    return {work: tuple(sorted(each.pid for each in those)) for work, those in found.items()}
