from __future__ import annotations

from msgspec.structs import replace

from campaign.diagnostics import Diagnostic
from campaign.plan.admit import Demand, Machine, admit

from .made import SPAN, scenario


def test_everything_that_is_missing_is_told_at_once() -> None:
    made = [replace(scenario("a"), needs={"gpu": 2, "port": 1}), replace(scenario("b"), prefers={"gpu": 9})]
    missing = Diagnostic("CAMP408", "oracle x cannot be used here: no ldb")
    machine = Machine(
        slots={"port": 4, "gpu": 1},
        unavailable={("oracle", "x"): missing, ("tool", "y"): None},
    )
    demands = [
        Demand("oracle", "x", SPAN),
        Demand("tool", "y", SPAN),
    ]
    found = admit(made, demands, machine)
    assert [(each.code, int(each.status)) for each in found] == [("CAMP220", 3), ("CAMP408", 3)]
    assert all(each.span == SPAN for each in found)
    assert "needs 2 gpu, this machine has 1" in found[0].summary


def test_a_machine_that_has_everything() -> None:
    assert admit([replace(scenario("a"), needs={"gpu": 2})], [], Machine(slots={"gpu": 2})) == []
