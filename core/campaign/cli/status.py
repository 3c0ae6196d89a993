"""``campaign status``: the queue with its progress, the slots, and who carries it out and how well that one is."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import click
from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from campaign.cli.options import format_option, workspace_option
from campaign.cli.queueing import NO_DAEMON
from campaign.cli.tables import print_json, table, took
from campaign.cli.terminal import live_wanted, visible
from campaign.cli.watching import Screen, Seen, Sheets, repeat
from campaign.cli.workspace import find_workspace
from campaign.engine import wire
from campaign.engine.asking import SilentError, call
from campaign.engine.leftovers import PUT_BACK_BY, Leftover, left_behind
from campaign.engine.releasing import Held, waiting_for_a_person
from campaign.engine.workspace import STALE_S, Workspace
from campaign.ledger.opening import LedgerMissingError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import OPEN, CampaignRow, ControlRow, RequestRow, left_alone

_NOBODY = wire.Live(pid=0, queue=False, epoch=0, places=0, running=0)
_RUNNING = ("starting", "running", "judging")


class Group(Struct, frozen=True, kw_only=True):
    """The instances of one label: runs by state, those that are done by verdict."""

    instance: str
    running: int = 0
    waiting: int = 0
    lost: int = 0
    verdicts: dict[str, int] = {}


class Queued(Struct, frozen=True, kw_only=True):
    """A campaign that is not finished; ``waiting`` says why it cannot go on, ``waits_for`` for which named slots."""

    campaign: str
    state: str
    submitted: bool
    total: int | None
    done: int
    running: int
    verdicts: dict[str, int]
    paused: tuple[str, ...] = ()
    canceled: tuple[str, ...] = ()
    waiting: str | None = None
    waits_for: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds the workspace: a ``daemon`` or an ``exec``; how old its heartbeat is, and whether it answers."""

    kind: str
    pid: int
    answers: bool
    heartbeat_s: float | None
    stale: bool
    places: int | None = None
    running: int | None = None
    slots: tuple[wire.Slot, ...] = ()


class Lost(Struct, frozen=True, kw_only=True):
    """An attempt that waits for a person: ``campaign release RUN``; the named slots that it holds, by their indexes."""

    run: str
    state: str
    why: tuple[str, ...]
    slots: Mapping[str, tuple[int, ...]]


class Beside(Struct, frozen=True, kw_only=True):
    """What is asked for beside a plan and not done: a ``replay`` of ``run``, say; so many attempts of it have ended."""

    campaign: str
    kind: str
    run: str | None
    at: str
    attempts: int


class Status(Struct, frozen=True, kw_only=True):
    """What ``--format json`` prints; ``left_behind`` is what a crash left, while nobody serves the workspace."""

    workspace: str
    holder: Holder | None
    all_paused: bool
    held_slots: dict[str, int]
    lost: tuple[Lost, ...]
    queue: tuple[Queued, ...]
    beside: tuple[Beside, ...] = ()
    left_behind: tuple[Leftover, ...] = ()


@click.command("status")
@click.option(
    "--watch", is_flag=True, help="Look on until Ctrl-C: what changes is shown, whoever serves the workspace."
)
@format_option()
@workspace_option
def command(watch: bool, output_format: str, workspace: str) -> int:
    """Show the queue of this workspace, from the ledger, and what the process that carries it out says."""
    if watch:
        _watch(workspace, output_format)
        return 0
    holder, live = _holder(workspace)
    status = _status(workspace, holder, live)
    if output_format == "json":
        print_json(status)
    else:
        click.echo(_text(status))
    return 0


def _watch(workspace: str, output_format: str) -> None:
    """Until interrupted."""
    as_json = output_format == "json"

    def look(seen: Seen | None) -> tuple[str, object]:
        holder = _holder_of(workspace, seen.pid, seen.live) if seen else None
        if holder is not None and holder.stale:
            holder = replace(holder, answers=False)  # its last word is as old as its heartbeat
        status = _status(workspace, holder, seen.live if seen else None)
        same = replace(holder, heartbeat_s=None) if holder else None  # its age is no news, that it is stale is
        return encode(status).decode() if as_json else _text(status), replace(status, holder=same)

    alive = not as_json and live_wanted(sys.stdout, os.environ)
    repeat(workspace, look, Screen(sys.stdout) if alive else Sheets(sys.stdout, dated=not as_json))


