"""What planner and engine say to each other: one JSON object a line, over a socket pair.

The planner knows the plan and renders orders; the engine knows the ledger, the clock and the supervisors.  An order
travels as the JSON it was rendered to and is stored and handed on as those same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Raw, Struct

from campaign.diagnostics import Diagnostic
from campaign.ledger.rows import PLAN, CampaignRow, RequestRow
from campaign.records import Decision, OracleRecord
from campaign.records.event import EventView

#: An optional Raw: msgspec takes no union with it.
NULL = Raw(b"null")


class Lane(Struct, frozen=True, kw_only=True):
    """A scenario as the scheduler sees it: runs that share group, priority and slots, expanded lazily, in order.

    ``group`` is the top-level group, ``label`` the whole one; ``number`` the scenario's place in the plan.
    ``rests``: its runs have a cooldown; ``chained``: the seeds of a cell are a chain.
    """

    number: int
    group: str
    label: str = ""
    priority: int = 0
    needs: Mapping[str, int] = {}
    prefers: Mapping[str, int] = {}
    rests: bool = False
    chained: bool = False


# --- planner → engine -------------------------------------------------------------------------------------------


class Open(Struct, frozen=True, tag="open", kw_only=True):
    """Carry a campaign out: record it with the parts of its snapshot, or go on with one that is recorded.

    ``slots`` are the named ones of this machine.  ``stop_on_fail``: no run of the plan starts after the first failure
    whose fingerprint is not among the ``quarantined`` ones.
    ``aside``: nothing of the plan, only what was asked for beside it; the campaign stays what it is.
    """

    campaign: CampaignRow
    blobs: Mapping[str, bytes] = {}
    lanes: tuple[Lane, ...]
    slots: Mapping[str, int] = {}
    requests: tuple[RequestRow, ...] = ()
    stop_on_fail: bool = False
    quarantined: tuple[str, ...] = ()
    resume: bool = False
    aside: bool = False


class Offer(Struct, frozen=True, tag="offer"):
    """The next orders of a lane, about as many as were wanted; ``exhausted``: there are no more.

    The runs of a chain come together, in their order.
    """

    lane: int
    orders: tuple[Raw, ...]
    exhausted: bool


class Repeat(Struct, frozen=True, tag="repeat"):
    """The order of a further attempt, asked for by ``Again``; of a chain's run those of all its runs.

    None where the plan does not know the run; ``run`` is then its origin and key.
    """

    lane: int
    cause: str
    orders: tuple[Raw, ...] = ()
    parent: str | None = None
    run: tuple[str, str] = ("", "")


class Beside(Struct, frozen=True, tag="beside"):
    """Orders beside the plan, of a lane that may be new: one that nobody is asked for, and that never ends the plan."""

    lane: Lane
    orders: tuple[Raw, ...]


class Settled(Struct, frozen=True, tag="settled"):
    """What was asked for beside the plan is at its end: what of it has not started will not be."""

    request: str
    state: str
    result: dict[str, Any]


class WindDown(Struct, frozen=True, tag="wind-down"):
    """Start nothing more; what runs ends by itself."""


class HaltAll(Struct, frozen=True, tag="halt-all"):
    """Start nothing more and end what runs, now."""


class Close(Struct, frozen=True, tag="close"):
    """The campaign came to its end (or stays ``interrupted``): record that and leave."""

    state: str
    exit_status: int


class Failed(Struct, frozen=True, tag="failed"):
    """The planner cannot go on with its campaign; ``defect`` is the traceback where the fault is our own."""

    diagnostics: tuple[Diagnostic, ...]
    defect: str | None = None


ToEngine: TypeAlias = Open | Offer | Repeat | Beside | Settled | WindDown | HaltAll | Close | Failed

# --- engine → planner -------------------------------------------------------------------------------------------


class Ready(Struct, frozen=True, tag="ready"):
    """The workspace is ours and what an earlier owner left is taken over; orders carry this epoch."""

    epoch: int


class Waiting(Struct, frozen=True, tag="waiting"):
    """Another process holds the workspace; the engine waits until it is gone."""

    owner: str


class Note(Struct, frozen=True, tag="note"):
    """A line for the person who looks on."""

    text: str


class Opened(Struct, frozen=True, tag="opened"):
    """The campaign is recorded; wants and news follow."""


class Broken(Struct, frozen=True, tag="broken"):
    """The engine cannot go on: nothing more is started, what is recorded stays; it leaves after this.

    ``defect`` is the traceback where the fault is our own.
    """

    diagnostics: tuple[Diagnostic, ...]
    defect: str | None = None


class Want(Struct, frozen=True, tag="want"):
    """Render that many more orders of these lanes: (lane, count) pairs."""

    lanes: tuple[tuple[int, int], ...]


class Again(Struct, frozen=True, tag="again"):
    """Render attempt ``attempt`` of a run; ``cause`` says why: ``policy``, ``orphan``, a verb, ``plan`` (revoked)."""

    key: str
    attempt: int
    cause: str
    parent: str | None = None
    origin: str = PLAN


class Requested(Struct, frozen=True, tag="requested"):
    """This is asked for beside the plan."""

    requests: tuple[RequestRow, ...]


class Unwanted(Struct, frozen=True, tag="unwanted"):
    """These orders beside the plan will not be carried out: a person canceled them."""

    tokens: tuple[str, ...]


class Dismissed(Struct, frozen=True, tag="dismissed"):
    """Nobody wants these requests any more; their ends are recorded."""

    requests: tuple[str, ...]


class Finished(Struct, frozen=True, tag="finished", kw_only=True, omit_defaults=True):
    """An attempt is done and recorded; ``exit`` may be ``null``.

    ``again`` is the cause of the attempt that follows, ``fallback`` why preferred slots were not granted.
    """

    seq: int
    token: str
    decision: Decision
    exit: Raw = NULL
    oracles: tuple[OracleRecord, ...] = ()
    again: str | None = None
    fallback: str | None = None
    origin: str = PLAN


class News(Struct, frozen=True, tag="news"):
    """What was committed: the events in order, and the attempts that are done by them."""

    events: tuple[EventView, ...]
    finished: tuple[Finished, ...] = ()


class Idle(Struct, frozen=True, tag="idle"):
    """Nothing is left to do (``complete``), or nothing more may start and nothing runs.

    ``lost`` runs could not be told; without ``places`` no supervisor was left to carry out the rest;
    ``canceled``: some of it was canceled by a person.
    """

    complete: bool
    lost: int = 0
    places: int = 1
    canceled: bool = False


class Closed(Struct, frozen=True, tag="closed"):
    """The last word."""


FromEngine: TypeAlias = (
    Ready | Waiting | Note | Opened | Broken | Want | Again | Requested | Unwanted | Dismissed | News | Idle | Closed
)
