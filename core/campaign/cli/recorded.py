"""What the verbs that look back share: the ledger of a workspace, and which campaign and run a word means."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import AttemptRow, CampaignRow, left_alone

#: How many of the campaigns that a word may mean are named.
_MOST_NAMED = 5
#: The states of an attempt in which nothing is written any more.
ENDED = ("judging", "done", "lost")
#: Whoever serves a workspace takes calls, however busy it is, unless very many wait.
_PATIENCE_S = 2.0


def open_ledger(workspace: str) -> LedgerReader:
    """The ledger of a workspace, to read; raises LedgerError."""
    return LedgerReader(os.path.join(workspace, "ledger.sqlite"))


def is_served(workspace: str) -> bool:
    """Whether anyone holds the workspace; also where that cannot be told."""
    # Late: only a campaign that does not seem to be over is asked about.
    from campaign.engine.wire import connect

    try:
        sock = connect(workspace, _PATIENCE_S)
    except OSError:
        return True
    if sock is None:
        return False
    sock.close()
    return True


def evidence_gone(row: AttemptRow) -> bool:
    """Whether the folder of an attempt that was carried out is there no more: somebody has removed it by hand."""
    return row.started_at is not None and row.state in ENDED and not os.path.isdir(row.directory)


def as_it_stands(workspace: str, row: CampaignRow) -> CampaignRow:
    """A campaign as it is now: the ``exec`` that carried it out may be gone and could not say so."""
    alone = left_alone(row)
    return row if alone == row or is_served(workspace) else alone


def choose_campaign(ledger: LedgerReader, word: str | None) -> CampaignRow:
    """The campaign that ``word`` means: an id, the newest of a name, the only one of a beginning; None: the newest.

    Raises CampaignError for none.
    """
    found = ledger.newest_campaign() if word is None else find_campaign(ledger, word)
    if found is None:
        raise CampaignError([_run_of_cell(ledger, word) or _no_campaign(word, _beginning(ledger, word))])
    return found


def find_campaign(ledger: LedgerReader, word: str) -> CampaignRow | None:
    """The same; None where there is none."""
    exact = ledger.campaign(word)
    if exact is not None:
        return exact
    named = next((row for row in ledger.campaigns() if row.name == word), None)
    if named is not None:
        return named
    beginning = _beginning(ledger, word)
    return beginning[0] if len(beginning) == 1 else None


def _beginning(ledger: LedgerReader, word: str | None) -> list[CampaignRow]:
    """The campaigns whose ids begin with it, the newest first."""
    return [row for row in ledger.campaigns() if row.id.startswith(word)] if word else []


def choose_run(ledger: LedgerReader, word: str, campaign: CampaignRow | None = None) -> list[AttemptRow]:
    """The attempts of the run that ``word`` means, in order: ``[campaign/]key[@attempt]`` or an id.

    Without a campaign it is one of the newest one.  Raises CampaignError for none.
    """
    attempts = next((found for found in _readings(ledger, word, campaign) if found), None)
    if attempts is None:
        raise CampaignError([_no_run(word)])
    return attempts


def choose_subject(workspace: str, word: str) -> tuple[str, str]:
    """What a remark on ``word`` is about: a campaign's id, and the key of one of its runs or nothing.

    Raises CampaignError for what is neither.
    """
    with open_ledger(workspace) as ledger:
        if means_run(ledger, word) or "/" in word:
            row = choose_run(ledger, word)[0]
            return row.campaign, row.key
        return choose_campaign(ledger, word).id, ""


def means_run(ledger: LedgerReader, word: str) -> bool:
    """Whether ``word``, where a campaign or a run may stand, is meant as a run: every key has a ``#``."""
    if find_campaign(ledger, word) is not None:
        return False
    return "#" in word or any(True for _ in ledger.runs_by_id(word))


def _readings(ledger: LedgerReader, word: str, campaign: CampaignRow | None) -> Iterator[list[AttemptRow]]:
    """What ``word`` may mean, the most literal first: keys may hold any of ``/`` and ``@`` between quotes."""
    here = campaign or ledger.newest_campaign()
    if here is not None:
        yield list(ledger.attempts(here.id, word))
        yield _one_attempt(ledger, here, word)
    head, slash, rest = word.partition("/")
    named = find_campaign(ledger, head) if slash else None
    if named is not None:
        yield list(ledger.attempts(named.id, rest))
        yield _one_attempt(ledger, named, rest)
    yield list(ledger.runs_by_id(word))[:1]


def _one_attempt(ledger: LedgerReader, campaign: CampaignRow, word: str) -> list[AttemptRow]:
    key = word.rpartition("@")[0]
    return [row for row in ledger.attempts(campaign.id, key, None) if row.name == word] if key else []


def _no_campaign(word: str | None, beginning: Sequence[CampaignRow]) -> Diagnostic:
    if len(beginning) > 1:
        named = ", ".join(row.id for row in beginning[:_MOST_NAMED]) + (", …" if len(beginning) > _MOST_NAMED else "")
        summary = f"{word} is ambiguous: the ids of {len(beginning):,} campaigns begin with it"
        return Diagnostic("CAMP580", summary, hint=f"they are {named}")
    summary = "no campaign was recorded here" if word is None else f"no campaign is called {word}"
    return Diagnostic("CAMP580", summary, hint="campaign list shows what was recorded; a name means its newest one")


def _run_of_cell(ledger: LedgerReader, word: str | None) -> Diagnostic | None:
    """What is said of a word that is a cell of the newest campaign: its runs bear seeds."""
    newest = ledger.newest_campaign() if word else None
    attempts = ledger.deciding_attempts(newest.id) if newest is not None else ()
    run = next((row.key for row in attempts if row.key.rpartition("#")[0] == word), None)
    if run is None:
        return None
    return Diagnostic("CAMP580", f"no campaign is called {word}: that is a cell", hint=f"did you mean its run {run}?")


def _no_run(word: str) -> Diagnostic:
    hint = "a run is [campaign/]cell#seed[@attempt] or an id; campaign show --runs lists them"
    return Diagnostic("CAMP581", f"no run is called {word}", hint=hint)
