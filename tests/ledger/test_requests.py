"""What is asked for beside the plans: once however often it is said, ended once, forgotten with its campaign."""

from __future__ import annotations

import pytest

from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import Change, Requested, RequestEnded, RequestRow
from campaign.ledger.store import Ledger
from campaign.records import Verdict

from .conftest import AT, ending, make_campaign, make_order, whole


def request(name: str = "r", **what: object) -> RequestRow:
    given = {"id": name, "campaign": "demo-1", "kind": "replay", "parent": "t0-1-demo-1", "instance": "a.b", "at": AT}
    return RequestRow(**{**given, "settings": {"times": 2}, **what})  # type: ignore[arg-type]


def states(path: str) -> dict[str, str]:
    with LedgerReader(path) as reader:
        return {row.id: row.state for row in reader.requests()}


def test_a_request_is_kept_once_and_read_back(ledger: Ledger) -> None:
    ledger.request(request())
    ledger.request(request(kind="minimize"))
    with LedgerReader(ledger.path) as reader:
        assert reader.requests("demo-1") == [request()]
        assert reader.request("r") == request()
        assert reader.requests_of("t0-1-demo-1") == [request()]
        assert reader.unsettled() == {"demo-1"}


def test_it_ends_once(ledger: Ledger) -> None:
    ledger.request(request())
    ledger.commit([RequestEnded(request="r", state="done", at=AT, result={"runs": []})])
    ledger.commit([RequestEnded(request="r", state="failed", at=AT)])
    with LedgerReader(ledger.path) as reader:
        assert reader.requests(state="open") == []
        (row,) = reader.requests(state="done")
    assert (row.result, row.ended_at) == ({"runs": []}, AT)


@pytest.mark.parametrize(
    ("prefix", "left"),
    [("", []), ("a", ["whole"]), ("a.b", ["whole"]), ("a.b.c", ["r", "whole"]), ("b", ["r", "whole"])],
)
def test_those_of_a_prefix_are_ended(ledger: Ledger, prefix: str, left: list[str]) -> None:
    ledger.request(request())
    ledger.request(request("whole", instance="", parent=None))
    ledger.end_requests("demo-1", prefix, "canceled", AT)
    assert [name for name, state in states(ledger.path).items() if state == "open"] == left


def test_a_campaign_begins_with_what_is_wanted_beside_it_and_takes_it_along(ledger: Ledger) -> None:
    ledger.begin_campaign(make_campaign("demo-2"), {}, [request("q", campaign="demo-2", parent=None)])
    ledger.request(request())
    assert set(states(ledger.path)) == {"q", "r"}
    ledger.forget("demo-2", AT)
    assert set(states(ledger.path)) == {"r"}


def test_only_a_new_failure_asks_and_only_once_a_campaign(ledger: Ledger) -> None:
    for number, campaign in enumerate(("demo-1", "demo-2")):
        if campaign != "demo-1":
            ledger.begin_campaign(make_campaign(campaign), {})
        for run in range(2):
            order = make_order(10 * number + run, campaign=campaign)
            asked = request(f"{campaign}-{run}", campaign=campaign, kind="minimize", parent=order.token)
            ledger.commit([*whole(order, Verdict.FAIL), Requested(asked, fresh="f" * 16)])
    assert states(ledger.path) == {"demo-1-0": "open"}


@pytest.mark.parametrize("same", [True, False], ids=["one-failure", "as-many-failures"])
def test_whether_a_failure_is_new_is_found_as_fast_among_many(ledger: Ledger, same: bool) -> None:
    worked: list[int] = []
    for some in (range(100), range(100, 300)):
        changes: list[Change] = []
        for number in some:
            order, mark = make_order(number), f"{0 if same else number:016x}"
            asked = Requested(request(str(number), kind="minimize", parent=order.token), fresh=mark)
            changes += [*whole(order)[:-1], ending(order, Verdict.FAIL, mark=mark), asked]
        ledger.commit(changes[:-1])
        worked.append(ticks(ledger, changes[-1]))
    assert states(ledger.path) == {str(number): "open" for number in range(1 if same else 300)}
    assert worked[1] < 1.5 * worked[0]


def ticks(ledger: Ledger, change: Change) -> int:
    """How much work it is for SQLite to write this down, in steps of its machine."""
    counted = 0

    def tick() -> int:
        nonlocal counted
        counted += 1
        return 0

    ledger._db.set_progress_handler(tick, 1)
    ledger.commit([change])
    ledger._db.set_progress_handler(None, 1)
    return counted
