"""What the ledger's writers hand in and its readers get back: one frozen record a row or a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from campaign.records import Decision, Exit, FaultExit, OracleRecord, Order, Verdict, WatchExit

#: States of a campaign.
QUEUED, RUNNING, INTERRUPTED, FINISHED = "queued", "running", "interrupted", "finished"
#: States of an attempt, and what it can come to.
STATES = frozenset({"queued", "admitted", "starting", "running", "judging", "done", "lost"})
VERDICTS = frozenset(map(str, Verdict))
#: The origin of the attempts that a plan asks for.
PLAN = "plan"
#: That of attempts that carry its runs out once more, until one does not pass.
REPEAT = "repeat"
#: States of a request.
OPEN, DONE, FAILED, CANCELED = "open", "done", "failed", "canceled"
#: Verbs of ``control``.
PAUSE, CANCEL = "pause", "cancel"
#: The source of a judgement that was made again.
RECHECK = "recheck"


def stored_seed(seed: int) -> int:
    """A seed as a column holds it: SQLite's integers have a sign, so the upper half stands below zero.

    Raises OverflowError for what is no number of 64 bits without a sign.
    """
    return int.from_bytes(seed.to_bytes(8, "big"), "big", signed=True)


def seed_of(stored: Any) -> int:
    """The seed that a column holds; what a damaged one holds is left as it is."""
    return stored % (1 << 64) if isinstance(stored, int) else stored


class CampaignRow(Struct, frozen=True, kw_only=True):
    """One execution of a campaign.

    ``state`` is ``queued``, ``running``, ``interrupted`` (``--resume`` goes on) or ``finished``; ``snapshot`` the hash
    of the snapshot's manifest in ``blob``; ``run_root`` the campaign's own folder, ``…/runs/<id>``; ``total`` the runs
    planned, None where counting would have meant expanding; ``submission`` a client's own id of its request, so that
    asking twice is safe.
    """

    id: str
    submission: str | None = None
    name: str
    about: str | None = None
    spec: str
    state: str = RUNNING
    run_root: str
    snapshot: str | None = None
    plan_hash: str
    seed: int
    tier: str | None = None
    total: int | None = None
    parallel: int
    orphans: str = "adopt"
    created_at: str
    finished_at: str | None = None
    exit_status: int | None = None

    @property
    def finished(self) -> bool:
        """Whether it came to its end, so that there is nothing to resume."""
        return self.state == FINISHED


def columns_of(row: CampaignRow | AttemptRow, names: Sequence[str]) -> list[Any]:
    """The fields of a row as their columns hold them."""
    return [stored_seed(row.seed) if name == "seed" else getattr(row, name) for name in names]


def left_alone(row: CampaignRow) -> CampaignRow:
    """A campaign as it stands when nobody holds the workspace any more: an ``exec`` that ran was interrupted."""
    dead = row.state == RUNNING and row.submission is None
    return replace(row, state=INTERRUPTED) if dead else row


class AttemptRow(Struct, frozen=True, kw_only=True):
    """One attempt of one run: where it stands and, when done, what it came to.

    ``run`` is the run's id, ``directory`` the attempt's public one; ``kind``, ``message`` and ``fingerprint`` are
    the failure's; ``again`` is the cause of the attempt that follows a done one, set in the same transaction, so
    that a crash between the two loses neither; ``request`` is what asked for it beside the plan.
    """

    id: int
    campaign: str
    key: str
    origin: str
    attempt: int
    parent: str | None
    run: str
    token: str
    epoch: int
    digest: str
    cause: str
    instance: str
    cell: str
    seed: int
    directory: str
    state: str
    verdict: str | None
    reason: str | None
    kind: str | None
    message: str | None
    fingerprint: str | None
    again: str | None
    admitted_at: str
    started_at: str | None
    finished_at: str | None
    duration_s: float | None
    request: str | None = None

    @property
    def flaky(self) -> bool:
        """A pass on a retry."""
        return passed_on_retry(self.verdict, self.attempt, self.cause)

    @property
    def name(self) -> str:
        """Which attempt of its campaign it is: ``key@attempt``, before that its origin where it is not the plan."""
        return attempt_name(self.key, self.origin, self.attempt)


def passed_on_retry(verdict: str | None, attempt: int, cause: str) -> bool:
    """What is called flaky: a pass after an earlier attempt that had not, retried by the spec's own policy."""
    return verdict == "pass" and attempt > 1 and cause == "policy"


