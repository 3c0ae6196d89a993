"""A workspace with a past: runs that are done, and runs whose supervisors were killed in the middle of them.

Everything comes from where it comes in earnest: the orders from a plan, the rows from the ledger's one writer, the
private folders, claims and locks from processes that took them and were then killed.  Only the public folders of the
runs are not there: nothing reads them again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeVar

import msgspec

from campaign.cli.files import read_file
from campaign.engine.host import describe_host
from campaign.engine.planner import token_maker
from campaign.engine.prepare import Wishes, prepare
from campaign.engine.project import HOST, Projector
from campaign.engine.recover import make_folder
from campaign.engine.workspace import Workspace, WorkspaceLock
from campaign.ledger.rows import Admission, CampaignRow, Change, Ending, Move
from campaign.ledger.store import Ledger
from campaign.plan.plan import Options
from campaign.plan.render import render
from campaign.proc import boot_id, identify
from campaign.records import Decision, Exit, Order, ProcessExit, StepExit, Verdict
from campaign.supervise.claim import take

_AT = "2026-11-21T00:00:00.000Z"
_STATES = ("queued", "admitted", "starting", "running", "judging", "done")
_IN_ONE_COMMIT = 1_000
#: Each holds three descriptors of its owner, who has 1,024 at most as a rule.
_OF_ONE_OWNER = 250
_Item = TypeVar("_Item")


def make_history(spec: str, workspace: str, finished: int, interrupted: int, *, queued: bool) -> CampaignRow:
    """Record the campaign of ``spec`` with that many runs done and that many left behind; the rest never began.

    ``queued``: as if it had been submitted, so that the next daemon goes on with it.  Raises CampaignError.
    """
    place = Workspace(workspace)
    place.prepare()
    prepared = prepare(spec, Options(), Wishes(workspace=workspace), read_file, os.environ)
    campaign = msgspec.structs.replace(prepared.campaign, submission=prepared.campaign.id if queued else None)
    lock = WorkspaceLock(place)
    assert lock.try_acquire()
    ledger = Ledger(place.ledger)
    lock.sign()
    host = describe_host()
    projector = Projector(campaign.run_root, campaign.id, host.id)
    projector.file(HOST, host)
    try:
        ledger.begin_campaign(campaign, prepared.blobs)
        context = prepared.context(ledger.epoch, place.attempts, token_maker(ledger.epoch))
        orders = (render(run, 1, context) for run in prepared.plan.runs())
        for chunk in _chunks(islice(orders, finished), _IN_ONE_COMMIT):
            projector.append(ledger.commit([change for order in chunk for change in _done(order)]))
        left = list(islice(orders, interrupted))
        for order in left:
            make_folder(order.directories.private)
        projector.append(ledger.commit([change for order in left for change in _moved(order, "running")]))
        for chunk in _chunks(iter(left), _OF_ONE_OWNER):
            _die_with(chunk)
    finally:
        projector.close()
        ledger.close()
        lock.release()
    return campaign


def _chunks(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    while chunk := list(islice(items, size)):
        yield chunk


def _done(order: Order) -> list[Change]:
    """Everything that the ledger hears of a run that passed."""
    ended = ProcessExit(code=0)
    steps = tuple(StepExit(each.label, each.tool, each.argv, ended, duration_s=0.002, ok=True) for each in order.steps)
    record = Exit(
        token=order.token,
        epoch=order.epoch,
        digest=order.digest,
        boot_id=boot_id(),
        started_at=_AT,
        finished_at=_AT,
        duration_s=0.003,
        steps=steps,
    )
    ending = Ending(
        order=order,
        source="judging",
        cause="plan",
        at=_AT,
        decision=Decision(Verdict.PASS),
        exit=msgspec.json.encode(record),
        duration_s=0.003,
    )
    return [*_moved(order, "judging"), ending]


def _moved(order: Order, last: str) -> list[Change]:
    """From its admission to the state ``last``."""
    way = _STATES[1 : _STATES.index(last) + 1]
    admission = Admission(order=order, data=msgspec.json.encode(order), cause="plan", at=_AT)
    moves = [Move(order=order, source=source, target=target, cause="plan", at=_AT) for source, target in pairwise(way)]
    return [admission, *moves]


def _die_with(orders: Sequence[Order]) -> None:
    """Have a process claim these as a supervisor does, and kill it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.history"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        process.stdin.write(msgspec.json.encode(orders))
        process.stdin.close()
        said = process.stdout.readline()
        process.kill()
        process.wait()
    if said != b"claimed\n":
        raise SystemExit("history: the attempts could not be claimed")


def _claim(orders: Sequence[Order]) -> None:
    """Be their supervisor until somebody kills us."""
    own = identify(os.getpid(), boot_id())
    assert own is not None
    claims = [take(order, own) for order in orders]
    print("claimed", flush=True)
    while claims:
        signal.pause()


if __name__ == "__main__":
    _claim(msgspec.json.decode(sys.stdin.buffer.read(), type=list[Order]))
