"""Questions about the past of a whole workspace: what became of a cell each time, and who said what."""

# ruff: noqa: S608 - the queries are put together from texts of our own; every value is bound

from __future__ import annotations

from typing import Any

from msgspec import Struct

#: Words of a search that are looked at, and findings that it gives.
MOST_WORDS, MOST_FOUND = 16, 1_000

#: One row a campaign, oldest first, of the cell ``?1``; ``{decides}`` picks the attempt that decides each run.
HISTORY = """
SELECT a.campaign, c.created_at, c.plan_hash, sum(a.verdict IS 'pass'), sum(a.verdict IS 'fail'),
       sum(a.verdict IS 'error'), sum(a.verdict IS NULL OR a.verdict NOT IN ('pass', 'fail', 'error')),
       sum(a.verdict IS 'pass' AND a.attempt > 1 AND a.cause = 'policy'),
       group_concat(DISTINCT CASE WHEN a.verdict = 'fail' THEN nullif(a.fingerprint, '') END)
FROM attempt a JOIN campaign c ON c.id = a.campaign
WHERE a.cell = ?1 AND a.origin = 'plan' AND {decides} GROUP BY a.campaign ORDER BY c.created_at, c.id
"""


class Turn(Struct, frozen=True, kw_only=True):
    """What the runs of a cell came to in one campaign, each by the attempt that decides it."""

    campaign: str
    at: str
    plan_hash: str
    passed: int
    failed: int
    errors: int
    others: int
    flaky: int
    fingerprints: tuple[str, ...] = ()


def turn(row: tuple[Any, ...]) -> Turn:
    """A row of ``HISTORY``."""
    *counts, marks = row
    names = Turn.__struct_fields__[:-1]
    return Turn(**dict(zip(names, counts, strict=True)), fingerprints=tuple(marks.split(",")) if marks else ())


class Finding(Struct, frozen=True):
    """Where words were found: ``what`` is ``note``, ``mark`` or the verdict; ``run`` is the first of ``count``."""

    campaign: str
    run: str | None
    at: str
    what: str
    text: str
    count: int = 1


def search(words: int) -> str:
    """The query that finds all of so many words (``?1`` and so on, casefolded), newest first.

    ``folded`` is ``str.casefold``: what SQLite has of its own knows no capitals beyond ASCII.
    """

    def held(column: str) -> str:
        return " AND ".join(f"instr(folded({column}), ?{number + 1})" for number in range(words)) or "0"

    there = "campaign IN (SELECT id FROM campaign)"
    return f"""
        SELECT campaign, nullif(key, ''), at, 'note', text, 1 FROM note WHERE {there} AND {held("text")}
        UNION ALL SELECT campaign, nullif(key, ''), at, 'mark', why, 1 FROM mark WHERE {there} AND {held("why")}
        UNION ALL SELECT campaign, key || '@' || attempt, min(finished_at), verdict, message, count(*) FROM attempt
            WHERE {there} AND message IS NOT NULL AND origin = 'plan' AND {held("message")} GROUP BY campaign, message
        ORDER BY 3 DESC LIMIT {MOST_FOUND}
    """
