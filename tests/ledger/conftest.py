"""A campaign and its orders, to write into real ledgers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campaign.ledger.rows import Admission, CampaignRow, Change, Ending, Move
from campaign.ledger.store import Ledger
from campaign.records import Decision, Directories, Exit, Failure, FailureKind, Order, StepOrder, Verdict, order_digest

AT = "2026-11-21T00:00:00.000Z"


def make_campaign(name: str = "demo-1", **what: Any) -> CampaignRow:
    given = {
        "id": name,
        "name": "demo",
        "spec": "/specs/demo.camp",
        "run_root": f"/runs/{name}",
        "plan_hash": "p",
        "seed": 0,
        "parallel": 2,
        "created_at": AT,
    }
    return CampaignRow(**{**given, **what})


def make_order(number: int = 0, attempt: int = 1, campaign: str = "demo-1", **what: Any) -> Order:
    token = f"t{number}-{attempt}-{campaign}"
    public = f"/runs/{campaign}/i/c{number}/seed-0/attempt-{attempt}"
    given = {
        "token": token,
        "epoch": 1,
        "campaign": campaign,
        "campaign_name": "demo",
        "key": f"c{number}#0",
        "id": f"id{number}",
        "attempt": attempt,
        "instance": "i",
        "cell": f"c{number}",
        "seed": 0,
        "directories": Directories(public=public, private=f"/w/attempts/{token}", work=f"{public}/work"),
        "timeout_s": 60.0,
        "steps": (StepOrder(label="true", tool="true", argv=("/bin/true",)),),
    }
    order = Order(**{**given, **what})
    return msgspec.structs.replace(order, digest=order_digest(order))


def make_exit(order: Order, **what: Any) -> Exit:
    given = {"token": order.token, "epoch": 1, "digest": order.digest, "boot_id": "b"}
    times = {"started_at": AT, "finished_at": AT, "duration_s": 0.5}
    return Exit(**{**given, **times, **what})


def admission(order: Order, cause: str = "plan") -> Admission:
    return Admission(order=order, data=msgspec.json.encode(order), cause=cause, at=AT)


def moves(order: Order, *states: str) -> list[Change]:
    pairs = itertools.pairwise(states)
    return [Move(order=order, source=source, target=target, cause="plan", at=AT) for source, target in pairs]


def ending(order: Order, verdict: Verdict = Verdict.PASS, again: str | None = None, mark: str = "f" * 16) -> Ending:
    failure = None if verdict is Verdict.PASS else Failure(FailureKind.EXIT, "exit 1", mark)
    decision = Decision(verdict, "" if failure is None else "exit 1", failure)
    exit_ = msgspec.json.encode(make_exit(order))
    common = {"order": order, "source": "judging", "cause": "plan", "at": AT, "duration_s": 0.5}
    return Ending(**common, decision=decision, exit=exit_, again=again)


def whole(order: Order, verdict: Verdict = Verdict.PASS, again: str | None = None, cause: str = "plan") -> list[Change]:
    """Everything that becomes of a run that ends well, or not."""
    between = moves(order, "admitted", "starting", "running", "judging")
    return [admission(order, cause), *between, ending(order, verdict, again)]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def ledger(path: str) -> Ledger:
    ledger = Ledger(path)
    ledger.begin_campaign(make_campaign(), {})
    return ledger