def attempt_name(key: str, origin: str, attempt: int) -> str:
    """``key@attempt``, before that its origin where it is not the plan: ``key@repeat-3``."""
    return f"{key}@{attempt}" if origin == PLAN else f"{key}@{origin}-{attempt}"


class AttemptRecord(Struct, frozen=True, kw_only=True):
    """An attempt with all that is known of it: what was ordered, how it ended and what was made of it."""

    row: AttemptRow
    order: Order
    exit: Exit | None = None
    oracles: tuple[OracleRecord, ...] = ()
    decision: Decision | None = None


class Glance(Struct, frozen=True, kw_only=True):
    """The little of an attempt that pictures of a whole campaign are made of, cheap to read by the 100,000.

    ``decides``: no later attempt of its run follows.  ``metrics`` are texts as printed, the last step's that gave one.
    """

    key: str
    attempt: int
    cause: str
    instance: str
    cell: str
    seed: int
    directory: str
    verdict: str | None
    reason: str | None
    fingerprint: str | None
    started_at: str | None
    finished_at: str | None
    duration_s: float | None
    decides: bool
    axes: dict[str, Any] = {}
    granted: dict[str, tuple[int, ...]] = {}
    metrics: dict[str, str] = {}
    faults: tuple[FaultExit, ...] = ()
    watches: tuple[WatchExit, ...] = ()

    @property
    def flaky(self) -> bool:
        """A pass on a retry."""
        return passed_on_retry(self.verdict, self.attempt, self.cause)


class Outcome(Struct, frozen=True):
    """What became of a run, by the attempt that decides it: the least that a comparison of campaigns needs.

    ``axes`` are there where they were asked for; ``metrics``, texts as printed, where the run passed.
    """

    instance: str
    cell: str
    seed: int
    attempt: int
    cause: str
    verdict: str | None
    duration_s: float | None
    axes: dict[str, Any] = {}
    metrics: dict[str, str] = {}

    @property
    def flaky(self) -> bool:
        """A pass on a retry."""
        return passed_on_retry(self.verdict, self.attempt, self.cause)


class Trial(Struct, frozen=True):
    """The attempt that decides a run, as analyses read it by the 100,000: what is large is read where it is needed.

    ``order`` is the number of its order's blob, ``exit`` its exit record as JSON where there is one.
    """

    token: str
    key: str
    attempt: int
    cause: str
    instance: str
    cell: str
    directory: str
    verdict: str | None
    reason: str | None
    kind: str | None
    message: str | None
    fingerprint: str | None
    order: int
    exit: bytes | None

    @property
    def flaky(self) -> bool:
        """A pass on a retry."""
        return passed_on_retry(self.verdict, self.attempt, self.cause)

    @property
    def name(self) -> str:
        """Which attempt of its campaign it is."""
        return attempt_name(self.key, PLAN, self.attempt)


class Sighting(Struct, frozen=True):
    """An attempt that failed with a fingerprint, and when."""

    fingerprint: str
    campaign: str
    key: str
    origin: str
    attempt: int
    at: str

    @property
    def name(self) -> str:
        """Which attempt of its campaign it is."""
        return attempt_name(self.key, self.origin, self.attempt)

    @property
    def run(self) -> str:
        """How every verb takes it: ``campaign/key@attempt``."""
        return f"{self.campaign}/{self.name}"


class FailureRow(Struct, frozen=True, kw_only=True):
    """The attempts of one fingerprint, in a campaign or in all: how many, and the one that was judged first in full.

    ``runs`` and ``cells`` count those it came in; ``recovered`` are attempts whose run passed on a later one.
    ``first`` was judged first and ``last`` last; ``origin`` was first in the whole workspace.
    """

    fingerprint: str
    count: int
    campaigns: int
    runs: int
    cells: int
    recovered: int
    verdict: str
    kind: str
    message: str
    campaign: str
    key: str
    attempt: int
    directory: str
    first_seen: str
    last_seen: str
    first: Sighting
    last: Sighting
    origin: Sighting

    @property
    def known(self) -> bool:
        """Whether an earlier campaign saw it; of all campaigns: whether a later one saw it again."""
        return self.origin.campaign != self.last.campaign


class JudgementRow(Struct, frozen=True, kw_only=True):
    """A judgement of an attempt; ``source`` is ``exec`` or the verb that judged again."""

    token: str
    source: str
    at: str
    oracles: tuple[OracleRecord, ...]
    decision: Decision


class ControlRow(Struct, frozen=True):
    """What a person wants of the instances of a campaign (empty: of every one) that start with ``prefix``.

    ``verb`` is ``pause`` or ``cancel``.
    """

    campaign: str
    prefix: str
    verb: str
    at: str


