"""Names of attempts: planners of one daemon share its epoch, and never a token."""

from __future__ import annotations

import secrets

import pytest

from campaign.engine.planner import token_maker


def test_tokens_rise_and_those_of_two_planners_differ() -> None:
    one, other = token_maker(7), token_maker(7)
    mine, theirs = [one() for _ in range(50)], [other() for _ in range(50)]
    assert mine == sorted(mine)
    assert not set(mine) & set(theirs)


def test_a_thousand_campaigns_of_ten_thousand_runs_hardly_ever_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(secrets, "token_hex", lambda size: drawn.append(8 * size) or "0" * 2 * size)
    token_maker(1)()
    pairs = 10_000 * (1000 * 999 // 2)  # of tokens that have their number in common
    assert pairs / 2 ** sum(drawn) < 1e-6
