from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plan import snapshot as snapshots
from campaign.plan.examine import examine
from campaign.plan.plan import Options, Plan, elsewhere, from_snapshot, make_plan, parse_sets
from campaign.plugins.registry import Registry
from campaign.records.plan import PlanPlugin

HEAD = """
tool t {
  command "true" "{x}" "{y}"
  param x: int = 1
  param y: int = 1
}
"""
SPEC = """campaign "demo" { seed 7 }
tier long { seeds 1..3 }
tier other { only b }
include "tools.camp"
instance a.{x} {
  sweep x = 1..4
  sweep y = [1, 2]
  exclude x == y
  tags db
  run t
}
instance b { run t; tiers other }
"""


def made(files: Mapping[str, str], **options: object) -> tuple[Plan | None, list[Diagnostic]]:
    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path].encode()

    return make_plan("demo.camp", read, Options(**options), Registry)  # type: ignore[arg-type]


FILES = {"demo.camp": SPEC, "tools.camp": HEAD}


def plan(files: Mapping[str, str] = FILES, **options: object) -> Plan:
    found, wrong = made(files, **options)
    assert not wrong
    assert found is not None
    return found


def test_a_plan_from_text() -> None:
    keys = [run.key for run in plan().runs()]
    assert keys == [f"a.{x}[y={y}]#0" for x in (1, 2, 3, 4) for y in (1, 2) if x != y]
    assert plan().seed == 7
    assert plan().count().excluded == 2


def test_ids_do_not_change_with_tier_settings_seed_or_formatting() -> None:
    ids = {run.cell.name: run.id for run in plan(seeds=(1,)).runs()}
    shuffled = {"demo.camp": SPEC.replace("  ", "      ").replace("1..4", "[4, 3, 2, 1]"), "tools.camp": HEAD}
    for other in (
        plan(tier="long", seeds=(1,)),
        plan(seeds=(1,), campaign_seed=99),
        plan(shuffled, seeds=(1,)),
    ):
        assert {run.cell.name: run.id for run in other.runs()} == ids


def test_a_set_axis_has_one_value_and_keeps_its_form() -> None:
    assert [run.key for run in plan(sets=("x=9",)).runs()] == ["a.9[y=1]#0", "a.9[y=2]#0"]


def test_everything_wrong_is_told_at_once() -> None:
    _, found = made(FILES, filter="tga=db", group="nope")
    assert [each.code for each in found] == ["CAMP210", "CAMP211"]
    assert [each.code for each in made(FILES, tier="nope")[1]] == ["CAMP170"]
    assert [each.code for each in made({"demo.camp": HEAD})[1]] == ["CAMP212"]
    assert [each.code for each in made({})[1]] == ["CAMP130"]


@pytest.mark.parametrize("text", ["x", "=1", "x=", "", " = "])
def test_a_set_is_name_and_value(text: str) -> None:
    assert [each.code for each in parse_sets([text])[1]] == ["CAMP213"]


@pytest.mark.parametrize("value", ["/tmp/x", "./x.py", "x.py", "a/b", "/tmp/"])
def test_a_path_behind_a_set_is_told_to_be_quoted(value: str) -> None:
    _, found = made(FILES, sets=(f"x={value}",))
    assert found[0].hint == f"a text stands in quotes, and these in quotes of the shell: --set 'x=\"{value}\"'"


def test_where_else_a_run_is() -> None:
    found = plan()
    assert elsewhere(found, "a.1[y=2]#3", Registry()) == "--tier long"
    assert elsewhere(found, "b#0", Registry()) == "--tier other"
    assert elsewhere(plan(tier="other"), "a.1[y=2]#0", Registry()) == "no --tier"
    assert elsewhere(found, "c#0", Registry()) is None


def test_names_are_proved_for_every_tier() -> None:
    spec = SPEC.replace("run t\n", "run t\n in long { sweep y = [1, 2, 3] }\n", 1).replace("a.{x}", "a.{x}{y}")
    found, wrong = made({"demo.camp": spec, "tools.camp": HEAD})
    assert not wrong
    assert found is not None
    assert found.checked is not None
    assert examine(found.checked, Registry(), _nothing) == []
    ambiguous = {"demo.camp": spec.replace("1..4", "[1, 11]").replace("[1, 2, 3]", "[1, 11]"), "tools.camp": HEAD}
    found, wrong = made(ambiguous)
    assert found is not None
    assert found.checked is not None
    assert [each.code for each in examine(found.checked, Registry(), _nothing)] == ["CAMP200"]


# --- what is drawn -----------------------------------------------------------------------------------------------