class HoldRow(Struct, frozen=True):
    """A unit of a named slot that stays held by an attempt, and why.

    ``slot`` is empty where the attempt held none and a person has to look all the same.
    """

    token: str
    slot: str
    slot_index: int
    why: str
    at: str


class RequestRow(Struct, frozen=True, kw_only=True):
    """Further attempts that are asked for beside the plan: ``kind`` is ``replay``, ``repeat`` or ``minimize``.

    ``id`` is made by whoever asks, so that asking twice is safe; ``parent`` the token of the attempt that it is about
    and ``instance`` that one's label; none and empty where it is the whole campaign.  ``state`` is ``open``, ``done``,
    ``failed`` (it could not be carried out) or ``canceled``; ``result`` what it came to.
    """

    id: str
    campaign: str
    kind: str
    parent: str | None = None
    instance: str = ""
    settings: dict[str, Any] = {}
    state: str = OPEN
    at: str
    ended_at: str | None = None
    result: dict[str, Any] | None = None


class IterationRow(Struct, frozen=True, kw_only=True):
    """Campaigns towards a target: ``settings`` are what was asked for, ``spec`` the absolute path of the spec.

    ``id`` is made by whoever asks, so that asking twice is safe; ``state`` is ``open``, ``done`` or ``canceled``;
    ``result`` what it came to.
    """

    id: str
    spec: str
    settings: dict[str, Any] = {}
    state: str = OPEN
    at: str
    ended_at: str | None = None
    result: dict[str, Any] | None = None


class StepRow(Struct, frozen=True, kw_only=True):
    """A step of an iteration, written down before it is taken and again when it has been.

    ``number`` counts the steps from 1; ``settings`` are what it needs to be taken again after a crash; ``submission``
    is that of its ``campaign``, known only at the end; ``state`` is ``open``, ``done`` or ``failed``.
    """

    iteration: str
    number: int
    round: int
    kind: str
    settings: dict[str, Any] = {}
    submission: str | None = None
    campaign: str | None = None
    state: str = OPEN
    at: str
    ended_at: str | None = None
    result: dict[str, Any] | None = None


class Belonging(Struct, frozen=True):
    """Which step of an iteration a campaign is; ``open``: the iteration goes on."""

    iteration: str
    round: int
    kind: str
    open: bool


class RemovalRow(Struct, frozen=True):
    """A folder of a campaign that the ledger has forgotten and that is still to be removed from the disk.

    ``path`` is absolute, or relative to the workspace.
    """

    campaign: str
    path: str
    at: str


# --- changes, as the engine hands them to ``Ledger.commit`` ---------------------------------------------------------


class Admission(Struct, frozen=True, kw_only=True):
    """queued → admitted: the attempt's row and its order as JSON; a revoked attempt is admitted again in its row."""

    order: Order
    data: bytes
    cause: str
    at: str
    parent: str | None = None


class Move(Struct, frozen=True, kw_only=True):
    """Any other change of state; ``at`` RFC 3339.  ``held`` are the named slots that stay held, with the reason."""

    order: Order
    source: str
    target: str
    cause: str
    at: str
    held: str | None = None


class Ending(Struct, frozen=True, kw_only=True):
    """→ done, with everything that led to the verdict; ``exit`` is the exit record as JSON where there is one."""

    order: Order
    source: str
    cause: str
    at: str
    decision: Decision
    exit: bytes | None = None
    oracles: tuple[OracleRecord, ...] = ()
    again: str | None = None
    started_at: str | None = None
    duration_s: float | None = None
    held: str | None = None


class CampaignState(Struct, frozen=True, kw_only=True):
    """A campaign comes to its end, is interrupted, or goes on."""

    campaign: str
    state: str
    at: str | None = None
    exit_status: int | None = None


class Released(Struct, frozen=True):
    """A person gives back what an attempt holds."""

    token: str


class Requested(Struct, frozen=True):
    """Something is asked for beside the plan, in the transaction of what caused it.

    ``fresh`` is a fingerprint: only where no earlier campaign saw it, and no request of this kind in this one.
    """

    request: RequestRow
    fresh: str | None = None


class RequestEnded(Struct, frozen=True, kw_only=True):
    """What was asked for beside the plan is at its end."""

    request: str
    state: str
    at: str
    result: dict[str, Any] | None = None


Change: TypeAlias = Admission | Move | Ending | CampaignState | Released | Requested | RequestEnded
