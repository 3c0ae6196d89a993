"""The synthetic harness against a second one, written from its published description: the same to the last bit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.spec import context

from campaign.cli.files import read_file
from campaign.plan.plan import Options, make_plan
from campaign.plan.render import render
from campaign.plugins.api import Draw
from campaign.plugins.registry import Registry
from campaign.records import Order
from campaign.supervise.hostmessages import Simulate, Simulated
from campaign.supervise.simulation import simulate
from campaign.supervise.virtual import _virtual
from campaign_standard.synthetic import Recovery, _markdown

SPEC = Path(__file__).resolve().parents[2] / "specs" / "recovery-stress.camp"
KINDS = ("agent_crash", "context_exhaustion", "merge_conflict", "board_starvation", "worktree_corruption", "shim_eof")
SLAS = (60, 90, 90, 120, 120, 60)
WRAP = 2**64
SEEDS = st.one_of(st.integers(0, WRAP - 1), st.integers(0, 50), st.integers(2**63 - 3, 2**63 + 3), st.just(WRAP - 1))
REGISTRY = Registry()


# --- the other harness: from the description, sharing nothing with ours ----------------------------------------------


def numbers(seed: int) -> Iterator[int]:
    state = (seed + 0xD1B54A32D192ED03) % WRAP
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % WRAP
        yield state


def planned(seed: int, hours: int | None) -> list[tuple[int, int]]:
    """Instant and kind of every fault, in order; without hours the compact mode."""
    if hours is None:
        return [(600 // 7 * (kind + 1), kind) for kind in range(6)]
    total = max(1, hours) * 3600
    count = 6 + max(2, total // 3600)
    base = max(1, total // (count + 1))
    drawn = numbers(seed)
    found = []
    for place in range(count):
        kind = place if place < 6 else next(drawn) % 6
        jitter = next(drawn) % max(1, base // (3 if place < 6 else 2))
        found.append((min(base * (place + 1) + jitter, total - 1), place, kind))
    return [(at, kind) for at, _, kind in sorted(found)]


def went(seed: int, sequence: int, kind: int) -> tuple[int, int]:
    sla = SLAS[kind]
    own = (seed ^ ((sequence + 1) * 0x9E3779B97F4A7C15 % WRAP)) ^ (kind * 0xA24BAED4963EE407 % WRAP)
    drawn = numbers(own)
    detected = 1 + next(drawn) % max(2, sla // 5)
    if next(drawn) % 12 == 0:
        return detected, sla + 5 + next(drawn) % max(5, sla // 3)
    floor = max(0, sla - max(5, sla // 3))
    return detected, floor + next(drawn) % max(1, sla - floor)


def expected(seed: int, hours: int | None) -> dict[str, Any]:
    faults = []
    for sequence, (at, kind) in enumerate(planned(seed, hours), start=1):
        detected, recovered = went(seed, sequence, kind)
        note = f"Synthetic {KINDS[kind]} injection on virtual timeline; detection {detected}s, recovery {recovered}s."
        faults.append(
            {
                "sequence": sequence,
                "kind": KINDS[kind],
                "injected_at_secs": at,
                "detected_at_secs": at + detected,
                "recovered_at_secs": at + recovered,
                "recovery_time_secs": recovered,
                "sla_secs": SLAS[kind],
                "passed_sla": recovered <= SLAS[kind],
                "notes": note,
            }
        )
    times = [fault["recovery_time_secs"] for fault in faults]
    about = {
        "compact": hours is None,
        "seed": seed,
        "virtual_duration_secs": 600 if hours is None else max(1, hours) * 3600,
    }
    summary = {
        **about,
        "total_faults": len(faults),
        "passed_faults": sum(bool(fault["passed_sla"]) for fault in faults),
        "failed_faults": sum(not fault["passed_sla"] for fault in faults),
        "max_recovery_secs": max(times),
        "avg_recovery_secs": float(sum(times)) / float(len(times)),
    }
    return {**about, "summary": summary, "faults": faults}


# --- ours, as a campaign comes to it ----------------------------------------------------------------------------------


def ordered(seed: int, hours: int | None) -> Order:
    """What the shipped spec makes of a seed."""
    sets = () if hours is None else (f"over={hours}h",)
    tier = "compact" if hours is None else "session"
    plan, found = make_plan(str(SPEC), read_file, Options(tier=tier, seeds=(seed,), sets=sets), lambda: REGISTRY)
    assert plan is not None, found
    (run,) = plan.runs()
    return render(run, 1, context())


def simulated(order: Order) -> Simulated:
    """What the provider host answers."""
    assert order.schedule is not None
    answer = simulate(
        REGISTRY,
        Simulate(
            id=1,
            plugins=(),
            campaign="c",
            key=order.key,
            instance=order.instance,
            seed=order.seed,
            tier=order.tier,
            attempt=1,
            schedule=order.schedule.strategy,
            over_s=order.schedule.over_s,
            faults=tuple(_virtual(each, {}) for each in order.faults),
        ),
    )
    assert isinstance(answer, Simulated)
    return answer


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.one_of(st.none(), st.integers(1, 30)))
def test_the_reports_are_those_of_the_published_harness(seed: int, hours: int | None) -> None:
    order = ordered(seed, hours)
    files = simulated(order).files
    report = json.loads(files["recovery.json"])
    assert list(report) == ["generated_at", "compact", "seed", "virtual_duration_secs", "summary", "faults"]
    assert list(report["faults"][0]) == [
        *("sequence", "kind", "description", "roadmap_anchor", "injected_at_secs", "detected_at_secs"),
        *("recovered_at_secs", "recovery_time_secs", "sla_secs", "passed_sla", "notes"),
    ]
    texts = [(each.pop("description"), each.pop("roadmap_anchor")) for each in report["faults"]]
    assert all(anchor and description.endswith(".") for description, anchor in texts)
    assert report.pop("generated_at").startswith("1970-01-0")
    assert report == expected(seed, hours)
    assert files == simulated(ordered(seed, hours)).files, "equal seeds, equal bytes"


@pytest.mark.parametrize(
    ("seed", "hours", "digest"),
    [
        (7, None, "84c0dc9a3bfbac1b"),
        (7, 8, "aa8802f6ca960776"),
        (WRAP - 1, 24, "afa392d67ce07052"),
        (WRAP // 2, 2, "bcaf848442bfa2d2"),
    ],
)
def test_the_files_are_those_that_the_published_program_wrote(seed: int, hours: int | None, digest: str) -> None:
    """Digests of both its files, the time of its report taken out: Batty at 5637f78, built with rustc 1.95."""
    files = simulated(ordered(seed, hours)).files
    report = re.sub('"generated_at": "[^"]*"', '"generated_at": "X"', files["recovery.json"], count=1)
    assert blake2b((report + files["recovery.md"]).encode(), digest_size=8).hexdigest() == digest


def test_the_layout_of_the_files() -> None:
    files = simulated(ordered(7, None)).files
    lines = files["recovery.json"].splitlines()
    assert lines[:4] == ["{", '  "generated_at": "1970-01-01T00:10:00+00:00",', '  "compact": true,', '  "seed": 7,']
    assert not files["recovery.json"].endswith("\n")
    page = files["recovery.md"]
    assert page.startswith("# Batty Stress Test Report\n\n## Summary\n\n- Mode: compact\n- Seed: 7\n")
    assert "\n\n## Faults\n\n| # | Fault | Injected | Recovered | Recovery | SLA | Status |\n|---|---|---:|---:" in page
    assert '\n\n## Notes\n\n- `agent_crash` mapped to roadmap item "Agent process dies inside shim": Synth' in page
    assert page.endswith("s.\n")
    assert page.count("\n- `") == page.count("\n| ") - 1 == 6


def test_an_average_is_written_as_floating_point_numbers_are() -> None:
    about = {"compact": True, "seed": 0, "virtual_duration_secs": 600}
    summary = {"total_faults": 0, "passed_faults": 0, "failed_faults": 0, "max_recovery_secs": 0}
    report = {**about, "summary": {**about, **summary, "avg_recovery_secs": 77.25}, "faults": []}
    assert "- Avg recovery: 77.2s\n" in _markdown("t", report), "the nearest, and of two the even one"


@pytest.mark.parametrize("sla_s", [None, 0.0, 1.0, 90.0])
def test_any_sla_can_be_simulated(sla_s: float | None) -> None:
    given = {"ordinal": 0, "kind": "", "description": "", "roadmap_anchor": "", "notes": "{kind}", "title": ""}
    for sequence in range(200):
        draw = Draw(label="crash", seed=1, random=sequence, sequence=sequence, sla_s=sla_s)
        found = Recovery().simulate(draw, given)
        assert found.notes == "crash"
        assert found.detected_after_s is not None
        assert found.recovered_after_s is not None
        assert found.detected_after_s >= 1
        assert found.recovered_after_s >= 0
