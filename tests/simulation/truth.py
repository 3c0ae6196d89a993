"""What really happens in the world, seen from outside, and what must never be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from campaign.engine import wire
from campaign.engine.protocol import Lane
from campaign.ledger.rows import CampaignRow
from campaign.records import Order, Stop

from .world import World, Wrong

if TYPE_CHECKING:
    from .actors import Planner, Supervisor

MOST_REQUEUES = 3
DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "engine.md"


def published_edges() -> dict[tuple[str, str], frozenset[str]]:
    """The table of states as users read it."""
    edges = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and "→" in cells[0]:
            source, target = (word.strip() for word in cells[0].split("→"))
            edges[source, target] = frozenset(filter(None, cells[1].split(", ")))
    return edges


EDGES = published_edges()


class Links(Struct, frozen=True):
    """How the runs of a lane are chains: how many links each has, and whether a tool serves them."""

    count: int
    served: bool


class Plan:
    """A campaign: its lanes and how many runs each has, or chains of runs."""

    def __init__(self, row: CampaignRow, lanes: list[tuple[Lane, int]], **what: Any) -> None:
        self.row, self.lanes = row, lanes
        self.slots: dict[str, int] = what["slots"]
        self.stop_on_fail: bool = what["stop_on_fail"]
        self.attempts: int = what["attempts"]
        self.judged: frozenset[int] = what["judged"]
        self.chains: dict[int, Links] = what["chains"]
        self.poison = self.key(0, 1) if what["poison"] else None  # a run that kills its supervisor each time
        self._places = {
            self.key(lane, number): (lane, number)
            for lane in range(len(lanes))
            for first in self.firsts(lane)
            for number in self.together(lane, first)
        }

    def firsts(self, lane: int) -> range:
        """The numbers of those of a lane's runs that are placed by themselves."""
        links = self._links(lane)
        return range(1, self.lanes[lane][1] * links + 1, links)

    def together(self, lane: int, number: int) -> range:
        """The numbers of the runs that are one chain with that one."""
        links = self._links(lane)
        first = number - (number - 1) % links
        return range(first, first + links)

    def chain(self, key: str) -> list[str]:
        """The runs of the same chain, in order; the run itself where it is of none."""
        lane, number = self.find(key)
        return [self.key(lane, each) for each in self.together(lane, number)]

    def cell(self, lane: int, number: int) -> str:
        label = self.lanes[lane][0].label
        return label if lane not in self.chains else f"{label}/{(number - 1) // self._links(lane) + 1}"

    def key(self, lane: int, number: int) -> str:
        links = self._links(lane)
        return f"{self.cell(lane, number)}#{number if links == 1 else (number - 1) % links + 1}"

    def _links(self, lane: int) -> int:
        return self.chains[lane].count if lane in self.chains else 1

    def find(self, key: str) -> tuple[int, int]:
        return self._places[key]

    @property
    def keys(self) -> list[str]:
        return list(self._places)

    def label(self, key: str) -> str:
        return self.lanes[self.find(key)[0]][0].label


class Tool:
    """What an attempt starts: how long it takes and how it ends."""

    def __init__(self, world: World, poison: bool) -> None:
        dice = world.random
        self.seconds = dice.choice((0.01, 0.2, 0.2, 1.0, 3.0))
        self.late = dice.random() < 0.03
        if self.late:
            self.seconds = 20.0
        self.code = 1 if dice.random() < 0.2 else 0
        self.sticky = dice.random() < 0.02 and not world.calm
        self.deadly = poison or dice.random() < 0.03  # kills its supervisor
        self.alive = True


class Attempt:
    """One execution of an order, from its claim on."""

    def __init__(self, order: Order, supervisor: Supervisor, boot: str) -> None:
        self.order, self.supervisor, self.boot = order, supervisor, boot
        self.tool: Tool | None = None
        self.stop: Stop | None = None
        self.agreeable = True
        self.fault = False
        self.durable = self.damaged = self.untold = self.hushed = False
        self.unset = self.over = self.broke = False

    @property
    def verdict(self) -> str:
        """What its exit record and its oracles come to: fail > error > pass."""
        if self.stop in {Stop.CANCEL, Stop.INTERRUPT}:
            return "canceled"
        if self.unset:
            return "error"
        asked = bool(self.order.oracles) and not self.hushed
        if (
            self.stop in {Stop.TIMEOUT, Stop.SERVICE}
            or (self.tool and self.tool.code)
            or (asked and not self.agreeable)
        ):
            return "fail"
        untold = (self.tool and self.tool.sticky) or (self.order.oracles and self.hushed)
        return "error" if untold else "pass"


