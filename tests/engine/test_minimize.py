"""A stranger's minimizer is looked at before it is believed."""

from __future__ import annotations

import pytest

from campaign.diagnostics import CampaignError
from campaign.engine.minimize import Guarded, told
from campaign.engine.sidework import Came, Trial
from campaign.plugins.api import Minimizer, Tunable
from campaign.records import Decision, Reason, Verdict

from .conftest import make_order

START = (Tunable(name="n", value=9, low=1),)


class Strange(Minimizer):
    name, about = "strange", "does what it is told"

    def __init__(self, *batches) -> None:
        self.batches = batches

    def size(self, candidate):
        return candidate[0] / candidate[0]

    def candidates(self, start, settings, slots):
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch


@pytest.mark.parametrize(
    "batches", [(7,), ([7],), ([(1, 2)],), ("ab",), (RuntimeError("no"),), ([(3,)], RuntimeError("later"))]
)
def test_a_minimizer_that_is_wrong_is_named(batches) -> None:
    candidates = Guarded("its.own", Strange(*batches)).candidates(START, {}, 1)
    with pytest.raises(CampaignError, match=r"its\.own"):
        list(candidates)


def test_one_that_is_right_is_believed() -> None:
    guarded = Guarded("its.own", Strange([(3,)], ((2,), (1,))))
    candidates = guarded.candidates(START, {}, 1)
    assert next(candidates) == [(3,)]
    assert candidates.send([True]) == ((2,), (1,))
    with pytest.raises(StopIteration):
        candidates.send([False, False])
    with pytest.raises(CampaignError, match="ZeroDivisionError"):
        guarded.size((0,))


# --- what became of trials --------------------------------------------------------------------------------------------

FAIL, ORPHANED = Decision(Verdict.FAIL, "exit 3"), Decision(Verdict.ERROR, Reason.ORPHANED)
TRIALS = [Trial(order=make_order(0), parent=None, tag=tag) for tag in (1, 2)]


def carried_out(decisions):
    """What trials come to that end so, one after the other: (tag, decision); and how many were asked for."""
    course, asked = told(TRIALS), []
    asked += next(course)
    for tag, decision in decisions:
        came = Came(trial=TRIALS[tag - 1], order=make_order(0), decision=decision)
        try:
            asked += course.send(came)
        except StopIteration as end:
            return {tag: each.decision for tag, each in end.value.items()}, [each.tag for each in asked]
    raise AssertionError("it waits for more")


def test_what_a_crash_took_is_no_answer_and_carried_out_again() -> None:
    ended, asked = carried_out([(1, ORPHANED), (2, FAIL), (1, FAIL)])
    assert ended == {1: FAIL, 2: FAIL}
    assert asked == [1, 2, 1]


def test_what_never_gives_an_answer_is_given_up() -> None:
    ended, asked = carried_out([(2, FAIL), (1, ORPHANED), (1, ORPHANED), (1, ORPHANED)])
    assert ended == {1: ORPHANED, 2: FAIL}
    assert asked == [1, 2, 1, 1]


def test_an_error_of_the_runs_own_is_an_answer() -> None:
    late = Decision(Verdict.ERROR, "fault process.kill could not be injected")
    assert carried_out([(1, late), (2, FAIL)]) == ({1: late, 2: FAIL}, [1, 2])
