"""Asking again while a workspace changes hands: what is waited for, what is not, and what is said in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.engine.asking import GONE, HELD, PATIENCE_S, SILENT, persistently


def saying(*answers: str | None) -> Callable[[], str | None]:
    """One after the other, codes raised; the last one for ever."""
    left = list(answers)

    def send() -> str | None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is not None and answer.startswith("CAMP"):
            raise CampaignError([Diagnostic(answer, "somebody else has it")])
        return answer

    return send


@pytest.mark.parametrize("answers", [("done",), (HELD, "done"), (None, HELD, None, "done")])
def test_it_is_asked_again_until_there_is_an_answer(answers: tuple[str | None, ...]) -> None:
    assert persistently(saying(*answers), {HELD}, PATIENCE_S) == "done"


@pytest.mark.parametrize("code", [SILENT, GONE, "CAMP503"])
def test_what_nobody_asked_to_wait_for_is_raised_at_once(code: str) -> None:
    with pytest.raises(CampaignError, match=code):
        persistently(saying(code, "done"), {HELD}, PATIENCE_S)


@pytest.mark.parametrize(("answer", "code"), [(HELD, HELD), (None, GONE)])
def test_in_the_end_it_is_said(answer: str | None, code: str) -> None:
    with pytest.raises(CampaignError, match=code):
        persistently(saying(answer), {HELD}, -1.0)