class Truth:
    """Everything that is so, whatever the ledger says."""

    def __init__(self, world: World, folder: str, ledger: str, places: int, slots: dict[str, int]) -> None:
        self.world, self.folder, self.ledger = world, folder, ledger
        self.places, self.slots = places, slots
        self.boot = "boot-1"
        self.plans: dict[str, Plan] = {}
        self.pids: dict[int, Supervisor] = {}
        self.planners: list[Planner] = []
        self.attempts: dict[str, Attempt] = {}
        self.executed: defaultdict[tuple[str, str, str, int], list[str]] = defaultdict(list)
        self.running: dict[str, Attempt] = {}
        self.chains: defaultdict[str, dict[int, Attempt]] = defaultdict(dict)  # claimed links, by head and number
        self.serving: dict[str, Order] = {}  # what serves chains, by head
        self.heads: dict[str, tuple[str, int]] = {}  # of links, by token: the head, and how many they are
        self.cut: set[str] = set()  # chains that ended between two links, by head
        self.decided: Counter[str] = Counter()  # links that are at their end, by head
        self.submissions: set[str] = set()
        self.pauses: set[tuple[str, str]] = set()
        self.cancels: set[tuple[str, str]] = set()
        self.maybe_canceled: set[tuple[str, str]] = set()
        self.requests: set[str] = set()  # what was asked for beside the plans
        self.states: dict[tuple[str, str, str, int], str] = {}
        self.lost: set[str] = set()
        self.stubborn: set[str] = set()
        self.vanished: set[str] = set()
        self.born: dict[str, str] = {}  # by token: the boot of its admission
        self.causes: defaultdict[tuple[str, str], dict[int, str]] = defaultdict(dict)  # by attempt
        self.pending: list[tuple[Any, ...]] = []
        self._counts: Counter[str] = Counter()
        self._seq, self._checked = 0, 0
        self._db: sqlite3.Connection | None = None

    def count(self, what: str) -> int:
        self._counts[what] += 1
        return self._counts[what]

    def wrong(self, text: str) -> None:
        raise Wrong(text)

    # --- what supervisors and their tools do ---------------------------------------------------------------------

    def unwanted(self, order: Order) -> str | None:
        """Why nobody may claim an order any more."""
        begun = order.link is not None and order.link.number > 1
        for campaign, prefix in () if begun else self.pauses:
            if campaign in {"", order.campaign} and _below(order.instance, prefix):
                return f"{order.key} of {order.campaign} was started while {campaign or 'all'} {prefix} is paused"
        for campaign, prefix in self.cancels:
            if campaign == order.campaign and _below(order.instance, prefix):
                return f"{order.key} of {order.campaign} was started after its cancellation"
        return None

    def claimed(self, order: Order, supervisor: Supervisor) -> Attempt:
        """Somebody may start an order from now on."""
        if order.token in self.attempts:
            self.wrong(f"{order.token} was claimed twice")
        attempt = self.attempts[order.token] = Attempt(order, supervisor, self.boot)
        self._linked(attempt)
        attempt.agreeable = self.world.random.random() < 0.85
        attempt.fault = self.world.random.random() < 0.05
        self.world.tell(f"{supervisor.name} claims {order.token}: {order.campaign} {order.key} attempt {order.attempt}")
        return attempt

    def _linked(self, attempt: Attempt) -> None:
        """One after another, in order, by one supervisor, and none after one that broke."""
        order, link = attempt.order, attempt.order.link
        if link is None:
            return
        chain = self.chains[link.head]
        for number in range(1, link.number):
            before = chain.get(number)
            if before is None or before.supervisor is not attempt.supervisor or not before.over or before.broke:
                self.wrong(f"{order.key} was begun after {number} of its chain: {before and vars(before)}")
        chain[link.number] = attempt

    def serve(self, order: Order) -> None:
        """What serves a chain is started."""
        assert order.link is not None
        if order.link.head in self.serving:
            self.wrong(f"{order.key} is served twice")
        self.serving[order.link.head] = order

    def unserve(self, head: str) -> None:
        """Nothing serves a chain any more."""
        self.serving.pop(head, None)

    def started(self, attempt: Attempt) -> Tool:
        """The tool writes its line into the effects log, and runs."""
        order = attempt.order
        name = (order.campaign, order.origin, order.key, order.attempt)
        self.executed[name].append(order.token)
        if len(self.executed[name]) > 1:
            self.wrong(f"{order.campaign} {order.key} {order.origin} {order.attempt} was executed twice")
        tool = attempt.tool = Tool(self.world, self.plans[order.campaign].poison == order.key)
        self.running[order.token] = attempt
        self._limits(order)
        return tool

    def _limits(self, order: Order) -> None:
        self.check()  # what is lost by now counts no more
        held: Counter[tuple[str, int]] = Counter()
        orders = [*self.serving.values(), *(each.order for each in self.running.values())]
        for each in {(order.link.head if order.link else order.token): order for order in orders}.values():
            held.update((name, index) for name, indexes in each.granted.items() for index in indexes)
        chains = Counter(each.order.link.head for each in self.running.values() if each.order.link)
        if any(count > 1 for count in chains.values()):
            self.wrong(f"two links of a chain run at once: {chains}")
        if order.link is not None and order.services and order.link.head not in self.serving:
            self.wrong(f"{order.key} runs, and nothing serves it")
        for (name, index), count in held.items():
            if count > 1 or index >= self.slots.get(name, 0):
                self.wrong(f"slot {name} {index} was held {count} times")
        for name, count in order.needs.items():
            if len(order.granted.get(name, ())) != count:
                self.wrong(f"{order.key} needs {count} {name} and got {order.granted}")
        counted = [each for token, each in self.running.items() if token not in self.stubborn | self.lost]
        if len(counted) > self.places:
            self.wrong(f"{len(counted)} run in {self.places} places")
        own = [each for each in counted if each.order.campaign == order.campaign]
        if len(own) > self.plans[order.campaign].row.parallel:
            self.wrong(f"{len(own)} of {order.campaign} run, its parallel is {self.plans[order.campaign].row.parallel}")

    def ended(self, attempt: Attempt) -> None:
        """Nothing of it runs any more, unless it will not go."""
        if attempt.tool is not None:
            if attempt.tool.sticky:
                self.stubborn.add(attempt.order.token)
            else:
                attempt.tool.alive = False
                self.running.pop(attempt.order.token, None)

    def end_tree(self, order: Order) -> bool:
        """The engine kills what a dead supervisor left."""
        token = order.token
        if order.link is not None:
            self.unserve(order.link.head)
        attempt = self.attempts.get(token)
        if token in self.stubborn:
            return False
        if attempt is not None and token in self.running:
            if self.world.random.random() < 0.05 and not self.world.calm:
                self.stubborn.add(token)
                return False
            self.ended(attempt)
        return token not in self.stubborn

    def give_up(self) -> list[str]:
        """What holds something that only a person gives back; nothing of it runs any more."""
        self.check()
        tokens = {str(token) for (token,) in self.reader().execute("SELECT DISTINCT token FROM hold")} | self.lost
        for token in tokens:
            self.stubborn.discard(token)
            self.running.pop(token, None)
            self.unserve(self.heads.get(token, ("", 0))[0])
        return sorted(tokens)

    # --- what happens to machines and disks ----------------------------------------------------------------------

    def power_cut(self) -> None:
        """The machine starts anew; what was not synced may be gone."""
        self.boot = f"boot-{self.count('boot') + 1}"
        for token, attempt in self.attempts.items():
            if attempt.tool is not None:
                attempt.tool.alive = False
            self.running.pop(token, None)
        self.serving.clear()
        self.stubborn.clear()
        for name in sorted(os.listdir(f"{self.folder}/attempts")):
            self._unsynced(name)

    def _unsynced(self, token: str) -> None:
        private = f"{self.folder}/attempts/{token}"
        attempt = self.attempts.get(token)
        chance = self.world.random.random()
        if attempt is not None and attempt.durable:
            return  # its folder was synced
        if chance < 0.2:
            shutil.rmtree(private)
            self.vanished.add(token)
            self.world.tell(f"the power cut takes the folder of {token}")
        elif chance < 0.6:
            for name in ("claim", "order.json"):
                if os.path.lexists(f"{private}/{name}"):
                    os.unlink(f"{private}/{name}")
            self.world.tell(f"the power cut takes the claim of {token}")

    # --- what people were told ------------------------------------------------------------------------------------

    def asked(self, verb: str, args: Any) -> None:
        """From here on it may be so."""
        if verb == "cancel":
            self.maybe_canceled.add((args.campaign or "", args.prefix))
        elif verb == "resume":
            self.pauses = {
                (campaign, prefix)
                for campaign, prefix in self.pauses
                if args.campaign is not None and (campaign != args.campaign or not _below(prefix, args.prefix))
            }
        elif verb == "beside":  # what is finished may be canceled no more
            self.cancels = {each for each in self.cancels if each[0] != args.request.campaign}
        elif verb == "retry":
            self.cancels = {each for each in self.cancels if each[0] != args.campaign}
            self.pauses = {each for each in self.pauses if each[0] != args.campaign}

    def acknowledged(self, verb: str, args: Any, done: wire.Done) -> None:
        """From here on it must be so."""
        if verb == "submit":
            if done.campaigns != (args.campaign.id,):
                self.wrong(f"{args.campaign.id} was submitted and became {done.campaigns}")
            self.submissions.add(args.campaign.id)
        elif verb == "beside":
            self.requests.add(args.request.id)
        elif verb == "pause":
            self.pauses.add((args.campaign or "", args.prefix))
        elif verb == "cancel":
            self.cancels |= {(campaign, args.prefix) for campaign in done.campaigns}

    def canceled(self, campaign: str, label: str, *, surely: bool) -> bool:
        asked = self.cancels if surely else self.maybe_canceled | self.cancels
        return any(name in {"", campaign} and _below(label, prefix) for name, prefix in asked)

    # --- what the ledger says -------------------------------------------------------------------------------------

    def reader(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, isolation_level=None)
        return self._db

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def check(self) -> None:
        """Whatever was recorded since must be so."""
        if self._checked == self.world.committed:
            return
        self._checked = self.world.committed
        query = """SELECT e.seq, e.campaign, e.key, e.attempt, e."from", e."to", e.cause, e.verdict, e.reason,
                   a.token, a.again, e.origin FROM event e JOIN attempt a ON a.campaign = e.campaign AND a.key = e.key
                   AND a.origin = e.origin AND a.attempt = e.attempt WHERE e.seq > ? ORDER BY e.seq"""
        chains: set[tuple[str, str]] = set()
        for row in self.reader().execute(query, (self._seq,)).fetchall():
            self._seq, *event = row
            self._event(*event)
            campaign, key, target, origin = event[0], event[1], event[4], event[-1]
            if (target, origin) == ("admitted", "plan") and len(chain := self.plans[campaign].chain(key)) > 1:
                chains.add((campaign, chain[0]))
        for campaign, first in sorted(chains):
            self._whole(campaign, self.plans[campaign].chain(first))

    def _whole(self, campaign: str, chain: list[str]) -> None:
        """A chain is admitted as a whole, and once more only where one of its runs wanted that."""
        marks = ",".join("?" * len(chain))
        query = f"SELECT key, max(attempt) FROM attempt WHERE campaign = ? AND origin = 'plan' AND key IN ({marks}) GROUP BY key"
        last = dict(self.reader().execute(query, (campaign, *chain)).fetchall())
        if last.keys() != set(chain) or len(set(last.values())) != 1:
            self.wrong(f"the chain {chain} of {campaign} is not whole: {last}")
        number = last[chain[0]]
        query = f"SELECT count(again) FROM attempt WHERE campaign = ? AND origin = 'plan' AND key IN ({marks}) AND attempt = ?"
        ((wishes,),) = self.reader().execute(query, (campaign, *chain, number - 1)).fetchall()
        if number > 1 and not wishes:
            self.wrong(f"the chain {chain} of {campaign} is repeated, and nobody wanted that")

    def _event(
        self, campaign: str, key: str, number: int, source: str, target: str, cause: str,
        verdict: str | None, reason: str | None, token: str, again: str | None, origin: str,
    ) -> None:  # fmt: skip
        planned = origin == "plan"
        name = f"{campaign} {key} {'attempt' if planned else origin} {number}"
        run = (campaign, origin, key, number)
        known = self.states.get(run, "queued")
        self.states[run] = target
        shown = f"{target}({verdict}: {reason})" if verdict else target
        self.world.tell(f"ledger: {name} {source} → {shown}{f', again {again}' if again and verdict else ''}")
        if known != source:
            self.wrong(f"{name} was {known} and goes from {source} to {target}")
        if (source, target) not in EDGES or (verdict is not None and verdict not in EDGES[source, target]):
            self.wrong(f"{name}: {source} → {shown} is no edge of the published table")
        if not planned and (again is not None or cause not in {"request", "revoked", "orphan"}):
            self.wrong(f"{name} is followed by {again}, its cause is {cause}")
        if target == "admitted":
            if planned:
                self._admitted(campaign, key, number, cause)
            self.born[token] = self.boot
        if target == "lost":
            self.lost.add(token)
        if verdict is not None:
            self._done(name, campaign, key, token, verdict, reason or "", again)

    def _admitted(self, campaign: str, key: str, number: int, cause: str) -> None:
        self.causes[campaign, key][number] = cause  # admitted again in its own row where it was revoked
        counts = Counter(self.causes[campaign, key].values())
        if counts["orphan"] > MOST_REQUEUES:
            self.wrong(f"{campaign} {key} was requeued {counts['orphan']} times")
        if counts["policy"] > self.plans[campaign].attempts - 1:
            self.wrong(f"{campaign} {key} was retried {counts['policy']} times")

    def _done(
        self, name: str, campaign: str, key: str, token: str, verdict: str, reason: str, again: str | None
    ) -> None:
        attempt = self.attempts.get(token)
        self._link_done(name, token, verdict, attempt)
        if verdict == "pass" and (attempt is None or not attempt.durable):
            self.wrong(f"{name} passed without an exit record")
        if attempt is None or attempt.tool is None:
            if verdict == "fail":
                self.wrong(f"{name} failed and never ran")
            return
        if attempt.durable and not attempt.damaged and token not in self.vanished:
            self._judged(name, attempt, verdict, reason)

    def _link_done(self, name: str, token: str, verdict: str, attempt: Attempt | None) -> None:
        """A link is at its end: where it is the last one nothing of its chain is there any more."""
        if verdict == "skipped" and attempt is not None and attempt.tool is not None:
            self.wrong(f"{name} was skipped and ran")
        head, count = self.heads.get(token, ("", 0))
        if head:
            self.decided[head] += 1
            gone = self.vanished | self.lost
            if self.decided[head] == count and head in self.serving and gone.isdisjoint(self.links(head)):
                self.wrong(f"{name} was the last one of its chain, and something still serves it")

    def links(self, head: str) -> list[str]:
        """The tokens of a chain."""
        return [token for token, (first, _) in self.heads.items() if first == head]

    def _judged(self, name: str, attempt: Attempt, verdict: str, reason: str) -> None:
        """It left a record: that decides, whatever else happened."""
        truth, token = attempt.verdict, attempt.order.token
        if verdict == truth or ((attempt.hushed or attempt.untold) and verdict == "error"):
            return
        doomed = self.plans[attempt.order.campaign].row.orphans != "adopt"
        if attempt.stop is Stop.INTERRUPT and doomed and reason in {"orphaned", "poison"}:
            return
        if token in self.lost or (verdict == "error" and token in self.stubborn):
            return  # it was given up before it left its record
        if attempt.order.oracles and (verdict, reason) == ("error", "poison"):
            return  # who asked its oracles was killed again and again
        self.wrong(f"{name} is {verdict} ({reason}), its exit record says {truth}")


def _below(label: str, prefix: str) -> bool:
    return not prefix or label == prefix or label.startswith(f"{prefix}.")
