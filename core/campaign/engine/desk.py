"""What people may ask of the queue, as far as the ledger is concerned: each verb checks, and writes once, durably.

The process that holds the workspace uses it for its clients; without one a client uses it itself, for its one write.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from datetime import datetime

import msgspec

from campaign.analysis.retention import examine, read_ties
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import releasing
from campaign.engine.releasing import Held
from campaign.engine.states import State
from campaign.engine.wire import (
    Adopt,
    Beside,
    Control,
    Done,
    Enqueue,
    Forget,
    Iterate,
    Mark,
    Name,
    Note,
    Rejudge,
    Shrink,
    Submit,
    Token,
)
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import (
    CANCEL,
    CANCELED,
    FINISHED,
    OPEN,
    PAUSE,
    PLAN,
    QUEUED,
    RECHECK,
    AttemptRecord,
    CampaignRow,
    CampaignState,
    ControlRow,
    Ending,
    JudgementRow,
)
from campaign.ledger.store import CampaignTakenError, Ledger
from campaign.records import Decision, Failure, FailureKind, Reason, Verdict

#: The most characters of a remark.
LONGEST_REMARK = 4_000
RETRIED = (Verdict.FAIL, Verdict.ERROR, Verdict.CANCELED)


class Desk:
    """The verbs of one ledger; ``now`` is an RFC 3339 time, ``busy`` names campaigns that somebody still works on.

    Every verb raises CampaignError.
    """

    def __init__(self, ledger: Ledger, now: str, busy: Collection[str] = ()) -> None:
        self._ledger, self._now, self._busy = ledger, now, busy

    def submit(self, asked: Submit) -> Done:
        """Record a campaign, once however often it is asked for."""
        if asked.campaign.submission is None:
            raise refused("CAMP520", "a submission bears an id of its own, so that asking twice is safe")
        try:
            row = msgspec.structs.replace(asked.campaign, state=QUEUED)
            return Done((self._ledger.submit(row, asked.blobs, asked.requests),))
        except CampaignTakenError as taken:
            raise refused("CAMP521", f"another campaign is called {taken}") from taken

    def enqueue(self, asked: Enqueue) -> Done:
        """Go on with a campaign that is not finished."""
        row = self._row(asked.campaign)
        if row.finished:
            raise refused("CAMP522", f"{row.id} is finished", "campaign retry carries out again what did not pass")
        self._ledger.enqueue(row.id, asked.submission)
        return Done((row.id,))

    def beside(self, asked: Beside) -> Done:
        """Have further attempts carried out beside the plan of a campaign, which stays what it is."""
        request = msgspec.structs.replace(asked.request, at=self._now, state=OPEN, result=None)
        self._row(request.campaign)
        if request.parent is not None:
            with LedgerReader(self._ledger.path) as reader:
                parent = reader.record(request.parent)
            if parent is None or parent.row.campaign != request.campaign:
                raise refused("CAMP581", f"no attempt of {request.campaign} bears the token {request.parent:.100}")
            request = msgspec.structs.replace(request, instance=parent.row.instance)
        self._ledger.request(request)
        return Done((request.campaign,), 1)

    def iterate(self, asked: Iterate) -> Done:
        """Keep how far an iteration is."""
        if asked.step is not None and asked.step.iteration != asked.iteration.id:
            raise refused("CAMP520", f"a step of {asked.step.iteration:.100} is none of {asked.iteration.id:.100}")
        self._ledger.iterate(asked.iteration, asked.step)
        return Done((), 1)

    def pause(self, asked: Control) -> Done:
        """Have nothing of it started until it is resumed."""
        names = ("",) if asked.campaign is None else (self._unfinished(asked.campaign).id,)
        self._ledger.control(ControlRow(names[0], asked.prefix, PAUSE, self._now))
        return Done(names, 1)

    def resume(self, asked: Control) -> Done:
        """Take pauses back, with those of everything below; without a campaign all of them."""
        if asked.campaign is None:
            return Done((), self._ledger.release(None, ""))
        row = self._row(asked.campaign)
        return Done((row.id,), self._ledger.release(row.id, asked.prefix))

    def cancel(self, asked: Control) -> Done:
        """Have nothing more of it carried out, ever; without a campaign of all that are not finished."""
        with LedgerReader(self._ledger.path) as reader:
            asking = {request.campaign for request in reader.requests(state=OPEN)}
            rows = [row for row in reader.campaigns() if not row.finished or row.id in asking]
        if asked.campaign is not None:
            rows = [self._row(asked.campaign)] if asked.campaign in asking else [self._unfinished(asked.campaign)]
        for row in rows:
            if row.id in asking:
                self._ledger.end_requests(row.id, asked.prefix, CANCELED, self._now)
            if not row.finished:
                self._ledger.control(ControlRow(row.id, asked.prefix, CANCEL, self._now))
        return Done(tuple(row.id for row in rows), len(rows))

    def finish_canceled(self, campaign: str) -> bool:
        """A campaign that is canceled as a whole is over where nothing of it is under way; whether it is now.

        What was queued again when it was interrupted never runs: it ends as canceled, in the same transaction.
        """
        with LedgerReader(self._ledger.path) as reader:
            whole = any((row.campaign, row.prefix, row.verb) == (campaign, "", CANCEL) for row in reader.controls())
            row = reader.campaign(campaign)
            open_ = [each for each in reader.unfinished(campaign) if each.state != State.LOST]
            if row is None or row.finished or not whole or any(each.state != State.QUEUED for each in open_):
                return False
            queued = [reader.record(each.token) for each in open_]
        ended = CampaignState(campaign=campaign, state=FINISHED, at=self._now, exit_status=ExitStatus.CANCELED)
        self._ledger.commit([*(self._canceled(each) for each in queued if each is not None), ended])
        return True

    def _canceled(self, record: AttemptRecord) -> Ending:
        return Ending(
            order=record.order,
            source=State.QUEUED,
            cause=record.row.cause,
            at=self._now,
            decision=Decision(Verdict.CANCELED, Reason.CANCELED),
        )

    def retry(self, asked: Enqueue) -> Done:
        """Let a further attempt follow every run of a finished campaign that failed, was lost, canceled or an error."""
        row = self._row(asked.campaign)
        if not row.finished:
            hint = "campaign wait waits for its end; campaign cancel ends it"
            raise refused("CAMP523", f"{row.id} is not finished: it is {row.state}", hint)
        self._release_lost(row.id)
        count = self._ledger.retry(row.id, [str(verdict) for verdict in RETRIED])
        canceled = row.exit_status == ExitStatus.CANCELED  # then runs of its plan may never have been admitted
        if count or canceled:
            self._ledger.enqueue(row.id, asked.submission)
        return Done((row.id,), count + (self._never_begun(row) if canceled else 0))

    def release(self, asked: Token) -> Done:
        """Give back what an attempt holds that is lost, or whose faults could not be taken back."""
        found = self.held(asked)
        self._ledger.commit(releasing.changes(found, self._now))
        return Done((found.row.campaign,), sum(map(len, found.units.values())))

    def held(self, asked: Token) -> Held:
        """What an attempt holds until a person releases it."""
        with LedgerReader(self._ledger.path) as reader:
            record = reader.record(asked.token)
            if record is None:
                raise refused("CAMP581", f"no attempt bears the token {asked.token:.100}")
            return releasing.held(reader, record.row)

    def note(self, asked: Note) -> Done:
        """Keep a remark."""
        self._remarkable(asked.campaign, asked.key, asked.text)
        if not asked.text.strip():
            raise refused("CAMP585", "a remark says something; this one is empty")
        self._ledger.note(asked.campaign, asked.key, asked.text, self._now)
        return Done((asked.campaign,), 1)

    def mark(self, asked: Mark) -> Done:
        """Mark something, or take its mark away."""
        self._remarkable(asked.campaign, asked.key, asked.why)
        if not asked.on:
            return Done((asked.campaign,), self._ledger.unmark(asked.campaign, asked.key))
        self._ledger.mark(asked.campaign, asked.key, asked.why, self._now)
        return Done((asked.campaign,), 1)

    def rejudge(self, asked: Rejudge) -> Done:
        """Keep judgements beside those of then, in one transaction; no recorded verdict changes."""
        self._row(asked.campaign)
        rows = [
            JudgementRow(token=each.token, source=RECHECK, at=each.at, oracles=each.oracles, decision=each.decision)
            for each in asked.judgements
        ]
        strange = self._ledger.rejudge(asked.campaign, rows)
        if strange is not None:
            raise refused("CAMP581", f"no attempt of {asked.campaign} that is done bears the token {strange:.100}")
        return Done((asked.campaign,), len(rows))

    def forget(self, asked: Forget) -> Done:
        """Forget the campaigns that nothing keeps, each in a transaction of its own; returns which these were."""
        with LedgerReader(self._ledger.path) as reader:
            rows = [
                row for row in map(reader.campaign, asked.campaigns) if row is not None and row.id not in self._busy
            ]
            before = datetime.fromisoformat(asked.before)
            free = [each.campaign.id for each in examine(rows, before, read_ties(reader)) if each.why is None]
        for campaign in free:
            self._ledger.forget(campaign, self._now)
        return Done(tuple(free), len(free))

    def removed(self, asked: Name) -> Done:
        """The folders of a forgotten campaign are gone."""
        return Done((asked.campaign,), self._ledger.removed(asked.campaign))

    def adopt(self, asked: Adopt) -> Done:
        """Take in a campaign that was recorded elsewhere; announced first, so that its folder is never forgotten."""
        workspace = os.path.dirname(self._ledger.path)
        with LedgerReader(self._ledger.path) as reader:
            if reader.campaign(asked.campaign) is not None:
                raise refused(
                    "CAMP521", f"another campaign is called {asked.campaign}", "it has been imported, or is here"
                )
        if asked.step == "folder":
            self._ledger.expect(asked.campaign, os.path.join(workspace, "runs", asked.campaign), self._now)
            return Done((asked.campaign,))
        if not (asked.staging.isascii() and asked.staging.isalnum()):
            raise refused("CAMP520", "what is to be taken in has a name that campaign does not give")
        staged = os.path.join(workspace, "imports", asked.staging, "ledger.sqlite")
        found = self._ledger.adopt(asked.campaign, staged, asked.step, asked.after)
        if isinstance(found, str):
            raise refused("CAMP588", f"{asked.campaign} cannot be taken in: {found}", "import it again")
        return Done((asked.campaign,), found)

    def shrink(self, asked: Shrink) -> Done:
        """Delete a part of what is left of a forgotten campaign; ``count`` is 0 where nothing of it is left."""
        return Done((asked.campaign,), self._ledger.shrink(asked.campaign, asked.events_after, self._now))

    def _remarkable(self, campaign: str, key: str, text: str) -> None:
        """Only what was recorded can be remarked on, and in few words."""
        self._row(campaign)
        if len(text) > LONGEST_REMARK:
            raise refused("CAMP585", f"a remark has at most {LONGEST_REMARK:,} characters, this one {len(text):,}")
        with LedgerReader(self._ledger.path) as reader:
            if key and next(reader.attempts(campaign, key), None) is None:
                raise refused("CAMP581", f"no run of {campaign} is called {key}")

    def _never_begun(self, row: CampaignRow) -> int:
        """How many runs of its plan were never admitted; 0 where the plan was not counted."""
        with LedgerReader(self._ledger.path) as reader:
            begun = sum(count for *_, count in reader.progress(row.id))
        return max(0, (row.total or 0) - begun)

    def _release_lost(self, campaign: str) -> None:
        """Lost runs become errors that are to be followed; their slots stay held, for nothing is proved."""
        failure = Failure(FailureKind.LOST, "it could not be told what became of it; it was retried")
        with LedgerReader(self._ledger.path) as reader:
            lost = [reader.record(row.token) for row in reader.unfinished(campaign) if row.state == "lost"]
        self._ledger.commit(
            [
                Ending(
                    order=each.order,
                    source="lost",
                    cause=each.row.cause,
                    at=self._now,
                    decision=Decision(Verdict.ERROR, Reason.LOST, failure),
                    again="verb" if each.row.origin == PLAN else None,
                )
                for each in lost
                if each is not None
            ]
        )

    def _row(self, campaign: str) -> CampaignRow:
        with LedgerReader(self._ledger.path) as reader:
            row = reader.campaign(campaign)
        if row is None:
            raise refused("CAMP580", f"no campaign is called {campaign:.200}", "campaign list shows what was recorded")
        return row

    def _unfinished(self, campaign: str) -> CampaignRow:
        row = self._row(campaign)
        if row.finished:
            raise refused("CAMP522", f"{row.id} is finished", "campaign list shows what was recorded")
        return row


def refused(code: str, summary: str, hint: str | None = None) -> CampaignError:
    """What speaks against a request."""
    return CampaignError([Diagnostic(code, summary, hint=hint)])


def new_submission() -> str:
    """An id that no other request bears."""
    return secrets.token_hex(16)
