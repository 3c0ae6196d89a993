"""One seed: a queue with its campaigns, its people and its misfortunes, from the first submission to the last verdict."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

from campaign.engine import wire
from campaign.engine.protocol import Lane
from campaign.engine.queue import Daemon
from campaign.engine.recover import lock_held
from campaign.engine.workspace import Workspace
from campaign.ledger.rows import CampaignRow, RequestRow
from campaign.ledger.store import Ledger

from .actors import MOST_CANDIDATES, Host, Person, Supervisor
from .model import Model
from .truth import MOST_REQUEUES, Attempt, Links, Plan, Truth
from .world import World, Wrong

#: For how long things go wrong, and then how long everything may take to come to its end, in virtual seconds.
_TROUBLE_S, _PATIENCE_S = 30.0, 150.0
#: One seed of so many has chains: their stories are long.
CHAINED = 25
_POLICIES = ("fail", "cancel", "requeue", "adopt")
_IN_FLIGHT = "('admitted', 'starting', 'running', 'judging')"


class Failure(Exception):
    """A seed that shows a defect, with its story."""

    def __init__(self, seed: int, why: str, story: list[str]) -> None:
        self.seed, self.why, self.story = seed, why, story
        super().__init__(f"seed {seed}: {why}")


def simulate(seed: int, tell: Callable[[str], object] | None = None) -> Counter[str]:
    """Play one seed; what happened, by kind.  Raises Failure."""
    folder = os.path.join(_stage(), str(seed))
    os.makedirs(f"{folder}/attempts", 0o700)
    drama = None
    try:
        drama = Drama(seed, folder)
        return drama.play()
    except Exception as error:
        story = drama.world.told if drama else []
        why = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        raise Failure(seed, why, story) from error
    finally:
        if drama is not None:
            drama.close()
            for line in drama.world.told if tell else ():
                tell(line)
        shutil.rmtree(folder)


@cache
def _stage() -> str:
    """In memory where there is such a place: what is simulated is the order of things, not a disk."""
    return tempfile.mkdtemp(prefix="campaign-simulation-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def clean_up() -> None:
    """Remove the stage."""
    shutil.rmtree(_stage())
    _stage.cache_clear()
    _new_ledger.cache_clear()


@cache
def _new_ledger() -> bytes:
    path = f"{_stage()}/new.sqlite"
    Ledger(path).close()
    with open(path, "rb") as file:
        return file.read()


class Drama:
    """Everything that one seed decides."""

    def __init__(self, seed: int, folder: str) -> None:
        self.world = world = World(seed, crashes=0.0, disk=0.0, weaving=0.0)
        dice = world.random
        world._rates = (
            dice.choice((0.0, 0.0005, 0.002, 0.01)),
            dice.choice((0.0, 0.0, 0.003, 0.02)),
            dice.choice((0.0, 0.05, 0.2)),
        )
        self.workspace = Workspace(folder)
        with open(self.workspace.ledger, "wb") as file:
            file.write(_new_ledger())
        os.chmod(self.workspace.ledger, 0o600)
        self.places = dice.choice((1, 2, 2, 3))
        slots = {"gpu": dice.choice((1, 1, 2))} if dice.random() < 0.5 else {"other": 1}
        self.truth = Truth(world, folder, self.workspace.ledger, self.places, slots)
        self.slots = ",".join(f"{name}={count}" for name, count in slots.items())
        for number in range(dice.choice((1, 1, 2, 3))):
            plan = self._plan(number, slots)
            self.truth.plans[plan.row.id] = plan
        self.host: Host | None = None
        self.submitter = Person(world, self.truth, lambda: self.host)
        self.controller = Person(world, self.truth, lambda: self.host)
        self.happened: Counter[str] = Counter()
        self._takeover: list[tuple[Any, ...]] = []
        self._looked, self._finished_all = 0, False
        self._pause_s = 0.0  # how long nobody will start another daemon

    def _plan(self, number: int, slots: dict[str, int]) -> Plan:
        dice = self.world.random
        lanes, chains = [], self._chains(number)
        for lane in range(dice.choice((1, 1, 2, 3))):
            group = dice.choice(("a", "a", "b"))
            needs = {"gpu": 1} if "gpu" in slots and dice.random() < 0.3 else {}
            prefers = {"gpu": 1} if not needs and dice.random() < 0.15 else {}
            made = Lane(
                number=lane,
                group=group,
                label=f"{group}.i{lane}",
                needs=needs,
                prefers=prefers,
                priority=dice.choice((0, 0, 5)),
                chained=lane in chains,
            )
            lanes.append((made, dice.choice((1, 2, 3, 5))))
        name = f"c{number}"
        row = CampaignRow(
            id=name,
            submission=f"submission-{number}",
            name=name,
            spec="/c.camp",
            run_root=f"{self.workspace.runs}/{name}",
            plan_hash="p",
            seed=0,
            parallel=dice.randint(1, self.places),
            orphans=dice.choice(_POLICIES),
            created_at=f"2026-01-01T00:00:0{number}Z",
        )
        judged = frozenset(lane for lane in range(len(lanes)) if dice.random() < 0.4)
        return Plan(
            row,
            lanes,
            slots=slots,
            stop_on_fail=dice.random() < 0.1,
            attempts=dice.choice((1, 1, 2, 3)),
            judged=judged,
            poison=dice.random() < 0.1,
            chains=chains,
        )

    def _chains(self, number: int) -> dict[int, Links]:
        """Which lanes of a campaign are chains, in some of the seeds."""
        if self.world.seed % CHAINED != 1:
            return {}
        dice = random.Random(f"{self.world.seed} chains {number}")  # of its own, so that the others stay what they are
        return {lane: Links(dice.choice((2, 3, 5)), dice.random() < 0.6) for lane in range(3) if dice.random() < 0.7}

    # --- the play -------------------------------------------------------------------------------------------------

    def play(self) -> Counter[str]:
        world = self.world
        world.checks = [self.truth.check, self._revive]
        for plan in self.truth.plans.values():
            submission = wire.Submit(plan.row, {})
            world.at(world.random.uniform(0, 5), None, lambda each=submission: self.submitter.ask("submit", each))  # type: ignore[misc]
        for _ in range(world.random.choice((0, 1, 3, 6))):
            world.at(world.random.uniform(0, _TROUBLE_S), None, self._wish)
        for _ in range(world.random.choice((0, 1, 3, 8))):
            world.at(world.random.uniform(0, _TROUBLE_S), None, self._misfortune)
        aside = random.Random(f"{world.seed} beside")  # of its own, so that the other seeds stay what they are
        for _ in range(aside.choice((0, 0, 1, 2, 4))):
            world.at(aside.uniform(5, 1.5 * _TROUBLE_S), None, lambda: self._beside(aside))
        with world:
            self._revive()
            world.run(_TROUBLE_S, lambda: self._over)
            self._settle()
            self._final()
        self.happened["reached"] += world.reached
        self.happened["attempts"] += len(self.truth.attempts)
        return self.happened

    def _settle(self) -> None:
        """No more misfortunes: everything comes to its end."""
        world = self.world
        world.calm = True
        world.tell("calm")
        for supervisor in self.truth.pids.values():
            supervisor.thaw()
        self.controller.ask("resume", wire.Control())
        self._release()
        for _ in range(4):
            world.run(world.time + _PATIENCE_S, lambda: self._over)
            if self._over:
                return
            world.tell("somebody restarts the daemon")
            self._release()
            if self.host is not None and self.host.ready:
                world.within(self.host, self.host.leave)
                self._revive()
        unfinished = [row for row in self._rows("SELECT id, state FROM campaign") if row[1] != "finished"]
        self.truth.wrong(f"it never comes to its end: {unfinished}")

    def _release(self) -> None:
        """Somebody ends what would not end, and gives back what it held."""
        for token in self.truth.give_up():
            self.controller.ask("release", wire.Token(token))

    @property
    def _over(self) -> bool:
        """Whether everybody has an answer and every campaign is at its end."""
        if not (self.submitter.idle and self.controller.idle and len(self.truth.submissions) == len(self.truth.plans)):
            return False
        if not self.world.calm and any(True for _ in self.truth.pauses):
            return False
        if self._looked != self.world.committed:
            self._looked = self.world.committed
            open_ = self._rows(
                "SELECT 1 FROM request WHERE state = 'open' UNION ALL"
                f" SELECT 1 FROM attempt WHERE origin != 'plan' AND state IN {_IN_FLIGHT}"
            )
            states = self._rows("SELECT state FROM campaign")
            self._finished_all = not open_ and all(state == "finished" for (state,) in states)
        return self._finished_all

    def close(self) -> None:
        self.world.calm = True
        for supervisor in self.truth.pids.values():
            supervisor.kill()
        if self.host is not None:
            self.host.kill()
        self.truth.close()

    # --- the daemon -----------------------------------------------------------------------------------------------

    def _revive(self) -> None:
        """Somebody sees to it that there is a daemon."""
        if self.host is not None and self.host.alive:
            return
        if self.host is not None:
            self.happened["daemons that ended"] += 1
        host = self.host = Host(self.world, self.truth, self.workspace, self.places, self.slots)
        delay = self._pause_s or (self.world.random.choice((0.0, 0.1, 3.0)) if self.world.time else 0.0)
        self._pause_s = 0.0
        self.world.later(delay, host, lambda: self._begin(host))

    def _begin(self, host: Host) -> None:
        self.truth.check()
        host.begin(self._seen)
        self.truth.check()
        self._judge_takeover()

    def _seen(self, daemon: Daemon) -> None:
        Model(daemon._shell.core._scheduler)
        query = (
            f"SELECT token, state, campaign, origin, key, attempt FROM attempt WHERE state IN {_IN_FLIGHT} ORDER BY id"
        )
        self._takeover = [(*row, self._found(*row[:2])) for row in self._rows(query)]

    def _found(self, token: str, state: str) -> str:
        """The row of the table of takeovers that an attempt stands in."""
        truth = self.truth
        private, attempt = f"{self.workspace.attempts}/{token}", truth.attempts.get(token)
        rebooted = truth.born.get(token) != truth.boot
        if not os.path.lexists(private):
            return "dead" if rebooted else "lost"
        claim = f"{private}/claim"
        head = truth.heads.get(token, (token, 0))[0]
        if (
            state == "admitted"
            and not rebooted
            and token in truth.heads
            and lock_held(f"{self.workspace.attempts}/{head}")
        ):
            return "alive"
        if state == "admitted" and (os.path.islink(claim) or (not os.path.lexists(claim) and not rebooted)):
            return "no claim"
        if lock_held(private):  # perhaps a moment before its claim
            return "alive"
        if attempt is not None and attempt.damaged:
            return "damaged"
        if attempt is not None and attempt.durable:
            return "record"
        if os.path.lexists(f"{private}/undo/f.json"):
            return "uncleared"
        return "dead"

    def _judge_takeover(self) -> None:
        for token, state, campaign, origin, key, number, before in self._takeover:
            ((now, verdict, reason, again),) = self._rows(
                "SELECT state, verdict, reason, again FROM attempt"
                " WHERE campaign = ? AND origin = ? AND key = ? AND attempt = ?", campaign, origin, key, number,
            )  # fmt: skip
            self.happened[f"taken over: {before}"] += 1
            policy = self.truth.plans[campaign].row.orphans
            found = (now, verdict, reason, again)
            after = self._found(token, state)
            if not any(
                self._as_the_table_says(each, policy, state, found, token, (campaign, origin, key))
                for each in (before, after)
            ):
                self.truth.wrong(
                    f"{campaign} {key} attempt {number}, {state}, was found {before} under {policy} and is {found} now"
                )
        self._takeover = []

    def _as_the_table_says(
        self, found: str, policy: str, state: str, now: tuple[str, Any, Any, Any], token: str, run: tuple[str, str, str]
    ) -> bool:
        if found in {"dead", "uncleared", "damaged"} and token in self.truth.stubborn:
            found = "lost"
        link = self.truth.heads.get(token, (token, 0))[0] != token
        if found == "record":
            return now[0] in {"judging", "done"}
        if found == "no claim":
            return now[0] == "queued" or now[:2] == ("done", "canceled") or (link and now[:2] == ("done", "skipped"))
        if found in {"alive", "uncleared"}:
            return now[0] == state
        if found == "damaged":
            return now[:2] == ("done", "error")
        if found == "lost":
            taken_back = link and now[0] == "queued"  # with the first one of its chain, which proves that it never ran
            return now[0] == "lost" or taken_back or (state == "judging" and now[:2] == ("done", "error"))
        if state == "judging":
            return now[:2] == ("done", "error")
        campaign, origin, key = run
        if origin != "plan" and policy == "requeue":
            policy = "fail"  # what follows is up to who asked for it
        poison = list(self.truth.causes[campaign, key].values()).count("orphan") >= MOST_REQUEUES
        return now == {
            "cancel": ("done", "canceled", "orphaned", None),
            "requeue": ("done", "error", "poison", None) if poison else ("done", "error", "orphaned", "orphan"),
        }.get(policy, ("done", "error", "orphaned", None))

    # --- what people want -------------------------------------------------------------------------------------------

    def _wish(self) -> None:
        dice = self.world.random
        if self.world.calm:
            return  # or who pauses now waits for ever
        known = sorted(self.truth.submissions)
        campaign = dice.choice(known) if known else None
        prefix = dice.choice(("", "", "a", "b", "a.i0")) if campaign else ""
        verb = dice.choice(("pause", "pause", "pause", "resume", "resume", "cancel", "retry"))
        if verb == "retry":
            if campaign is not None:
                self.controller.ask("retry", wire.Enqueue(campaign, f"again-{self.truth.count('retry')}"))
        elif verb != "cancel" or dice.random() < 0.5:
            self.controller.ask(verb, wire.Control(campaign, prefix))
        self.happened[verb] += 1

    def _beside(self, dice: random.Random) -> None:
        """Somebody wants more of a run that is done."""
        rows = self._rows("SELECT token, campaign FROM attempt WHERE origin = 'plan' AND state = 'done' ORDER BY id")
        rows = [row for row in rows if row[1] in self.truth.submissions]
        if rows:
            token, campaign = dice.choice(rows)
            kind, settings = dice.choice(
                (("replay", {"times": dice.choice((1, 2, 3))}), ("minimize", {"patient": dice.random() < 0.4}))
            )
            name = f"request-{self.truth.count('request')}"
            row = RequestRow(id=name, campaign=campaign, kind=kind, parent=token, settings=settings, at="")
            self.controller.ask("beside", wire.Beside(row))
            self.happened[kind] += 1

    # --- misfortunes ------------------------------------------------------------------------------------------------

    def _misfortune(self) -> None:
        dice, world = self.world.random, self.world
        if world.calm:
            return
        acts: list[Callable[[], None]] = [
            self._kill_daemon, self._kill_daemon, self._stop_daemon, self._kill_supervisor, self._kill_supervisor,
            self._freeze, self._kill_planner, self._power_cut, self._jump, self._remove, self._damage,
        ]  # fmt: skip
        act = dice.choice(acts)
        self.happened[act.__name__.strip("_").replace("_", " ")] += 1
        act()

    def _kill_daemon(self) -> None:
        if self.host is not None:
            self.world.tell(f"{self.host.name} is killed")
            self.host.kill()

    def _stop_daemon(self) -> None:
        if self.host is not None and self.host.ready:
            self.world.tell(f"{self.host.name} is told to leave")
            self.world.within(self.host, self.host.leave)

    def _supervisors(self) -> list[Supervisor]:
        return [each for each in self.truth.pids.values() if each.alive]

    def _kill_supervisor(self) -> None:
        if found := self._supervisors():
            victim = self.world.random.choice(found)
            self.world.tell(f"{victim.name} is killed")
            victim.kill()

    def _freeze(self) -> None:
        if found := self._supervisors():
            victim = self.world.random.choice(found)
            self.world.tell(f"{victim.name} is stopped")
            victim.freeze()

    def _kill_planner(self) -> None:
        if found := [each for each in self.truth.planners if each.alive]:
            victim = self.world.random.choice(found)
            self.world.tell(f"{victim.name} is killed")
            victim.kill()

    def _power_cut(self) -> None:
        self.world.tell("the power is cut")
        if self.host is not None:
            self.host.kill()
        for each in (*self._supervisors(), *self.truth.planners):
            each.kill()
        self.truth.power_cut()

    def _jump(self) -> None:
        self.world.jump += self.world.random.choice((-7200.0, -1.0, 3600.0, 1e6))
        self.world.tell("the clock jumps")

    def _folders(self) -> list[str]:
        rows = self._rows(f"SELECT token FROM attempt WHERE state IN {_IN_FLIGHT} ORDER BY id")
        return [token for (token,) in rows if os.path.isdir(f"{self.workspace.attempts}/{token}")]

    def _remove(self) -> None:
        if found := self._folders():
            token = self.world.random.choice(found)
            self.world.tell(f"somebody removes the folder of {token}")
            shutil.rmtree(f"{self.workspace.attempts}/{token}")
            self.truth.vanished.add(token)

    def _damage(self) -> None:
        """The daemon dies, what runs leaves its record meanwhile, and one of those is damaged before the next one looks."""
        self._pause_s = 3.0
        self._kill_daemon()
        self.world.later(2.5, None, self._damage_one)

    def _damage_one(self) -> None:
        attempts = [self.truth.attempts.get(token) for token in self._folders()]
        if found := [each for each in attempts if each is not None and each.durable]:
            victim: Attempt = self.world.random.choice(found)
            self.world.tell(f"the exit record of {victim.order.token} is damaged")
            victim.damaged = True
            with open(f"{victim.order.directories.private}/exit.json", "r+b") as file:
                file.truncate(self.world.random.choice((0, 10)))

    # --- the end ----------------------------------------------------------------------------------------------------

    def _final(self) -> None:
        """Nothing that was acknowledged is lost, and everything that was planned is decided."""
        rows = self._rows("SELECT id, count(*) FROM campaign GROUP BY submission")
        if sorted(rows) != sorted((name, 1) for name in self.truth.plans):
            self.truth.wrong(f"submitted were {sorted(self.truth.plans)}, recorded are {rows}")
        for plan in self.truth.plans.values():
            self._finished(plan)
        self._asked_for()

    def _asked_for(self) -> None:
        """What was asked for beside the plans was carried out once, or canceled."""
        known = dict(self._rows("SELECT id, state FROM request"))
        if not self.truth.requests <= known.keys():
            self.truth.wrong(f"asked for were {self.truth.requests}, recorded are {known}")
        for name, state in known.items():
            query = "SELECT verdict, state, reason FROM attempt WHERE request = ?"
            rows = [row for row in self._rows(query, name) if row[2] != "interrupted"]
            (kind, settings) = self._rows("SELECT kind, settings FROM request WHERE id = ?", name)[0]
            times = json.loads(settings).get("times", MOST_CANDIDATES)
            if not rows and state == "done" and self._joined(name):
                continue
            if state not in {"done", "canceled"}:
                self.truth.wrong(f"{name} is {state}")
            if len(rows) > times or (
                state == "done" and kind == "replay" and len(rows) != times and not self._maybe(name)
            ):
                self.truth.wrong(f"{name} wanted {times} attempts and had {rows}")
            if any(row[1] not in {"done", "lost"} for row in rows):
                self.truth.wrong(f"{name} is {state}, its attempts are {rows}")

    def _joined(self, name: str) -> bool:
        """Whether another one, that wanted the same and was carried out, was answered the same."""
        query = """SELECT count(*) FROM request r JOIN request o ON o.id != r.id AND o.state = 'done'
                   AND (o.kind, o.parent, o.settings, o.result) = (r.kind, r.parent, r.settings, r.result)
                   WHERE r.id = ? AND EXISTS (SELECT 1 FROM attempt a WHERE a.request = o.id)"""
        ((others,),) = self._rows(query, name)
        return bool(others)

    def _maybe(self, name: str) -> bool:
        """Whether some of it may have been canceled before it was admitted."""
        ((campaign, instance),) = self._rows("SELECT campaign, instance FROM request WHERE id = ?", name)
        return self.truth.canceled(campaign, instance, surely=False)

    def _finished(self, plan: Plan) -> None:
        if any(order.campaign == plan.row.id for order in self.truth.serving.values()):
            self.truth.wrong(f"{plan.row.id} is finished, and something still serves it")
        query = """SELECT key, state, verdict, again, max(attempt) FROM attempt
                   WHERE campaign = ? AND origin = 'plan' GROUP BY key"""
        last = {key: rest for key, *rest in self._rows(query, plan.row.id)}
        failed = any(verdict == "fail" for _, verdict, _, _ in last.values())
        for key in plan.keys:
            excused = self.truth.canceled(plan.row.id, plan.label(key), surely=False) or (plan.stop_on_fail and failed)
            state, _, again, _ = last.get(key, ("missing", None, None, 0))
            if state not in {"done", "lost"} and not excused:
                self.truth.wrong(f"{plan.row.id} is finished, its {key} is {state}")
            if state == "done" and again is not None and not excused:
                self.truth.wrong(f"{plan.row.id} is finished, no attempt followed the last one of {key}: {again}")
            if state in {"admitted", "starting", "running", "judging"}:
                self.truth.wrong(f"{plan.row.id} is finished, its {key} is {state} for ever")

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.truth.reader().execute(query, values).fetchall()
