"""Questions about failures by their fingerprint: who failed so first, how often, where, and whether it passed since.

First is who was *judged* first: judgements are numbered in the order in which the one writer commits them, so that
what is first once is first for ever, whichever runs are under way beside it and whoever reads it again after a crash.
(Attempts are numbered by their admission: a later one may well fail before an earlier one.)  Attempts of
the plan and its repetitions count; candidates of a minimizer and replays fail on purpose.
"""

# ruff: noqa: S608 - the queries are put together from texts of our own; every value is bound

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from campaign.ledger.reading import Reading
from campaign.ledger.rows import FailureRow, Sighting

#: The judgement that a campaign itself made of an attempt; rechecks come later and count for nothing here.
_SEEN = """
    attempt a JOIN judgement j ON j.token = a.token AND j.source = 'exec'
    WHERE a.fingerprint != '' AND a.origin IN ('plan', 'repeat') AND a.campaign IN (SELECT id FROM campaign)
"""
_PASSED_LATER = """
    EXISTS (SELECT 1 FROM attempt b WHERE b.campaign = a.campaign AND b.key = a.key AND b.origin = a.origin
            AND b.attempt > a.attempt AND b.verdict = 'pass')
"""
_COUNTS = f"""
    SELECT a.fingerprint AS fingerprint, count(*) AS count, count(DISTINCT a.campaign) AS campaigns,
           count(DISTINCT a.campaign || '/' || a.key) AS runs, count(DISTINCT a.cell) AS cells,
           sum(a.again IS NOT NULL AND {_PASSED_LATER}) AS recovered, min(j.id) AS first, max(j.id) AS last
    FROM {_SEEN}
"""
_ROW = """
    SELECT s.fingerprint, s.count, s.campaigns, s.runs, s.cells, s.recovered,
           a.verdict, a.kind, a.message, a.directory, a.campaign, a.key, a.origin, a.attempt, a.finished_at,
           z.campaign, z.key, z.origin, z.attempt, z.finished_at, o.campaign, o.key, o.origin, o.attempt, o.finished_at
"""
_JOINED = """
    JOIN judgement f ON f.id = s.first JOIN attempt a ON a.token = f.token
    JOIN judgement l ON l.id = s.last JOIN attempt z ON z.token = l.token
"""
_ORDER = "ORDER BY s.count DESC, s.first"

#: One row a fingerprint of the whole workspace; the first attempt of each gives the words.
_FAILURES = f"""
WITH s AS ({_COUNTS} AND ?1 IS NULL GROUP BY a.fingerprint)
{_ROW} FROM s {_JOINED} JOIN attempt o ON o.id = a.id {_ORDER}
"""
#: The same of the campaign ``?1``, with who was first in the workspace.
_FAILURES_OF = f"""
WITH s AS MATERIALIZED ({_COUNTS} AND a.campaign = ?1 GROUP BY a.fingerprint),
     w AS MATERIALIZED (SELECT a.fingerprint AS fingerprint, min(j.id) AS first FROM {_SEEN}
                        AND a.fingerprint IN (SELECT fingerprint FROM s) GROUP BY a.fingerprint)
{_ROW} FROM s {_JOINED}
JOIN w ON w.fingerprint = s.fingerprint JOIN judgement g ON g.id = w.first JOIN attempt o ON o.token = g.token {_ORDER}
"""
#: The attempt that was judged first of a fingerprint.
_FIRST = f"""
SELECT a.fingerprint, a.campaign, a.key, a.origin, a.attempt, a.finished_at FROM {_SEEN} AND a.fingerprint = ?
ORDER BY j.id LIMIT 1
"""
#: The campaigns in which some fingerprint was seen first.
_FIRST_CAMPAIGNS = f"""
SELECT DISTINCT a.campaign FROM judgement j JOIN attempt a ON a.token = j.token
WHERE j.id IN (SELECT min(j.id) FROM {_SEEN} GROUP BY a.fingerprint)
"""
#: The cells that a fingerprint ``?2`` came in.
_CELLS = f"""
SELECT DISTINCT a.cell FROM {_SEEN} AND (?1 IS NULL OR a.campaign = ?1) AND a.fingerprint = ?2 LIMIT ?3
"""
_RECOVERED = """
SELECT 1 FROM attempt WHERE campaign = ? AND key = ? AND origin = ? AND attempt > ? AND verdict = 'pass' LIMIT 1
"""
#: The campaigns of a name that had begun by then, newest first.
_NAMED = "SELECT id FROM campaign WHERE name = ? AND created_at <= ? ORDER BY created_at DESC, id DESC LIMIT ?"
#: Where a fingerprint was judged last, in those campaigns.
_LAST = f"""
SELECT a.campaign, a.id FROM {_SEEN} AND a.fingerprint = ?1
AND a.campaign IN (SELECT id FROM campaign WHERE name = ?2 AND created_at <= ?3) ORDER BY j.id DESC LIMIT 1
"""
_FAILED_RUNS = f"SELECT count(DISTINCT a.key) FROM {_SEEN} AND a.fingerprint = ? AND a.campaign = ?"
_DECIDED_RUNS = """
SELECT count(DISTINCT key) FROM attempt
WHERE campaign = ?1 AND id > ?2 AND origin = 'plan' AND verdict IN ('pass', 'fail')
"""
#: The keys of a cell are its name, ``#`` and a seed; ``$`` follows ``#``.
_DECIDED_RUNS_OF = f"{_DECIDED_RUNS} AND key > ?3 || '#' AND key < ?3 || '$' AND cell = ?3"


