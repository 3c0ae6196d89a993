"""An oracle that takes its time is told of, less and less often."""

from __future__ import annotations

from pathlib import Path

from campaign.engine.lengthy import FIRST_S, LOOK_S, Lengthy

from .conftest import Stage, make_order


def test_what_is_judged_for_long_is_told(tmp_path: Path) -> None:
    stage = Stage(str(tmp_path / "ledger.sqlite"))
    stage.begin()
    for number in (0, 1):
        stage.offer(make_order(number, oracle=True))
        stage.start(stage.begun[-1])
    stage.end(stage.begun[0])
    clock = [0.0]
    lengthy = Lengthy(stage.path, "demo-1", lambda: clock[0])
    told = {}
    for clock[0] in (step * LOOK_S for step in range(int(20 * FIRST_S / LOOK_S))):
        if news := lengthy.news():
            told[clock[0]] = news
    assert list(told) == [10.0, 20.0, 40.0, 80.0, 160.0]
    assert told[40.0] == ["c0#0@1 has been judged for 40 s by o"]
    stage.core.judged(stage.begun[0].token, (), None)
    stage.settle()
    stage.end(stage.begun[1])
    clock[0] = 500.0
    assert lengthy.news() == []
    clock[0] = 501.0
    assert lengthy.news() == [], "it is not looked at all the time"
    clock[0] = 500.0 + FIRST_S
    assert lengthy.news() == ["c1#0@1 has been judged for 10 s by o"]
