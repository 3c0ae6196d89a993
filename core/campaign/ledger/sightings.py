"""Questions about failures by their fingerprint: who failed so first, how often, where, and whether it passed since.

First is who was *judged* first: judgements are numbered in the order in which the one writer commits them, so that
what is first once is first for ever, whichever runs are under way beside it and whoever reads it again after a crash.
(Attempts are numbered by their admission: a later one may well fail before an earlier one.)  Attempts of
the plan and its repetitions count; candidates of a minimizer and replays fail on purpose.
"""

# ruff: noqa: S608 - the queries are put together from texts of our own; every value is bound

from __future__ import annotations

from typing import Any

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
FAILURES = f"""
WITH s AS ({_COUNTS} AND ?1 IS NULL GROUP BY a.fingerprint)
{_ROW} FROM s {_JOINED} JOIN attempt o ON o.id = a.id {_ORDER}
"""
#: The same of the campaign ``?1``, with who was first in the workspace.
FAILURES_OF = f"""
WITH s AS MATERIALIZED ({_COUNTS} AND a.campaign = ?1 GROUP BY a.fingerprint),
     w AS MATERIALIZED (SELECT a.fingerprint AS fingerprint, min(j.id) AS first FROM {_SEEN}
                        AND a.fingerprint IN (SELECT fingerprint FROM s) GROUP BY a.fingerprint)
{_ROW} FROM s {_JOINED}
JOIN w ON w.fingerprint = s.fingerprint JOIN judgement g ON g.id = w.first JOIN attempt o ON o.token = g.token {_ORDER}
"""
#: The attempt that was judged first of a fingerprint.
FIRST = f"""
SELECT a.fingerprint, a.campaign, a.key, a.origin, a.attempt, a.finished_at FROM {_SEEN} AND a.fingerprint = ?
ORDER BY j.id LIMIT 1
"""
#: The campaigns in which some fingerprint was seen first.
FIRST_CAMPAIGNS = f"""
SELECT DISTINCT a.campaign FROM judgement j JOIN attempt a ON a.token = j.token
WHERE j.id IN (SELECT min(j.id) FROM {_SEEN} GROUP BY a.fingerprint)
"""
#: The cells that a fingerprint ``?2`` came in.
CELLS = f"""
SELECT DISTINCT a.cell FROM {_SEEN} AND (?1 IS NULL OR a.campaign = ?1) AND a.fingerprint = ?2 LIMIT ?3
"""
RECOVERED = """
SELECT 1 FROM attempt WHERE campaign = ? AND key = ? AND origin = ? AND attempt > ? AND verdict = 'pass' LIMIT 1
"""
#: The campaigns of a name that had begun by then, newest first.
NAMED = "SELECT id FROM campaign WHERE name = ? AND created_at <= ? ORDER BY created_at DESC, id DESC LIMIT ?"
#: Where a fingerprint was judged last, in those campaigns.
LAST = f"""
SELECT a.campaign, a.id FROM {_SEEN} AND a.fingerprint = ?1
AND a.campaign IN (SELECT id FROM campaign WHERE name = ?2 AND created_at <= ?3) ORDER BY j.id DESC LIMIT 1
"""
FAILED_RUNS = f"SELECT count(DISTINCT a.key) FROM {_SEEN} AND a.fingerprint = ? AND a.campaign = ?"
_DECIDED = """
SELECT count(DISTINCT key) FROM attempt
WHERE campaign = ?1 AND id > ?2 AND origin = 'plan' AND verdict IN ('pass', 'fail')
"""
DECIDED_RUNS = _DECIDED
#: The keys of a cell are its name, ``#`` and a seed; ``$`` follows ``#``.
DECIDED_RUNS_OF = f"{_DECIDED} AND key > ?3 || '#' AND key < ?3 || '$' AND cell = ?3"


def failure_row(row: tuple[Any, ...]) -> FailureRow:
    """A row of ``FAILURES`` or ``FAILURES_OF`` as a record."""
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