class SightingQueries(Reading):
    """What is asked about failures."""

    def failures(self, campaign: str | None = None) -> Iterator[FailureRow]:
        """The failures of a campaign, or of all, by fingerprint, the most frequent first."""
        rows = self._rows(_FAILURES if campaign is None else _FAILURES_OF, campaign)
        return map(_failure_row, rows)

    def first_of(self, fingerprint: str) -> Sighting | None:
        """The attempt of the plan that failed so before all others, as the ledger came to know it."""
        row = self._one(_FIRST, fingerprint)
        return Sighting(*row) if row else None

    def first_seen(self) -> set[str]:
        """The campaigns in which some fingerprint was seen first."""
        return {str(campaign) for (campaign,) in self._rows(_FIRST_CAMPAIGNS)}

    def fingerprints(self, beginning: str, most: int) -> list[tuple[str, str]]:
        """The fingerprints that begin so, at most so many, each with the token of its first attempt."""
        query = """
            SELECT f.fingerprint, a.token FROM (
                SELECT fingerprint, min(id) AS first FROM attempt
                WHERE fingerprint >= ?1 AND fingerprint < ?1 || 'g' GROUP BY fingerprint LIMIT ?2
            ) f JOIN attempt a ON a.id = f.first
        """
        return [(str(fingerprint), str(token)) for fingerprint, token in self._rows(query, beginning, most)]

    def cells_of(self, fingerprint: str, campaign: str | None = None, most: int = -1) -> list[str]:
        """Cells that a failure came in, of a campaign or of all."""
        return [str(cell) for (cell,) in self._rows(_CELLS, campaign, fingerprint, most)]

    def last_of(self, fingerprint: str, name: str, at: str) -> tuple[str, int] | None:
        """Where a failure was judged last, in campaigns of a name that had begun by then: campaign and attempt."""
        row = self._one(_LAST, fingerprint, name, at)
        return (str(row[0]), int(row[1])) if row else None

    def failed_runs(self, fingerprint: str, campaign: str) -> int:
        """How many runs of a campaign failed so."""
        return self._count(_FAILED_RUNS, fingerprint, campaign)

    def named(self, name: str, at: str, most: int) -> list[str]:
        """The campaigns of a name that had begun by then, newest first."""
        return [str(campaign) for (campaign,) in self._rows(_NAMED, name, at, most)]

    def decided_runs(self, campaign: str, cells: Sequence[str] | None = None, after: int = 0) -> int:
        """How many runs (of these cells) passed or failed, in attempts whose ids are above ``after``."""
        if cells is None:
            return self._count(_DECIDED_RUNS, campaign, after)
        return sum(self._count(_DECIDED_RUNS_OF, campaign, after, cell) for cell in cells)

    def recovered(self, campaign: str, key: str, origin: str, attempt: int) -> bool:
        """Whether a later attempt of that run passed."""
        return self._one(_RECOVERED, campaign, key, origin, attempt) is not None


def _failure_row(row: tuple[Any, ...]) -> FailureRow:
    """A row of ``_FAILURES`` or ``_FAILURES_OF`` as a record."""
    (fingerprint, count, campaigns, runs, cells, recovered), rest = row[:6], row[6:]
    (verdict, kind, message, directory), seen = rest[:4], rest[4:]
    first, last, origin = (Sighting(fingerprint, *seen[start : start + 5]) for start in (0, 5, 10))
    return FailureRow(
        fingerprint=fingerprint,
        count=count,
        campaigns=campaigns,
        runs=runs,
        cells=cells,
        recovered=recovered,
        verdict=verdict,
        kind=kind,
        message=message,
        campaign=first.campaign,
        key=first.key,
        attempt=first.attempt,
        directory=directory,
        first_seen=first.at,
        last_seen=last.at,
        first=first,
        last=last,
        origin=origin,
    )
