"""G4: ``kill -9`` of the daemon in mid-run, each policy, its supervisors alive, dead, or done: the takeover table."""

from __future__ import annotations

from collections import Counter

import pytest

from .processes import children, kill
from .yard import Yard

pytestmark = pytest.mark.gauntlet
RUNS = 4
STATUS = {"pass": 0, "error": 1, "canceled": 5}
#: What the two runs come to that are in flight, by the policy, and how often one is executed.
ALIVE = {"fail": "error", "cancel": "canceled", "requeue": "pass", "adopt": "pass"}
DEAD = {"fail": "error", "cancel": "canceled", "requeue": "pass", "adopt": "error"}


def submit(yard: Yard) -> tuple[int, dict[str, str]]:
    """A daemon with a campaign for each policy, two runs of each under way; its pid, and the campaigns."""
    first = yard.daemon(8)
    body = f"instance i {{ seeds 1..{RUNS}; run t }}"
    specs = {policy: yard.gated(policy, body, clauses=f"; orphans {policy}") for policy in ALIVE}
    campaigns = {policy: yard.submit(spec) for policy, spec in specs.items()}
    yard.until(lambda: yard.started() == 2 * len(ALIVE))
    return first, campaigns


def check(yard: Yard, campaigns: dict[str, str], expected: dict[str, str], reason: str = "orphaned") -> None:
    """Every run has its verdict, in the ledger and in its file, and no attempt was executed twice."""
    for policy, verdict in expected.items():
        yard.call("wait", campaigns[policy], status=STATUS[verdict])
        others = Counter({"pass": RUNS - 2})
        assert yard.verdicts(campaigns[policy]) == dict(others + Counter({verdict: 2})), policy
        runs = yard.run_files(campaigns[policy]).values()
        assert Counter(run["verdict"] for run in runs) == others + Counter({verdict: 2}), policy
        assert {run["reason"] for run in runs if run["verdict"] != "pass"} <= {reason}
    starts = Counter(line for line in yard.lines() if line.startswith("start"))
    assert set(starts.values()) == {1}
    assert yard.status()["queue"] == []


def test_g4_its_supervisors_live(yard: Yard) -> None:
    first, campaigns = submit(yard)
    yard.kill(first, supervisors=False)
    yard.daemon(8)
    stopped = 2 * len(set(ALIVE) - {"adopt"})
    yard.until(lambda: len(list(yard.folder.glob(".campaign/attempts/*/exit.json"))) == stopped)
    (yard.folder / "go").touch()
    check(yard, campaigns, ALIVE)
    assert yard.started() == len(ALIVE) * RUNS + 2, "the two that were requeued"


def test_g4_its_supervisors_are_dead(yard: Yard) -> None:
    first, campaigns = submit(yard)
    yard.kill(first)
    yard.daemon(8)
    (yard.folder / "go").touch()
    check(yard, campaigns, DEAD)
    assert yard.started() == len(ALIVE) * RUNS + 2


def test_g4_what_ended_meanwhile_is_judged_whatever_the_policy(yard: Yard) -> None:
    first, campaigns = submit(yard)
    yard.kill(first, supervisors=False)
    (yard.folder / "go").touch()
    yard.until(lambda: len(list(yard.folder.glob(".campaign/attempts/*/exit.json"))) == 2 * len(ALIVE))
    yard.daemon(8)
    check(yard, campaigns, dict.fromkeys(ALIVE, "pass"))
    assert yard.started() == len(ALIVE) * RUNS


def test_a_daemon_that_has_no_supervisors_left_makes_room_for_another_one(yard: Yard) -> None:
    first = yard.daemon()
    (nursery,) = children(first)
    kill(nursery, *children(nursery))
    yard.until(lambda: yard.status()["holder"] is None)
    assert "no supervisor is left" in (yard.folder / ".campaign/daemon.log").read_text()
    campaign = yard.submit(yard.spec("a", "instance i { seeds 1..2; run t }"))
    yard.daemon()
    yard.call("wait", campaign)
