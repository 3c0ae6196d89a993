from __future__ import annotations

from collections.abc import Mapping

import pytest

from campaign.plan.plan import Options, Plan, plan_of
from campaign.plan.scenario import Scenario
from campaign.plan.selection import parse_filter

from .made import axis, exclusion, scenario


def providers(made: Scenario) -> Mapping[str, frozenset[str]]:
    return {"tool": frozenset({"sqlite.writer" if "db" in made.tags else "stress"}), "oracle": frozenset({"text.ok"})}


@pytest.fixture
def scenarios(crash: Scenario) -> list[Scenario]:
    return [
        crash,
        scenario("stress.read.status.{n}", axis("n", 1, 12), tags=("db", "slow")),
        scenario("stress.readers", tags=("slow",)),
    ]


def keys(scenarios: list[Scenario], **options: object) -> list[str]:
    plan, found = plan_of("c", 1, scenarios, Options(**options), providers)  # type: ignore[arg-type]
    assert found == []
    listed = [run.key for run in plan.runs()]
    assert plan.count().runs == len(listed)
    for run in plan.runs():
        assert plan.find(run.key) == run
        assert plan.why_not(run.key) is None
    return listed


@pytest.mark.parametrize(
    ("prefix", "instances"),
    [
        ("stress", {"stress.read.status.1#0", "stress.read.status.12#0", "stress.readers#0"}),
        ("stress.read", {"stress.read.status.1#0", "stress.read.status.12#0"}),
        ("stress.read.status.1", {"stress.read.status.1#0"}),
        ("stress.readers", {"stress.readers#0"}),
    ],
)
def test_a_group_is_whole_segments(scenarios: list[Scenario], prefix: str, instances: set[str]) -> None:
    assert set(keys(scenarios, group=prefix)) == instances


def test_a_group_of_filled_placeholders(scenarios: list[Scenario]) -> None:
    assert len(keys(scenarios, group="crash.off")) == 6


def test_a_group_that_no_instance_is_in(scenarios: list[Scenario]) -> None:
    _, found = plan_of("c", 1, scenarios, Options(group="stres"), providers)
    assert [each.code for each in found] == ["CAMP211"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("tag=db", 2),
        ("tag!=db", 25),
        ("tag=db|slow", 3),
        ("tool=stress", 25),
        ("tool=sqlite.*,tag=slow", 2),
        ("oracle=text.ok", 27),
        ("fault=process.kill", 0),
        ("journal=wal", 9),
        ("journal!=wal", 18),
        ("journal=wal|off,sync=off", 6),
        ("n=12", 1),
        ("cell=stress.*", 3),
        ("cell=crash.*.full", 6),
        ("instance=crash.{journal}.{sync}", 24),
        ("group=crash", 24),
    ],
)
def test_filters(scenarios: list[Scenario], text: str, count: int) -> None:
    assert len(keys(scenarios, filter=text)) == count


def test_an_unknown_key_lists_the_known_ones() -> None:
    clauses, found = parse_filter("tga=db,tag=x,=,tag=", ["journal"])
    assert [clause.key for clause in clauses] == ["tag"]
    assert [each.code for each in found] == ["CAMP210"] * 3
    assert found[0].hint == "known keys are tag, tool, oracle, fault, group, instance, cell, journal"


def test_seeds_limit_and_the_campaigns_seed(scenarios: list[Scenario]) -> None:
    assert keys(scenarios[1:], seeds=(4, 5))[:2] == ["stress.read.status.1#4", "stress.read.status.1#5"]
    assert keys(scenarios, limit=4) == [
        "crash.wal.off#1",
        "crash.wal.off#2",
        "crash.wal.off#3",
        "crash.wal.normal#1",
    ]
    assert keys(scenarios, limit=0) == []
    plan, _ = plan_of("c", 1, scenarios, Options(campaign_seed=9), providers)
    assert plan.seed == 9


def test_selection_never_changes_what_combine_chooses() -> None:
    axes = [axis(f"x{index}", *range(4)) for index in range(5)]
    made = scenario("a", *axes, combine=("cover", 2))
    whole = keys([made])
    assert keys([made], filter="x0=1") == [key for key in whole if "x0=1" in key]


def reason(plan: Plan, key: str) -> str:
    found = plan.why_not(key)
    assert found is not None
    assert plan.find(key) is None
    return f"{found.summary} {found.span.line if found.span else ''}"


def test_why_a_run_is_not_there(crash: Scenario) -> None:
    small = scenario("s.{x}", axis("x", *range(50)), combine=("sample", 1), seeds=[1])
    drop = exclusion(lambda x, seed: x == seed, "x", uses_seed=True, line=8)
    seeds = scenario("t.{x}", axis("x", 1, 2), exclusions=[drop], seeds=[1, 2])
    plan, _ = plan_of("c", 1, [crash, small, seeds], Options(filter="journal!=wal,tag!=z", limit=30), providers)
    assert "excluded 1" in reason(plan, "crash.off.full#1")
    assert "--filter journal!=wal" in reason(plan, "crash.wal.off#1")
    assert "seeds" in reason(plan, "crash.off.off#9")
    assert "excluded 8" in reason(plan, "t.1#1")
    assert "not a run's key" in reason(plan, "crash")
    assert "no instance" in reason(plan, "crush.off.off#1")
    assert "no instance" in reason(plan, "crash.off.of#1")
    missing = next(f"s.{x}#1" for x in range(50) if plan.find(f"s.{x}#1") is None)
    assert "sample 1" in reason(plan, missing)
    limited, _ = plan_of("c", 1, [crash], Options(limit=2), providers)
    assert "--limit 2" in reason(limited, "crash.wal.off#3")
    grouped, _ = plan_of("c", 1, [crash, small], Options(group="s"), providers)
    assert "--group s" in reason(grouped, "crash.wal.off#1")
