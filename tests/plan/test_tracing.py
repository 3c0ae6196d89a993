"""``trace on``: what a tool is told, where its trace goes, and how it is carried out again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plan.spec import all_runs, orders

from campaign.diagnostics import CampaignError
from campaign.engine.prepare import trace_bytes
from campaign.plan.listing import planned_steps
from campaign.plan.processes import distinct
from campaign.plan.render import DEFAULT_TRACE_BYTES
from campaign.records import RulesOrder, StepOrder, TraceOrder
from campaign.rules.orders import differing

PUBLIC = "/runs/a/a/seed-0/attempt-1"
TOOL = """
tool t {
  command "bin/t" "{n}" "{fast}"
  param n: int = 1
  param fast: bool = true flag "--fast"
  trace "trace/{n}.bin" enable "--trace={trace}" "--db={workdir}"
  replay "bin/replay" "{trace}" "{n}"
}
tool plain { command "/bin/true" }
"""


def steps(text: str, **changes: object) -> tuple[StepOrder, ...]:
    (order,) = orders(TOOL + text, **changes)
    return order.steps


def test_a_traced_tool_is_given_what_enables_it_and_its_own_file() -> None:
    traced, plain = steps("instance a { trace on; run t; run plain }")
    file = f"{PUBLIC}/trace/1.bin"
    assert traced.argv == ("/home/me/specs/bin/t", "1", "--fast", f"--trace={file}", f"--db={PUBLIC}/work")
    replay = ("/home/me/specs/bin/replay", file, "1")
    assert traced.trace == TraceOrder("trace/1.bin", DEFAULT_TRACE_BYTES, replay)
    assert plain.trace is None


def test_without_trace_nothing_is_traced() -> None:
    (step,) = steps("instance a { run t }")
    assert (step.argv, step.trace) == (("/home/me/specs/bin/t", "1", "--fast"), None)
    (off,) = steps("instance a { trace off; run t }")
    assert off == step


def test_each_traced_step_has_a_file_of_its_own_and_its_share() -> None:
    found = steps("instance a { trace on; run t { sweep n = [1, 2] }; run again: t; run last: t; run plain }")
    assert [step.trace.path for step in found if step.trace] == [
        "trace/1.bin",
        "trace/2.bin",
        "trace/1-2.bin",
        "trace/1-3.bin",
    ]
    assert {step.trace.most_bytes for step in found if step.trace} == {DEFAULT_TRACE_BYTES // 4}
    assert all(step.argv[3] == f"--trace={PUBLIC}/{step.trace.path}" for step in found if step.trace)


@given(st.lists(st.sampled_from(["trace/a", "trace/a.b", "trace/a-2.b", "trace/a-2", "trace/.b", "trace/x.y/a"])))
def test_no_two_files_are_one(paths: list[str]) -> None:
    found = distinct(paths)
    assert len(set(found)) == len(paths)
    assert found[:1] == paths[:1]
    if len(set(paths)) == len(paths) and not any("-2" in path for path in paths):
        assert found == paths


def test_a_tool_whose_command_names_its_trace_always_writes_one() -> None:
    tool = 'tool u { command "u" "{trace}"; trace "x" enable "--more"; replay "r" "{trace}" }\n'
    file = f"{PUBLIC}/trace/x"
    (off,) = steps(tool + "instance a { run u }")
    assert (off.argv, off.trace) == (("u", file), TraceOrder("trace/x", DEFAULT_TRACE_BYTES, ("r", file)))
    (on,) = steps(tool + "instance a { trace on; run u }")
    assert on.argv == ("u", file, "--more")


def test_a_served_tool_is_traced_too() -> None:
    (order,) = orders(TOOL + "instance a { trace on; serve t; run plain }")
    assert order.services[0].trace is not None
    assert order.services[0].argv[3] == f"--trace={PUBLIC}/trace/1.bin"


def test_a_tool_without_replay_has_none() -> None:
    (step,) = steps('tool u { command "u"; trace "x" }\ninstance a { trace on; run u }')
    assert step.trace == TraceOrder("trace/x", DEFAULT_TRACE_BYTES)


@pytest.mark.parametrize("value", ["..", "a/../b", "", "a/", "/a"])
def test_a_path_that_leads_elsewhere_is_refused(value: str) -> None:
    tool = 'tool u { command "u"; trace "trace/{s}"; param s: string = "x" }\n'
    with pytest.raises(CampaignError, match="is no file below trace/"):
        steps(tool + f'instance a {{ trace on; run u {{ s = "{value}" }} }}')


def test_a_trace_is_carried_out_again_by_the_tools_replay() -> None:
    first, second = steps("instance a { trace on; run t { sweep n = [1, 2] } }", replays={"t[2]": "/old/2.bin"})
    assert first.trace is not None
    assert (second.argv, second.trace) == (("/home/me/specs/bin/replay", "/old/2.bin", "2"), None)


def test_the_arguments_of_a_traced_tool_are_held_against_its_values() -> None:
    rules = RulesOrder(paths=(), files={})
    for changes in ({}, {"replays": {"t": "/old.bin"}}):
        (order,) = orders(TOOL + "instance a { trace on; run t }", rules=rules, **changes)
        assert len(order.steps[0].template) == len(order.steps[0].argv)
        assert list(differing(order)) == []


def test_the_plan_shows_where_the_trace_stands() -> None:
    (run,) = all_runs(TOOL + "instance a { trace on; run t }")
    (step,) = planned_steps(run, "x", 7)
    assert step.argv[3] == "--trace={trace}"


@pytest.mark.parametrize(
    ("text", "size"), [(None, 64 << 20), (" ", 64 << 20), ("256MiB", 256 << 20), ("1B", 1), (" 2kB ", 2000)]
)
def test_the_cap_is_a_size(text: str | None, size: int) -> None:
    assert trace_bytes(text) == size


@pytest.mark.parametrize("text", ["lots", "5V", "0B", "-1B", "2000GiB", "64", "1MiB2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(CampaignError, match="no size above") as found:
        trace_bytes(text)
    assert found.value.diagnostics[0].code == "CAMP513"
