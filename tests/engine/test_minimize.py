"""A stranger's minimizer is looked at before it is believed."""

from __future__ import annotations

import pytest

from campaign.diagnostics import CampaignError
from campaign.engine.minimize import Guarded
from campaign.plugins.api import Minimizer, Tunable

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
