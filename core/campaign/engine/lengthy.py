"""What is judged for long: an oracle has minutes, and until it answers nothing else moves on the screen."""

from __future__ import annotations

from collections.abc import Callable

from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRow

#: First it is said after so long, then after twice as long each time, in seconds.
FIRST_S = 10.0
#: How often it is looked.
LOOK_S = 5.0


class Lengthy:
    """The attempts of a campaign that are judged for long; ``ledger`` is a path, ``now`` gives seconds."""

    def __init__(self, ledger: str, campaign: str, now: Callable[[], float]) -> None:
        self._ledger, self._campaign, self._now = ledger, campaign, now
        self._looked: float | None = None
        self._seen: dict[str, tuple[float, float]] = {}  # by token: since when, and when it is to be said next

    def news(self) -> list[str]:
        """What is to be said now; raises LedgerError."""
        now = self._now()
        if self._looked is not None and now - self._looked < LOOK_S:
            return []
        self._looked = now
        with LedgerReader(self._ledger) as ledger:
            judged = [row for row in ledger.unfinished(self._campaign) if row.state == "judging"]
            self._seen = {row.token: self._seen.get(row.token, (now, now + FIRST_S)) for row in judged}
            return [self._told(ledger, row, now) for row in judged if now >= self._seen[row.token][1]]

    def _told(self, ledger: LedgerReader, row: AttemptRow, now: float) -> str:
        since, _ = self._seen[row.token]
        self._seen[row.token] = (since, since + 2 * (now - since))
        record = ledger.record(row.token)
        labels = ", ".join(each.label for each in record.order.oracles) if record is not None else ""
        return f"{row.name} has been judged for {now - since:.0f} s{f' by {labels}' if labels else ''}"