def _holder(workspace: str) -> tuple[Holder | None, wire.Live | None]:
    """Who serves the workspace, by its socket; one that does not answer is there all the same."""
    line = call(workspace)
    if line is None:
        return None, None
    try:
        live = line.ask("status", None, wire.Live)
    except EOFError:
        return None, None
    except SilentError as silent:
        return _holder_of(workspace, silent.pid, None), None
    finally:
        line.close()
    return _holder_of(workspace, live.pid, live), live


def _holder_of(workspace: str, pid: int, live: wire.Live | None) -> Holder:
    age = Workspace(workspace).heartbeat_s()
    found = Holder(kind="process", pid=pid, answers=False, heartbeat_s=age, stale=age is not None and age > STALE_S)
    if live is None:
        return found
    kind = "daemon" if live.queue else "exec"
    return replace(found, kind=kind, answers=True, places=live.places, running=live.running, slots=live.slots)


def _status(workspace: str, holder: Holder | None, live: wire.Live | None) -> Status:
    """What the ledger holds; a new workspace has none yet, but one that was named and is not there is a mistake."""
    live = live or _NOBODY
    try:
        with LedgerReader(Workspace(workspace).ledger) as ledger:
            controls = ledger.controls()
            rows = sorted((row for row in ledger.campaigns() if not row.finished), key=lambda row: row.created_at)
            if holder is None:
                rows = list(map(left_alone, rows))
            queue = tuple(_queued(ledger, row, controls, live) for row in rows)
            held = ledger.held()
            lost = tuple(map(_lost, waiting_for_a_person(ledger)))
            beside = tuple(_beside(ledger, each) for each in ledger.requests(state=OPEN))
            left = tuple(left_behind(ledger)) if holder is None else ()
    except LedgerMissingError:
        if not os.path.isdir(workspace) and workspace != find_workspace(None, {}, os.getcwd()):
            raise
        controls, queue, held, lost, beside, left = [], (), {}, (), (), ()
    paused = any((row.campaign, row.verb) == ("", "pause") for row in controls)
    return Status(
        workspace=workspace,
        holder=holder,
        all_paused=paused,
        held_slots=held,
        lost=lost,
        queue=queue,
        beside=beside,
        left_behind=left,
    )


def _beside(ledger: LedgerReader, row: RequestRow) -> Beside:
    parent = ledger.record(row.parent) if row.parent is not None else None
    ended = sum(each.state == "done" for each in ledger.asked_attempts(row.id))
    run = parent.row.name if parent is not None else None
    return Beside(campaign=row.campaign, kind=row.kind, run=run, at=row.at, attempts=ended)


def _lost(found: Held) -> Lost:
    row = found.row
    return Lost(run=f"{row.campaign}/{row.name}", state=row.state, why=found.why, slots=found.units)


def _queued(ledger: LedgerReader, row: CampaignRow, controls: list[ControlRow], live: wire.Live) -> Queued:
    groups: dict[str, dict[str, Any]] = {}
    for instance, state, verdict, count in ledger.progress(row.id):
        group = groups.setdefault(instance, {"running": 0, "waiting": 0, "lost": 0, "verdicts": {}})
        if verdict is not None:
            group["verdicts"][verdict] = count
        else:
            group[state if state == "lost" else "running" if state in _RUNNING else "waiting"] += count
    verdicts: dict[str, int] = {}
    for group in groups.values():
        for verdict, count in group["verdicts"].items():
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    mine = [each for each in controls if each.campaign == row.id]
    return Queued(
        campaign=row.id,
        state=row.state,
        submitted=row.submission is not None,
        total=row.total,
        done=sum(verdicts.values()),
        running=sum(group["running"] for group in groups.values()),
        verdicts=verdicts,
        paused=tuple(each.prefix for each in mine if each.verb == "pause"),
        canceled=tuple(each.prefix for each in mine if each.verb == "cancel"),
        waiting=live.waiting.get(row.id),
        waits_for=live.blocked.get(row.id, ()),
        groups=tuple(Group(instance=name, **group) for name, group in groups.items()),
    )