GRID = """instance {name} {{
  sweep x = 1..6
  sweep y = 1..6
  combine {combine}
  run t
}}
"""


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["sample 5", "cover 1", "cover 2"]), st.integers(0, 99), st.booleans())
def test_adding_an_instance_never_changes_what_another_draws(combine: str, seed: int, first: bool) -> None:
    one = GRID.format(name="one", combine=combine)
    two = GRID.format(name="two", combine=combine)
    alone = {"demo.camp": f'campaign "c" {{ seed {seed} }}\n{HEAD}{one}'}
    both = {"demo.camp": f'campaign "c" {{ seed {seed} }}\n{HEAD}{two + one if first else one + two}'}
    drawn = [run.key for run in plan(both).runs() if run.key.startswith("one")]
    assert drawn == [run.key for run in plan(alone).runs()]


# --- snapshots ---------------------------------------------------------------------------------------------------


def taken(found: Plan, **more: object) -> tuple[snapshots.Snapshot, dict[str, bytes]]:
    assert found.checked is not None
    snapshot = snapshots.Snapshot(
        campaign="0.1.0",
        spec=found.checked.path,
        directory="/d",
        options=found.options,
        files=snapshots.plan_files(found.checked.files),
        **more,  # type: ignore[arg-type]
    )
    return snapshot, snapshots.parts(snapshot, found.checked.files)


def test_a_snapshot_expands_to_the_same_plan_without_the_disk() -> None:
    found = plan(tier="long", filter="x=1|2", limit=4)
    snapshot, parts = taken(found)
    loaded = snapshots.load(snapshots.plan_hash(snapshot), parts.get)
    again, wrong = from_snapshot(loaded, parts.get, Registry)
    assert not wrong
    assert again is not None
    assert [run.id for run in again.runs()] == [run.id for run in found.runs()]


def test_the_plans_hash_is_that_of_everything_it_depends_on() -> None:
    snapshot, _ = taken(plan())
    same, _ = taken(plan())
    assert snapshots.plan_hash(snapshot) == snapshots.plan_hash(same)
    others = [
        taken(plan(limit=3))[0],
        taken(plan(), environment={"A": "1"})[0],
        taken(plan(), host={"cores": "2"})[0],
        taken(plan(), plugins=(PlanPlugin(plugin="p", distribution="d", version="1"),))[0],
        taken(plan({**FILES, "tools.camp": HEAD + "\n"}))[0],
    ]
    assert len({snapshots.plan_hash(each) for each in [snapshot, *others]}) == 6


def test_damage_is_found() -> None:
    snapshot, parts = taken(plan())
    hash_ = snapshots.plan_hash(snapshot)
    for broken in ({}, {hash_: b"{}"}, {hash_: parts[hash_][:-1]}):
        with pytest.raises(CampaignError) as caught:
            snapshots.load(hash_, broken.get)
        assert [each.code for each in caught.value.diagnostics] == ["CAMP231"]
    text = snapshot.files[0].digest
    with pytest.raises(CampaignError):
        snapshots.reader(snapshot, {**parts, text: b"other"}.get)("demo.camp")
    with pytest.raises(FileNotFoundError):
        snapshots.reader(snapshot, parts.get)("elsewhere.camp")


def test_plugins_and_files_that_changed_are_named() -> None:
    then = PlanPlugin(plugin="sqlite", distribution="campaign-sqlite", version="1.0", record_hash="a")
    snapshot, _ = taken(plan(), plugins=(then,))
    assert snapshots.changed_plugins(snapshot, [then]) == []
    for now in ([], [PlanPlugin(plugin="sqlite", distribution="campaign-sqlite", version="2.0", record_hash="b")]):
        (found,) = snapshots.changed_plugins(snapshot, now)
        assert (found.code, found.status) == ("CAMP230", 3)
        assert "campaign-sqlite 1.0" in found.summary
    (edited,) = snapshots.changed_plugins(
        snapshot, [PlanPlugin(plugin="sqlite", distribution="campaign-sqlite", version="1.0", record_hash="c")]
    )
    assert "other files" in edited.summary

    def read(path: str) -> bytes:
        return FILES[path].encode() + (b"#" if path == "tools.camp" else b"")

    assert snapshots.changed_files(snapshot, read) == ["tools.camp"]


def test_only_named_variables_are_captured() -> None:
    environ = {"PATH": "/bin", "LC_ALL": "C", "LC_TIME": "C", "SECRET": "x", "HOME": "/h"}
    assert snapshots.captured(["PATH", "LC_*", "NOPE"], environ) == {"LC_ALL": "C", "LC_TIME": "C", "PATH": "/bin"}


def _nothing(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file", path)
