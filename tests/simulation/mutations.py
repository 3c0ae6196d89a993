"""Defects put in on purpose: each must show among the seeds, or the simulation proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from campaign.engine import (
    attempts,
    chain,
    core,
    executor,
    flight,
    policies,
    protocol,
    recover,
    scheduler,
    scheduling,
    service,
    shell,
    sidework,
)
from campaign.engine.desk import Desk
from campaign.engine.shares import Share
from campaign.engine.states import State
from campaign.engine.wire import Submit
from campaign.ledger.queries import LedgerReader
from campaign.supervise import claim

Patch = pytest.MonkeyPatch


def slots_freed_at_the_start(patch: Patch) -> None:
    real = core.Core.started

    def started(self: Any, token: str, at: str) -> None:
        real(self, token, at)
        if token in self._flights:
            self._schedule(self._flights[token].order.campaign, scheduling.Yielded(token))

    patch.setattr(core.Core, "started", started)


def place_freed_before_the_judgement(patch: Patch) -> None:
    real = core.Core.started

    def started(self: Any, token: str, at: str) -> None:
        real(self, token, at)
        if token in self._flights:
            self._schedule(self._flights[token].order.campaign, scheduling.Left(token))

    patch.setattr(core.Core, "started", started)


def revocation_without_the_claim(patch: Patch) -> None:
    patch.setattr(shell, "_revoke", lambda order: True)


def claim_of_a_revoked_attempt_taken(patch: Patch) -> None:
    def make(folder: int, owner: Any) -> None:
        with open(claim.os.open("claim.new", claim._OPEN, 0o600, dir_fd=folder), "wb") as file:
            file.write(msgspec.json.encode(owner))
        claim.os.rename("claim.new", "claim", src_dir_fd=folder, dst_dir_fd=folder)

    patch.setattr(claim, "_make_claim", make)


def exit_record_ignored(patch: Patch) -> None:
    patch.setattr(recover, "read_exit", lambda order: None)


def damaged_exit_record_taken_for_none(patch: Patch) -> None:
    real = recover.read_exit
    patch.setattr(
        recover, "read_exit", lambda order: found if isinstance(found := real(order), executor.Exited) else None
    )


def requeues_uncounted(patch: Patch) -> None:
    patch.setattr(policies, "requeue", lambda requeues: policies.Again("orphan"))


def attempt_that_is_due_uncounted_after_a_takeover(patch: Patch) -> None:
    real = core.Core.resume

    def resume(self: Any, campaign: str, again: Any, counts: dict[str, int]) -> None:
        if again.cause in {"policy", "orphan"} and again.cause in counts:
            counts[again.cause] -= 1
        real(self, campaign, again, counts)

    patch.setattr(core.Core, "resume", resume)


def campaigns_not_in_turn(patch: Patch) -> None:
    real = scheduler.Scheduler._choose

    def choose(self: Any) -> Any:
        self._shares = dict(sorted(self._shares.items()))
        return real(self)

    patch.setattr(scheduler.Scheduler, "_choose", choose)


def groups_not_in_turn(patch: Patch) -> None:
    patch.setattr(Share, "served", Share.tidy)


def acknowledged_before_the_commit(patch: Patch) -> None:
    def submit(self: Any, client: Any, request: int, args: Any) -> None:
        asked = msgspec.json.decode(args, type=Submit)
        client.answer(request, service.wire.Done((asked.campaign.id,)))
        self._start(self._desk.submit(asked))

    patch.setattr(service.Service, "_submit", submit)


def submitted_twice_when_asked_twice(patch: Patch) -> None:
    real = Desk.submit

    def submit(self: Any, asked: Submit) -> Any:
        number = len(list(LedgerReader(self._ledger.path).campaigns()))
        return real(self, Submit(msgspec.structs.replace(asked.campaign, submission=f"s{number}"), asked.blobs))

    patch.setattr(Desk, "submit", submit)


def pause_forgotten_by_the_next_owner(patch: Patch) -> None:
    real = shell.Shell.take_over

    def take_over(self: Any) -> None:
        with pytest.MonkeyPatch.context() as within:
            within.setattr(shell.Shell, "control", lambda self, reader: None)
            real(self)

    patch.setattr(shell.Shell, "take_over", take_over)


def cancellation_forgotten_by_the_next_owner(patch: Patch) -> None:
    patch.setattr(core.Core, "begin", _begin_without_drops)


def _begin_without_drops(self: Any, message: Any) -> None:
    course = self._courses[message.campaign.id]
    course.canceled.clear()
    _begin(self, message)


_begin = core.Core.begin


def adopted_runs_take_no_place(patch: Patch) -> None:
    patch.setattr(scheduler.Scheduler, "_adopt", lambda self, event: None)
    patch.setattr(scheduler.Scheduler, "idle", lambda self, campaign="": False)


def one_place_too_many(patch: Patch) -> None:
    real = executor.LocalExecutor.__init__

    def more(self: Any, loop: Any, handles: Any, *rest: Any) -> None:
        real(self, loop, [*handles, handles[0].nursery.start()], *rest)

    patch.setattr(executor.LocalExecutor, "__init__", more)
    patch.setattr(scheduler.Scheduler, "_limit", property(lambda self: 2 * self.places))


def missing_claim_trusted_after_a_power_cut(patch: Patch) -> None:
    patch.setattr(shell, "boot_of_admissions", lambda folder, machine: recover.Boot.PRESENT)


def policy_of_orphans_ignored(patch: Patch) -> None:
    real = core.Core._orphaned
    patch.setattr(core.Core, "_orphaned", lambda self, it, policy, why: real(self, it, "adopt", why))


def lost_runs_free_their_slots(patch: Patch) -> None:
    real = core.Core._leave
    patch.setattr(core.Core, "_leave", lambda self, it, holding=False: real(self, it))


def state_written_without_its_cause(patch: Patch) -> None:
    real = flight.Flight.catch_up

    def leap(self: Any, target: State, at: str) -> Any:
        moves = list(real(self, target, at))
        return [msgspec.structs.replace(moves[-1], source=moves[0].source)] if moves else []

    patch.setattr(flight.Flight, "catch_up", leap)


def closed_while_something_runs(patch: Patch) -> None:
    def close(self: Any, campaign: str, message: Any) -> None:
        course = self._courses[campaign]
        if not course.requests and not course.aside:
            self._record_campaign(campaign, message.state, message.exit_status)
        if not course.requests:
            self.out.says.append((campaign, protocol.Closed()))
            self._forget(campaign)

    patch.setattr(core.Core, "close", close)


def what_was_ordered_beside_a_plan_forgotten(patch: Patch) -> None:
    patch.setattr(sidework.Sidework, "_remember", lambda self, job, record: None)


def chain_repeated_for_each_of_its_runs(patch: Patch) -> None:
    patch.setattr(
        attempts.Attempts, "_await_chain", lambda self, it, again, after_s: self._await(it.name, again, after_s)
    )


def chain_that_goes_on_taken_back(patch: Patch) -> None:
    patch.setattr(recover, "_head", lambda order: order.directories.private)


def slots_of_a_chain_freed_after_its_first_run(patch: Patch) -> None:
    patch.setattr(chain.Chain, "is_last", lambda self, flight: True)


def repetition_of_a_chain_asked_of_nobody(patch: Patch) -> None:
    real = attempts.Attempts._await_chain

    def await_chain(self: Any, it: Any, again: Any, after_s: float) -> None:
        real(self, it, again, after_s)
        it.due.add((chain.cell_of(again.key), again.attempt))

    patch.setattr(attempts.Attempts, "_await_chain", await_chain)


#: Each with a seed that shows it, to be tried first.
MUTATIONS: dict[Callable[[Patch], None], int] = {
    slots_freed_at_the_start: 14,
    place_freed_before_the_judgement: 0,
    revocation_without_the_claim: 2,
    claim_of_a_revoked_attempt_taken: 2,
    exit_record_ignored: 0,
    damaged_exit_record_taken_for_none: 199,
    requeues_uncounted: 19,
    attempt_that_is_due_uncounted_after_a_takeover: 0,
    campaigns_not_in_turn: 1,
    groups_not_in_turn: 2,
    acknowledged_before_the_commit: 12,
    submitted_twice_when_asked_twice: 0,
    pause_forgotten_by_the_next_owner: 2,
    cancellation_forgotten_by_the_next_owner: 27,
    adopted_runs_take_no_place: 0,
    one_place_too_many: 0,
    missing_claim_trusted_after_a_power_cut: 14,
    policy_of_orphans_ignored: 9,
    lost_runs_free_their_slots: 14,
    state_written_without_its_cause: 0,
    closed_while_something_runs: 2,
    what_was_ordered_beside_a_plan_forgotten: 19,
    chain_repeated_for_each_of_its_runs: 151,
    chain_that_goes_on_taken_back: 51,
    slots_of_a_chain_freed_after_its_first_run: 276,
    repetition_of_a_chain_asked_of_nobody: 151,
}