# --- text -------------------------------------------------------------------------------------------------------


def _text(status: Status) -> str:
    parts = [_who(status.holder, bool(status.queue))]
    if status.all_paused:
        parts.append("everything is paused: campaign resume --all")
    if status.held_slots:
        slots = ", ".join(f"{count} {name}" for name, count in status.held_slots.items())
        parts.append(f"held until a person releases them: {slots}")
    parts += [_waits(each) for each in status.lost]
    parts += [visible(f"left by a crash, {each.run}: {each.sentence}") for each in status.left_behind]
    parts += [PUT_BACK_BY] if status.left_behind else []
    if status.queue or not status.beside:
        parts.append(_queue(status.queue) if status.queue else "the queue is empty")
    parts += [visible(_asked(each)) for each in status.beside]
    parts += [f"{each.campaign} cannot go on: {visible(each.waiting)}" for each in status.queue if each.waiting]
    return "\n".join(parts)


def _asked(each: Beside) -> str:
    run = each.campaign if each.run is None else f"{each.campaign}/{each.run}"
    ended = "1 attempt has" if each.attempts == 1 else f"{each.attempts:,} attempts have"
    return f"beside the plan: {each.kind} {run}, {ended} ended"


def _waits(each: Lost) -> str:
    what = "is lost" if each.state == "lost" else "waits for a person"
    why = visible("; ".join(each.why) or "it was lost")
    return f"{visible(each.run)} {what}: {why}: campaign release {shlex.quote(visible(each.run))}"


def _who(holder: Holder | None, queued: bool) -> str:
    if holder is None:
        return NO_DAEMON if queued else "no daemon runs here"
    beat = "" if holder.heartbeat_s is None else f"; heartbeat {took(round(holder.heartbeat_s))} ago"
    stale = ", STALE: it does not go on" if holder.stale else ""
    if not holder.answers:
        return f"process {holder.pid} holds the workspace and does not answer{beat}{stale}"
    slots = "".join(map(_slot, holder.slots))
    used = f"{holder.running} of {holder.places} places in use{slots}"
    return f"{holder.kind}, process {holder.pid}: {used}{beat}{stale}"


def _slot(slot: wire.Slot) -> str:
    elsewhere = f" ({slot.busy} in another workspace)" if slot.busy else ""
    return f", {slot.count - slot.free} of {slot.count} {slot.name}{elsewhere}"


def _queue(queue: tuple[Queued, ...]) -> str:
    rows: list[list[object]] = []
    for each in queue:
        done = f"{each.done:,}" if each.total is None else f"{each.done:,}/{each.total:,}"
        bad = [each.verdicts.get(name) for name in ("fail", "error")]
        rows.append([each.campaign, _state(each), done, each.running or None, *bad])
        for group in each.groups if len(each.groups) > 1 else ():
            counts = [group.verdicts.get(name) for name in ("fail", "error")]
            rows.append(
                [f"  {group.instance}", "", f"{sum(group.verdicts.values()):,}", group.running or None, *counts]
            )
    numbers = ("done", "running", "fail", "error")
    return table(["campaign", "state", *numbers], rows, numbers=numbers)


def _state(each: Queued) -> str:
    words = [each.state]
    for word, prefixes in (("paused", each.paused), ("canceled", each.canceled)):
        if "" in prefixes:
            words.append(word)
        elif prefixes:
            words.append(f"{word}: {', '.join(prefixes)}")
    if each.waits_for and not each.waiting:
        words.append(f"waits for {', '.join(each.waits_for)}")
    if not each.submitted:
        words.append("of exec")
    return ", ".join(words)
