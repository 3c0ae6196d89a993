"""Notes, marks and cleaning, with and without a daemon, and killed at every step."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign.ledger.queries import LedgerReader


def ledger(tmp_path: Path) -> LedgerReader:
    return LedgerReader(str(tmp_path / ".campaign/ledger.sqlite"))


def private(tmp_path: Path, row: Any) -> list[Path]:
    """The private folders of a campaign's attempts, made as supervisors make them."""
    with ledger(tmp_path) as opened:
        folders = [tmp_path / ".campaign/attempts" / each.token for each in opened.attempts(row.id)]
    for folder in folders:
        (folder / "undo").mkdir(parents=True, exist_ok=True)
        (folder / "order.json").touch()
    return folders


@pytest.fixture
def serving(request: Any, campaign: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Start a daemon where the test is to have one."""
    pids: list[int] = []

    def start() -> None:
        if request.param == "daemon":
            # Its supervisors and its log outlive the command: nothing may wait for their end of a pipe.
            done = campaign(
                "daemon", "--detach", capture_output=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            assert done.returncode == 0
            pids.append(json.loads(campaign("status", "--format", "json").stdout)["holder"]["pid"])

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGTERM)


BOTH = pytest.mark.parametrize("serving", ["alone", "daemon"], indirect=True)


@BOTH
def test_notes_and_marks_are_kept_and_shown(campaign: Any, recorded: Any, tmp_path: Path, serving: Any) -> None:
    row = recorded([("a", 1, ["fail: x"]), ("a", 2, ["pass"])])
    serving()
    assert campaign("note", "crash", "fan \x1b[31m replaced").returncode == 0
    assert campaign("note", "a#1", "the cable was loose").returncode == 0
    assert campaign("mark", f"{row.id}/a#1", "the first of its kind").returncode == 0
    told = json.loads(campaign("show", "--format", "json").stdout)["remarks"]
    assert [(each.get("key"), each.get("mark", False)) for each in told] == [
        (None, False),
        ("a#1", False),
        ("a#1", True),
    ]
    shown = campaign("show").stdout
    assert r"fan \u{1b}[31m replaced" in shown
    assert "the first of its kind" in shown
    one = campaign("show", "a#1")
    assert "the cable was loose" in one.stdout
    assert "fan" not in one.stdout
    assert len(json.loads(campaign("show", "a#1", "--format", "json").stdout)["remarks"]) == 2
    assert json.loads(campaign("list", "--format", "json").stdout)[0]["marked"] is True
    assert "*" in campaign("list").stdout
    assert campaign("mark", "a#1", "--off").stdout.startswith("no longer marked")
    assert campaign("mark", "a#1", "--off").stdout.startswith("was not marked")
    assert json.loads(campaign("list", "--format", "json").stdout)[0]["marked"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["note", "crash", " "], "CAMP585", 2),
        (["note", "crash", "x" * 4001], "CAMP585", 2),
        (["mark", "crash", "x" * 4001], "CAMP585", 2),
        (["note", "nothing", "x"], "CAMP580", 2),
        (["note", "a#99", "x"], "CAMP581", 2),
        (["mark", "crash", "x", "--off"], "no reason", 2),
        (["clean", "--older-than", "7"], "write 7d", 2),
        (["clean", "--older-than", "7V"], "write 7d", 2),
        (["clean"], "--older-than", 2),
    ],
)
def test_what_cannot_be_said(in_process: Any, recorded: Any, arguments: list[str], code: str, status: int) -> None:
    recorded([("a", 1, ["pass"])])
    done = in_process(*arguments)
    assert (done.exit_code, code in done.stderr) == (status, True), done.stderr


@BOTH
def test_clean_removes_what_nothing_keeps(campaign: Any, recorded: Any, tmp_path: Path, serving: Any) -> None:
    first = recorded([("a", 1, ["fail: x"])], number=0)
    again = recorded([("a", 1, ["fail: x"]), ("a", 2, ["pass"])], number=1)
    marked = recorded([("a", 1, ["pass"])], number=2)
    running = recorded([("a", 1, ["running"])], number=3, state="interrupted", finished_at=None, exit_status=None)
    folders = private(tmp_path, again)
    with ledger(tmp_path) as opened:
        tokens = [each.token for each in opened.attempts(again.id)]
    campaign("mark", marked.id)
    serving()
    dry = json.loads(campaign("clean", "--older-than", "0s", "--dry-run", "--format", "json").stdout)
    assert {each["campaign"]: each["why"] is None for each in dry} == {
        **{row.id: False for row in (first, marked, running)},
        again.id: True,
    }
    assert Path(again.run_root).exists()
    done = campaign("clean", "--older-than", "0s")
    assert done.returncode == 0, done.stderr
    assert "kept: it is marked" in done.stdout
    assert not Path(again.run_root).exists()
    assert not any(folder.exists() for folder in folders)
    assert all(Path(row.run_root).exists() for row in (first, marked, running))
    with ledger(tmp_path) as opened:
        assert {row.id for row in opened.campaigns()} == {first.id, marked.id, running.id}
        assert not list(opened.attempts(again.id))
        assert not list(opened.events(again.id))
        assert not any(opened.judgements(token) for token in tokens)
        assert opened.removals() == []
        assert next(opened.failures()).count == 1
    assert "nothing is that old" in campaign("clean", "--older-than", "9999d").stdout


def test_without_a_workspace_there_is_nothing_to_clean(in_process: Any, tmp_path: Path) -> None:
    assert "CAMP500" in in_process("clean", "--older-than", "7d").stderr
    assert not (tmp_path / ".campaign").exists()


PLACES = [
    *("client.write.before", "ledger.begin", "ledger.commit.before", "ledger.commit.after"),
    *(
        "clean.forgotten",
        "clean.folder",
        "clean.folder=kill@2",
        "clean.attempts",
        "clean.attempts=kill@2",
        "clean.removed",
    ),
]


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_it_leaves_nothing_behind(campaign: Any, recorded: Any, tmp_path: Path, place: str) -> None:
    gone = [recorded([("a", 1, ["pass"])], number=number) for number in range(2)]
    kept = recorded([("a", 1, ["pass"])], number=2)
    campaign("mark", kept.id)
    folders = [folder for row in gone for folder in private(tmp_path, row)]
    action = place if "=" in place else f"{place}=kill"
    killed = campaign("clean", "--older-than", "0s", env={"CAMPAIGN_FAILPOINT": action})
    assert killed.returncode == -9
    _consistent(tmp_path)
    assert campaign("clean", "--older-than", "0s").returncode == 0
    _consistent(tmp_path)
    assert sorted(os.listdir(tmp_path / ".campaign/runs")) == [kept.id]
    assert not any(folder.exists() for folder in folders)
    with ledger(tmp_path) as opened:
        assert [row.id for row in opened.campaigns()] == [kept.id]
        assert opened.removals() == []


def _consistent(tmp_path: Path) -> None:
    """Every campaign has its folder, and every folder belongs to a campaign or is on the list."""
    with ledger(tmp_path) as opened:
        known = {row.id: Path(row.run_root).is_dir() for row in opened.campaigns()}
        listed = {row.campaign for row in opened.removals()}
    assert all(known.values())
    assert set(os.listdir(tmp_path / ".campaign/runs")) <= known.keys() | listed
    with sqlite3.connect(tmp_path / ".campaign/ledger.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        gone = "campaign NOT IN (SELECT id FROM campaign) AND campaign NOT IN (SELECT campaign FROM removal)"
        for table in ("attempt", "event", "control", "note", "mark"):
            assert db.execute(f"SELECT count(*) FROM {table} WHERE {gone}").fetchone() == (0,)
        blobs = "SELECT count(*) FROM blob WHERE hash IS NULL AND id NOT IN (SELECT order_blob FROM attempt)"
        assert db.execute(f"{blobs} AND id NOT IN (SELECT coalesce(exit_blob, 0) FROM attempt)").fetchone() == (0,)
        assert db.execute(
            "SELECT count(*) FROM judgement WHERE token NOT IN (SELECT token FROM attempt)"
        ).fetchone() == (0,)
    with ledger(tmp_path) as opened:
        assert {each.campaign for each in opened.failures()} <= known.keys()


def test_what_cannot_be_removed_is_said_and_tried_again(campaign: Any, recorded: Any, tmp_path: Path) -> None:
    row = recorded([("a", 1, ["pass"])])
    root = Path(row.run_root)
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    done = campaign("clean", "--older-than", "0s")
    assert done.returncode == 3
    assert "CAMP584" in done.stderr
    assert (tmp_path / "moved").exists()
    root.unlink()
    assert campaign("clean", "--older-than", "0s").returncode == 0
    with ledger(tmp_path) as opened:
        assert opened.removals() == []


def test_only_folders_of_campaigns_are_ever_removed(campaign: Any, recorded: Any, tmp_path: Path) -> None:
    recorded([("a", 1, ["pass"])])
    for folder in (tmp_path / "precious", tmp_path / ".campaign/attempts"):
        folder.mkdir()
    with sqlite3.connect(tmp_path / ".campaign/ledger.sqlite") as db:
        for path in (
            str(tmp_path / "precious"),
            "attempts/..",
            "attempts/",
            "runs",
            "../precious",
            "attempts/../../precious",
        ):
            db.execute("INSERT INTO removal (campaign, path, at) VALUES ('x', ?, '')", (path,))
    done = campaign("clean", "--older-than", "9999d")
    assert done.returncode == 3
    assert done.stderr.count("CAMP584") == 6
    assert (tmp_path / "precious").exists()
    assert (tmp_path / ".campaign/attempts").is_dir()


def test_parts_of_snapshots_stay_while_somebody_needs_them(tmp_path: Path) -> None:
    from campaign.ledger.rows import CampaignRow
    from campaign.ledger.store import Ledger
    from campaign.plan.snapshot import PlanFile, Snapshot, digest, parts, plan_hash

    opened = Ledger(str(tmp_path / "ledger.sqlite"))
    hashes = []
    for number, files in enumerate([{"a": b"shared", "b": b"one"}, {"a": b"shared", "b": b"two"}]):
        listed = tuple(PlanFile(path=path, digest=digest(data)) for path, data in files.items())
        snapshot = Snapshot(campaign="0", spec=f"s{number}", directory="/", files=listed)
        hashes.append(plan_hash(snapshot))
        given = {"id": f"c{number}", "name": "n", "spec": "/s", "run_root": f"/r/c{number}", "seed": 0, "parallel": 1}
        row = CampaignRow(**given, plan_hash=hashes[-1], snapshot=hashes[-1], created_at="2026", state="finished")
        opened.begin_campaign(row, parts(snapshot, files))
    opened.forget("c0", "2026")
    with LedgerReader(opened.path) as reader:
        kept = {data for data in (b"shared", b"one", b"two") if reader.blob(digest(data)) is not None}
        assert kept == {b"shared", b"two"}
        assert reader.blob(hashes[0]) is None
        assert reader.blob(hashes[1]) is not None
    opened.close()
