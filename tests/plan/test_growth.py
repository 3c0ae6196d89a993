"""Twice the spec is planned with twice the work: steps are counted, no time is taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.growth import steps

from campaign.plan.plan import Options, make_plan
from campaign.plugins.registry import Registry

TOOL = 'campaign "big" {{ }}\ntool t {{ command "/bin/true" }}\n{}'


def flat(count: int) -> str:
    return "".join(f"instance i{number} {{ run t }}\n" for number in range(count))


def one_group(count: int) -> str:
    return f"group g {{\n{flat(count)}}}\n"


def one_name(count: int) -> str:
    return "instance i { run t }\n" * count


@pytest.mark.parametrize("spec", [flat, one_group, one_name])
def test_twice_the_instances_are_twice_the_work(spec: Callable[[int], str]) -> None:
    def plan(count: int) -> None:
        text = TOOL.format(spec(count)).encode()
        make_plan("big.camp", lambda _: text, Options(), Registry)

    plan(2)  # what is imported and built once
    assert steps(lambda: plan(120)) < 2.5 * steps(lambda: plan(60))


@pytest.mark.parametrize("spec", [flat, one_group])
def test_a_run_is_found_by_its_name_without_a_look_into_every_instance(spec: Callable[[int], str]) -> None:
    text = TOOL.format(spec(300)).encode()
    plan, _ = make_plan("big.camp", lambda _: text, Options(), Registry)
    assert plan is not None
    keys = [run.key for run in plan.runs()]
    assert [run.key for key in keys[::50] if (run := plan.find(key))] == keys[::50]
    assert steps(lambda: plan.find(keys[-1])) < 24 * len(keys)
