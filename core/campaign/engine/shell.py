"""The thin shell round the engine's core: planners, supervisors, the ledger, the lock and the clock.

One turn: wait (epoll) for planners, clients and supervisors, hand everything they said to the core, then carry its
outbox out: first the ledger's one transaction, then what may only happen because it is durable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import msgspec

from campaign.engine import protocol, releasing
from campaign.engine.core import Core
from campaign.engine.executor import LocalExecutor
from campaign.engine.link import PlannerLink
from campaign.engine.machine import Surroundings
from campaign.engine.outbox import Ask, Begin, Command, Halt, Outbox
from campaign.engine.recover import boot_of_admissions, make_folder, mark_boot, revoke
from campaign.failpoints import reach
from campaign.ledger.opening import unwritable
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import (
    CANCEL,
    INTERRUPTED,
    OPEN,
    PAUSE,
    PLAN,
    RUNNING,
    AttemptRow,
    CampaignState,
    Requested,
    RequestRow,
    left_alone,
)
from campaign.ledger.store import Ledger
from campaign.records import Order, Verdict
from campaign.records.event import EventView
from campaign.supervise.launch import SupervisorHandle
from campaign.supervise.loop import Timer

_encode_order = msgspec.json.Encoder().encode
#: That an attempt has started is told at the latest after this; it waits for a change that needs a sync anyway.
_TARRY_S = 0.1
#: States in which something may be under way; a queued attempt waits, a lost one waits for a person.
_IN_FLIGHT = frozenset({"admitted", "starting", "running", "judging"})

#: Told what was committed of a campaign: its events, and the attempts that are done by them.
Heard = Callable[[str, list[EventView], list[protocol.Finished]], None]


class Shell:
    """What the core's decisions are carried out with; ``over`` is told of campaigns that are at their end."""

    def __init__(
        self,
        around: Surroundings,
        handles: Sequence[SupervisorHandle],
        ledger: Ledger,
        over: Callable[[str], None],
        slots: Mapping[str, int] | None = None,
    ) -> None:
        self.loop, self.ledger, self.now = around.loop, ledger, around.now
        self.core = Core(len(handles), self.now, _revoke, slots)
        self.links: dict[str, PlannerLink] = {}
        self.heard: Heard | None = None
        self._over = over
        self._folder, self._machine = os.path.dirname(ledger.path), around.machine
        self._executor = LocalExecutor(around.loop, handles, self.core, around.machine)
        self._deadline: Timer | None = None
        self._overdue = False

    def turn(self) -> None:
        """Wait for whatever comes next, and do what follows from it."""
        self.loop.run_once()
        self.settle()

    def settle(self) -> None:
        """Do what follows from what was said."""
        self.core.make_way()
        self.core.rebalance(self._executor.stuck())
        if self.core.out.pressing or self._overdue:
            self.carry_out()
        elif self.core.out.changes and self._deadline is None:
            self._deadline = self.loop.call_later(_TARRY_S, self._hurry)

    def close(self) -> None:
        """Let go of everything; what is under way ends naturally."""
        self._executor.close()
        self.ledger.close()

    def received(self, link: PlannerLink, message: protocol.ToEngine) -> None:  # noqa: C901 - one line a message
        """A planner said something; of a campaign that is over it is too late for that."""
        if not (isinstance(message, protocol.Open) or self.core.knows(link.campaign)):
            return
        match message:
            case protocol.Offer():
                self.core.offer(link.campaign, message)
            case protocol.Repeat():
                self.core.repeat(link.campaign, message)
            case protocol.Open():
                self._open(link, message)
            case protocol.Beside():
                self.core.beside(link.campaign, message)
            case protocol.Settled():
                self.core.settled(link.campaign, message)
            case protocol.WindDown():
                self.core.wind_down(link.campaign)
            case protocol.HaltAll():
                self.core.halt_all(link.campaign)
            case protocol.Close():
                self.core.close(link.campaign, message)
            case protocol.Failed():
                pass  # its process goes, and whoever started it heard the reason

    # --- opening ------------------------------------------------------------------------------------------------

    def take_over(self) -> None:
        """Find out what became of everything that an earlier owner left in flight."""
        with LedgerReader(self.ledger.path) as reader:
            self.core.hold(releasing.all_held(reader))
            rows = [row for row in reader.unfinished() if row.state in _IN_FLIGHT]
            self._expect(reader, {row.campaign for row in rows})
            records = [record for record in (reader.record(row.token) for row in rows) if record is not None]
            boot = boot_of_admissions(self._folder, self._machine)
            findings = self._executor.recover([(each.order, each.row.state != "admitted") for each in records], boot)
            self.core.take_over(
                (record.row, record.order, _encode_order(record.order), finding)
                for record, finding in zip(records, findings, strict=True)
            )
            self.control(reader)
            left = [row.id for row in reader.campaigns() if left_alone(row).state != row.state]
        self.core.out.changes += [CampaignState(campaign=name, state=INTERRUPTED) for name in left]
        reach("engine.takeover.before")
        self.carry_out()
        mark_boot(self._folder, self._machine)
        reach("engine.takeover.after")

    def expect(self, campaign: str) -> None:
        """A campaign is to be carried out: remember what is known of it."""
        with LedgerReader(self.ledger.path) as reader:
            self._expect(reader, {campaign})

    def control(self, reader: LedgerReader) -> None:
        """Have what is paused held back, as the ledger says."""
        paused = (row for row in reader.controls() if row.verb == PAUSE)
        self.core.pause(frozenset((row.campaign, row.prefix) for row in paused))

    def _expect(self, reader: LedgerReader, campaigns: set[str]) -> None:
        canceled = [row for row in reader.controls() if row.verb == CANCEL]
        for row in filter(None, map(reader.campaign, sorted(campaigns))):
            course = self.core.expect(row.id, row.orphans, reader.causes(row.id))
            # What was canceled of a campaign that is finished belonged to its former life.
            course.canceled = [each.prefix for each in canceled if each.campaign == row.id and not row.finished]
            course.requests = {each.id: each.instance for each in reader.requests(row.id, state=OPEN)}

    def _open(self, link: PlannerLink, message: protocol.Open) -> None:
        """Record the campaign, or go on with it, and ask for the first orders."""
        campaign = link.campaign = message.campaign.id
        if not message.resume:
            self.ledger.begin_campaign(message.campaign, message.blobs, message.requests)
        self.carry_out()
        self.core.open(message)
        self.links[campaign], link.opened = link, True
        link.send(protocol.Opened())
        with LedgerReader(self.ledger.path) as reader:
            self.core.asked(campaign, reader.requests(campaign, state=OPEN))
            if message.resume:
                if not message.aside:
                    self.core.out.changes.append(CampaignState(campaign=campaign, state=RUNNING))
                if message.stop_on_fail and _has_failed(reader, message):
                    self.core.stop_plan(campaign)  # an earlier planner saw the first failure
                self._resume(reader, campaign, aside=message.aside)
                self.carry_out()
        self.core.begin(message)

    def requested(self, campaign: str, identity: str) -> None:
        """Something was recorded that is asked for beside a plan: tell its planner, where it has one."""
        with LedgerReader(self.ledger.path) as reader:
            self._tell_requests(reader, campaign, {identity})

    def _tell_requests(self, reader: LedgerReader, campaign: str, identities: set[str]) -> None:
        rows = [row for row in reader.requests(campaign, state=OPEN) if row.id in identities]
        if self.core.knows(campaign):
            self.core.asked(campaign, rows)

    def _resume(self, reader: LedgerReader, campaign: str, *, aside: bool) -> None:
        """Ask again for what was revoked, and for the attempts that were due; ``aside``: not for those of the plan."""
        causes = reader.causes(campaign)
        for row in [row for row in reader.unfinished(campaign) if row.state == "queued"]:
            if not (aside and row.origin == PLAN):
                self._requeue(reader, row, causes.get(row.key, {}))
        if aside:
            return
        for row in reader.to_follow(campaign):
            again = protocol.Again(row.key, row.attempt + 1, row.again or "verb")
            counts = causes.setdefault(row.key, {"plan": 1})
            counts[again.cause] = counts.get(again.cause, 0) + 1  # it counts from the moment that it is due
            self.core.resume(campaign, again, counts, row.instance)

    def _requeue(self, reader: LedgerReader, row: AttemptRow, counts: dict[str, int]) -> None:
        record = reader.record(row.token)
        if record is not None:
            self.core.requeue(row, record.order, _encode_order(record.order), counts)

    # --- carrying out -------------------------------------------------------------------------------------------

    def _hurry(self) -> None:
        self._overdue = True

    def carry_out(self) -> None:
        """Empty the outbox, and whatever comes of that."""
        self._overdue = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        while not self.core.out.empty:
            out, self.core.out = self.core.out, Outbox()
            self._make_folders(out.commands)
            self._note(self.ledger.commit(out.changes), out.endings)
            self._note_requests([each.request for each in out.changes if isinstance(each, Requested)])
            for campaign, message in out.says:
                self._say(campaign, message)
            for command in out.commands:
                self._command(command)
            for after_s, campaign, again in out.later:
                self._say(campaign, again, after_s)
            for after_s, token in out.rests:
                self._rest(after_s, token)
            for campaign in out.over:
                self._over(campaign)

    def _rest(self, after_s: float, token: str) -> None:
        self.loop.call_later(after_s, lambda: self.core.rested(token))

    def _make_folders(self, commands: Sequence[Command]) -> None:
        """Of those that are to begin, before the ledger says so: a folder that is missing later was removed."""
        for command in commands:
            if isinstance(command, Begin):
                try:
                    make_folder(command.order.directories.private)
                except OSError as error:
                    raise unwritable(self.ledger.path, error) from error

    def _say(self, campaign: str, message: protocol.FromEngine, after_s: float = 0.0) -> None:
        link = self.links.get(campaign)
        if link is not None:
            link.later(after_s, message)

    def _note(self, events: list[EventView], endings: list[tuple[str, protocol.Finished]]) -> None:
        """Tell planners, and whoever else listens, what was committed."""
        for campaign, those in groupby(sorted(events, key=_campaign_of), _campaign_of):
            told, ended = list(those), [each for name, each in endings if name == campaign]
            link = self.links.get(campaign)
            if link is not None:
                link.note(told, ended)
            if self.heard is not None:
                self.heard(campaign, told, ended)

    def _note_requests(self, asked: list[RequestRow]) -> None:
        """Tell the planners what was asked for, as far as the ledger took it."""
        if asked:
            with LedgerReader(self.ledger.path) as reader:
                for campaign in dict.fromkeys(each.campaign for each in asked):
                    self._tell_requests(reader, campaign, {each.id for each in asked})

    def _command(self, command: Command) -> None:
        match command:
            case Begin():
                reach("engine.start.before")
                self._executor.start(command.order, command.data)
                reach("engine.start.after")
            case Ask():
                reach("engine.judge.before")
                self._executor.judge(command.order, command.exit)
            case Halt():
                reach("engine.stop.before")
                self._executor.stop(command.order, command.reason)


def _revoke(order: Order) -> bool:
    """Take the claim; where that cannot be done, whoever has the order keeps it."""
    try:
        return revoke(order.directories.private)
    except OSError:
        return False


def _has_failed(reader: LedgerReader, message: protocol.Open) -> bool:
    """Whether a run of the plan failed for good, in a way that counts."""
    failed = (each for each in reader.deciding_attempts(message.campaign.id) if each.verdict == Verdict.FAIL)
    return any(each.again is None and each.fingerprint not in message.quarantined for each in failed)


def _campaign_of(event: EventView) -> str:
    return event.campaign
