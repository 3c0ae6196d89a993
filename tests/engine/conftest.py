"""Orders to schedule and carry out, and a ledger that checks what the core says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from campaign.engine import protocol
from campaign.engine.core import Core
from campaign.engine.outbox import Ask, Begin, Halt, Outbox
from campaign.engine.protocol import Lane
from campaign.ledger.rows import CampaignRow
from campaign.ledger.store import Ledger
from campaign.records import Directories, Exit, OracleOrder, Order, ProcessExit, StepExit, StepOrder, order_digest

AT = "2026-11-21T00:00:00.000Z"


def make_campaign(name: str = "demo-1", **what: Any) -> CampaignRow:
    given = {"id": name, "name": "demo", "spec": "/demo.camp", "run_root": f"/r/{name}", "plan_hash": "p", "seed": 0}
    return CampaignRow(**{**given, "parallel": 2, "created_at": AT, **what})


def make_order(number: int, attempt: int = 1, *, try_number: int = 0, oracle: bool = False, **what: Any) -> Order:
    token = f"t{number}-{attempt}-{try_number}"
    public = f"/r/demo-1/i/c{number}/seed-0/attempt-{attempt}"
    given = {
        "token": token,
        "epoch": 1,
        "campaign": "demo-1",
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
        "oracles": (OracleOrder(label="o", oracle="text.contains"),) if oracle else (),
    }
    order = Order(**{**given, **what})
    return msgspec.structs.replace(order, digest=order_digest(order))


def make_exit(order: Order, code: int = 0, **what: Any) -> Exit:
    step = StepExit(label="true", tool="true", argv=("/bin/true",), exit=ProcessExit(code=code), ok=code == 0)
    given = {"token": order.token, "epoch": 1, "digest": order.digest, "boot_id": "b", "steps": (step,)}
    return Exit(**{**given, "started_at": AT, "finished_at": AT, "duration_s": 0.1, **what})


class Stage:
    """A core with a real ledger behind it: what it wants committed must be what the ledger can follow."""

    def __init__(self, path: str, places: int = 2, **what: Any) -> None:
        self.ledger = Ledger(path)
        self.path = path
        self.claimed: set[str] = set()
        self.revoked: set[str] = set()
        self.core = Core(places, lambda: AT, self._revoke)
        self.begun: list[Order] = []
        self.asked: list[Order] = []
        self.halted: list[Order] = []
        self.said: list[protocol.FromEngine] = []
        self.endings: list[protocol.Finished] = []
        self.again: list[tuple[float, protocol.Again]] = []
        self.rests: list[tuple[float, str]] = []
        campaign = make_campaign(**what.pop("campaign", {}))
        self.lanes = what.pop("lanes", (Lane(number=0, group="g"),))
        self.ledger.begin_campaign(campaign, {})
        self.over: list[str] = []
        self.campaign = campaign.id
        self.opening = protocol.Open(campaign=campaign, lanes=self.lanes, **what)
        self.core.open(self.opening)

    def begin(self) -> None:
        self.core.begin(self.opening)
        self.settle()

    def _revoke(self, order: Order) -> bool:
        if order.token not in self.claimed:
            self.revoked.add(order.token)
        return order.token in self.revoked

    def settle(self) -> None:
        out, self.core.out = self.core.out, Outbox()
        self.ledger.commit(out.changes)
        self.endings += [each for name, each in out.endings if name == self.campaign]
        self.said += [each for _, each in out.says]
        self.again += [(after_s, again) for after_s, _, again in out.later]
        self.rests += out.rests
        self.over += out.over
        for command in out.commands:
            match command:
                case Begin():
                    self.begun.append(command.order)
                case Ask():
                    self.asked.append(command.order)
                case Halt():
                    self.halted.append(command.order)

    def offer(self, *orders: Order, exhausted: bool = True, lane: int = 0) -> None:
        raws = tuple(Raw(msgspec.json.encode(order)) for order in orders)
        self.core.offer(self.campaign, protocol.Offer(lane, raws, exhausted))
        self.settle()

    def repeat(self, order: Order, cause: str, lane: int = 0) -> None:
        self.core.repeat(self.campaign, protocol.Repeat(lane, cause, (Raw(msgspec.json.encode(order)),)))
        self.settle()

    def start(self, order: Order) -> None:
        self.claimed.add(order.token)
        self.core.started(order.token, AT)
        self.settle()

    def end(self, order: Order, code: int = 0, **what: Any) -> None:
        exit_ = make_exit(order, code, **what)
        self.core.exited(order.token, exit_, msgspec.json.encode(exit_))
        self.settle()

    @property
    def idle(self) -> protocol.Idle | None:
        return next((each for each in self.said if isinstance(each, protocol.Idle)), None)

    @property
    def verdicts(self) -> list[str]:
        return [str(each.decision.verdict) for each in self.endings]


@pytest.fixture
def ledger_path(tmp_path: Any) -> str:
    return str(tmp_path / "ledger.sqlite")
