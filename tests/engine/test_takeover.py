"""What an engine that died left in its ledger, and what the next one makes of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.history import make_history

from campaign.engine.machine import real
from campaign.engine.shell import Shell
from campaign.ledger.queries import LedgerReader
from campaign.ledger.store import Ledger
from campaign.proc import entry

FINISHED, LEFT = 200, 60
SPEC = """
campaign "past" {{ parallel 2; orphans {orphans} }}
tool nothing {{ command "/bin/true" }}
instance past {{ seeds 1..300; run nothing }}
"""


@pytest.fixture
def past(tmp_path: Path) -> Callable[[str], str]:
    def make(orphans: str) -> str:
        (tmp_path / "past.camp").write_text(SPEC.format(orphans=orphans))
        workspace = str(tmp_path / "ws")
        return make_history(str(tmp_path / "past.camp"), workspace, FINISHED, LEFT, queued=False).id

    return make


def ledger_of(folder: Path) -> str:
    return str(folder / "ws" / "ledger.sqlite")


def take_over(path: str) -> None:
    shell = Shell(real(), [], Ledger(path), lambda _: None)
    shell.take_over()
    shell.close()


@pytest.mark.parametrize(("orphans", "verdict"), [("adopt", "error"), ("cancel", "canceled")])
def test_a_survivor_of_one_of_many_is_killed_and_every_run_comes_to_an_end(
    past: Callable[[str], str], tmp_path: Path, orphans: str, verdict: str
) -> None:
    campaign = past(orphans)
    with LedgerReader(ledger_of(tmp_path)) as before:
        running = before.unfinished()
        record = before.record(running[LEFT // 2].token)
    assert len(running) == LEFT
    assert record is not None
    survivor = subprocess.Popen(
        ["/bin/sleep", "600"], env={"CAMPAIGN_WORKDIR": record.order.directories.work}, start_new_session=True
    )
    take_over(ledger_of(tmp_path))
    assert survivor.wait(timeout=60) == -9
    with LedgerReader(ledger_of(tmp_path)) as after:
        assert after.unfinished() == []
        assert after.counts(campaign) == {("done", "pass"): FINISHED, ("done", verdict): LEFT}


def test_the_table_of_processes_is_read_a_few_times_and_not_for_each_run(
    past: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past("adopt")
    looked: list[int] = []
    monkeypatch.setattr("campaign.engine.remains.entry", lambda pid: looked.append(pid) or entry(pid))
    take_over(ledger_of(tmp_path))
    assert looked.count(os.getppid()) < LEFT


def test_what_is_open_is_found_by_an_index(past: Callable[[str], str], tmp_path: Path) -> None:
    past("adopt")
    asked: list[str] = []
    with LedgerReader(ledger_of(tmp_path)) as ledger:
        ledger._db.set_trace_callback(asked.append)
        ledger.unfinished()
        ledger._db.set_trace_callback(None)
        steps = [str(row[3]) for row in ledger._db.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]
    assert any("attempt_open" in step for step in steps), steps


def test_a_campaign_of_an_exec_that_died_is_interrupted(past: Callable[[str], str], tmp_path: Path) -> None:
    campaign = past("adopt")
    take_over(ledger_of(tmp_path))
    with LedgerReader(ledger_of(tmp_path)) as after:
        row = after.campaign(campaign)
    assert row is not None
    assert row.state == "interrupted"
