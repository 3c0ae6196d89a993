"""Judgements on their way into the ledger: no request is longer than a line may be, whatever oracles say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from campaign.engine import asking, recheck, wire
from campaign.engine.recheck import Case, Recheck
from campaign.records import Decision, OracleRecord, Verdict

from .conftest import make_campaign, make_order

NOTHING: Any = None


def test_what_oracles_say_at_length_is_written_in_more_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[wire.Rejudge] = []
    monkeypatch.setattr(recheck, "ask", lambda _workspace, _verb, args, _directly: asked.append(args))
    monkeypatch.setattr(recheck, "judged", lambda *_: (NOTHING, Decision(Verdict.PASS)))
    made = object.__new__(Recheck)
    made._campaign, made._workspace, made._by, made._now = make_campaign(), "", NOTHING, lambda: "2026-01-01T00:00:00Z"
    made._done, made._waiting, made._waiting_bytes = {}, [], 0
    said = OracleRecord(label="o", oracle="o", ok=True, details={"text": "x" * 300_000})
    for number in range(40):
        row: Any = make_order(number)  # of a row only its token is told
        made._end(number, Case(row=row, order=make_order(number), exit=None), (said,), None)
    made._write()
    assert [each.token for one in asked for each in one.judgements] == [make_order(n).token for n in range(40)]
    assert max(len(msgspec.json.encode(each)) for each in asked) < wire.LONGEST


def test_who_asks_too_much_is_told_what_it_was() -> None:
    assert "a submission" in asking._too_long("submit", 9_000_000).summary
    assert "what rejudge is to tell" in asking._too_long("rejudge", 9_000_000).summary
