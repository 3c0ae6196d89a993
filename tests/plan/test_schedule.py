"""What a schedule makes of a run: instants, indexes, numbers, and what of it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from tests.plan.spec import TOOL, checked, orders

from campaign.diagnostics import CampaignError
from campaign.plan import schedule
from campaign.plan.examine import examine
from campaign.plan.plan import Options, make_plan
from campaign.plugins.api import Dimension, Placement, Quantity, UnableError
from campaign.plugins.registry import Registry
from campaign.records import order_digest

FAULTS = "fault crash: process.kill; fault hang: process.stop { for = 1s }"


def named(text: str, **changes: Any) -> list[tuple[str, float]]:
    (order,) = orders(f"{TOOL}\ninstance a {{ run t; {text} }}", **changes)
    return [(each.name, each.at_s) for each in order.faults]


def test_faults_without_an_instant_are_laid_out_the_others_stay() -> None:
    found = named(f"schedule even {{ over = 9s }}; {FAULTS}; fault k: process.kill {{ at = 4s }}")
    assert found == [("crash", 3.0), ("k", 4.0), ("hang", 6.0)]


def test_what_comes_more_than_once_has_an_index() -> None:
    found = named(f"schedule even {{ over = 10s; times = 2 }}; {FAULTS}")
    assert found == [("crash[1]", 2.0), ("hang[1]", 4.0), ("crash[2]", 6.0), ("hang[2]", 8.0)]


def test_what_is_kept_is_as_it_was() -> None:
    text = f"{TOOL}\ninstance a {{ run t; schedule random {{ over = 10s; times = 3%s }}; {FAULTS} }}"
    (whole,) = orders(text % "")
    (kept,) = orders(text % '; faults = ["crash[2]", hang]')
    wanted = [each for each in whole.faults if each.name == "crash[2]" or each.label == "hang"]
    assert list(kept.faults) == wanted, "number, instant, index and draw"
    assert len({each.random for each in whole.faults}) == len(whole.faults)
    (none,) = orders(text % "; faults = []")
    assert none.faults == ()


def test_another_run_is_another_draw_and_the_order_names_the_strategy() -> None:
    text = f"{TOOL}\ninstance a {{ seeds 1..2; run t; schedule jittered {{ over = 1m }}; {FAULTS} }}"
    first, second = orders(text)
    assert [each.at_s for each in first.faults] != [each.at_s for each in second.faults]
    assert first.schedule is not None
    assert (first.schedule.strategy, first.schedule.over_s) == ("schedule.jittered", 60.0)
    assert orders(text)[0].faults == first.faults


def test_the_seed_is_all_that_a_session_draws_from() -> None:
    text = "instance {x} { clock virtual; sweep x = [1, 2]; schedule session { over = 3h + x * 1ms }; "
    text += "fault r: synthetic.recovery; fault s: synthetic.recovery }"
    first, second = orders(text)
    assert [each.at_s for each in first.faults] == [each.at_s for each in second.faults]


def test_a_virtual_order_is_bound_to_what_decides_its_faults() -> None:
    (order,) = orders("instance a { clock virtual; fault r: synthetic.recovery { at = 1s; sla = 5s } }")
    assert order.clock == "virtual"
    assert order.steps == ()
    moved = replace(order, faults=(replace(order.faults[0], sequence=2),))
    assert order_digest(moved) != order.digest


def answers(monkeypatch: pytest.MonkeyPatch, answer: Sequence[Any] | Exception) -> None:
    from campaign_standard.schedule import Even

    def lay_out(self: Any, spread: Any) -> Sequence[Any]:
        del self, spread
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Even, "lay_out", lay_out)


def at(value: int, dimension: Dimension = Dimension.DURATION) -> Quantity:
    return Quantity(value, dimension, "s")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ValueError("no"), "schedule.even raises in lay_out(): ValueError: no"),
        (UnableError("no room"), "schedule.even cannot lay these faults out: no room"),
        ([Placement(2, at(1))], "something else than faults"),
        ([Placement(-1, at(1))], "something else than faults"),
        ([Placement(0, at(-1))], "something else than faults"),
        ([Placement(0, at(1, Dimension.SIZE))], "something else than faults"),
        ([1], "something else than faults"),
        ([Placement(0, at(1))] * (schedule.MOST + 1), "10,001 faults in one run"),
    ],
)
def test_what_a_strategy_answers_is_checked(monkeypatch: pytest.MonkeyPatch, answer: Any, told: str) -> None:
    answers(monkeypatch, answer)
    with pytest.raises(CampaignError) as raised:
        named(f"schedule even {{ over = 9s }}; {FAULTS}")
    assert told in raised.value.diagnostics[0].summary


def test_what_cannot_be_laid_out_is_found_by_check_and_plan() -> None:
    text = 'campaign "x" { clock virtual }\ninstance a { schedule storm { over = 1s; within = 2s }; fault synthetic.recovery }'
    (found,) = examine(checked(text), Registry(), lambda path: b"")
    assert found.summary.endswith("no room for 1 of its bursts in 1s: over is too short")
    assert found.code == "CAMP112"
    plan, wrong = make_plan("x.camp", lambda path: text.encode(), Options(), Registry)
    assert plan is None
    assert wrong == [replace(found, span=wrong[0].span)]
