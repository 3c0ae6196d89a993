"""The writing side: durable, atomic, one owner, honest about disks."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.diagnostics import ExitStatus
from campaign.ledger.opening import LedgerError, file_system, migrate, refuse_network, unwritable
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignState
from campaign.ledger.schema import APPLICATION_ID, SCHEMA
from campaign.ledger.store import Ledger, StaleEpochError
from campaign.records import Verdict

from .conftest import AT, admission, ending, make_campaign, make_order, moves, whole


def test_a_new_ledger_is_private_and_synced_fully(path: str) -> None:
    os.umask(0o022)
    ledger = Ledger(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_every_opening_begins_a_new_epoch(path: str) -> None:
    epochs = []
    for _ in range(3):
        ledger = Ledger(path)
        epochs.append(ledger.epoch)
        ledger.close()
    assert epochs == [1, 2, 3]


def test_state_and_events_change_together(ledger: Ledger, path: str) -> None:
    order = make_order()
    told = ledger.commit(whole(order, Verdict.FAIL))
    with LedgerReader(path) as reader:
        (row,) = reader.attempts("demo-1")
        events = list(reader.events("demo-1"))
    assert (row.state, row.verdict, row.kind, row.fingerprint) == ("done", "fail", "exit", "f" * 16)
    assert [event.to_state for event in events] == ["admitted", "starting", "running", "judging", "done"]
    assert [event.seq for event in events] == [event.seq for event in told] == [1, 2, 3, 4, 5]
    assert events[-1].verdict == "fail"
    assert {event.epoch for event in events} == {1}


def test_a_change_that_the_ledger_cannot_follow_keeps_nothing_of_its_transaction(ledger: Ledger, path: str) -> None:
    good, bad = make_order(1), make_order(2)
    with pytest.raises(AssertionError, match="disagrees"):
        ledger.commit([admission(good), *moves(bad, "admitted", "starting")])
    with LedgerReader(path) as reader:
        assert list(reader.attempts("demo-1")) == []
        assert list(reader.events()) == []
    ledger.commit([admission(good)])  # and goes on with the numbers that were not used
    with LedgerReader(path) as reader:
        assert [event.seq for event in reader.events()] == [1]


def test_a_revoked_attempt_is_admitted_again_in_its_row_under_a_new_token(ledger: Ledger, path: str) -> None:
    first, again = make_order(), make_order(token="other")
    ledger.commit([admission(first), *moves(first, "admitted", "queued"), admission(again)])
    with LedgerReader(path) as reader:
        (row,) = reader.attempts("demo-1")
    assert (row.token, row.state) == ("other", "admitted")


def test_an_attempt_that_is_done_is_never_admitted_again(ledger: Ledger) -> None:
    ledger.commit(whole(make_order()))
    with pytest.raises(AssertionError):
        ledger.commit([admission(make_order(token="other"))])


def test_an_owner_that_lost_the_workspace_writes_nothing_more(path: str) -> None:
    old = Ledger(path)
    old.begin_campaign(make_campaign(), {})
    Ledger(path)
    with pytest.raises(StaleEpochError) as caught:
        old.commit([admission(make_order())])
    assert caught.value.status is ExitStatus.SETUP
    with LedgerReader(path) as reader:
        assert list(reader.attempts("demo-1")) == []


def test_an_epoch_that_cannot_be_read_leaves_no_transaction_open(ledger: Ledger) -> None:
    ledger._db.set_authorizer(lambda _action, table, *_: sqlite3.SQLITE_DENY if table == "meta" else sqlite3.SQLITE_OK)
    with pytest.raises(LedgerError, match="prohibited"):
        ledger.commit([admission(make_order())])
    ledger._db.set_authorizer(None)
    assert ledger.commit([admission(make_order())])


def test_what_was_committed_survives_kill_9(path: str) -> None:
    program = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from tests.ledger.conftest import *\n"
        f"ledger = Ledger({path!r})\n"
        "ledger.begin_campaign(make_campaign(), {'h': b'snapshot'})\n"
        "for n in range(50): ledger.commit(whole(make_order(n)))\n"
        "ledger._db.execute('BEGIN IMMEDIATE')\n"
        "ledger._db.execute(\"UPDATE attempt SET verdict = 'fail'\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    with LedgerReader(path) as reader:
        assert reader.counts("demo-1") == {("done", "pass"): 50}
        assert reader.blob("h") == b"snapshot"
    assert Ledger(path).epoch == 2


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "folder", "foreign", "newer", "no meta"])
def test_a_ledger_that_cannot_be_read_is_an_error_and_stays_as_it_is(path: str, damage: str) -> None:
    ledger = Ledger(path)
    ledger.begin_campaign(make_campaign(), {})
    ledger.commit([change for n in range(300) for change in whole(make_order(n))])
    ledger.close()
    _damage(path, damage)
    before = Path(path).read_bytes() if os.path.isfile(path) else None
    for opening in (Ledger, LedgerReader):
        with pytest.raises(LedgerError) as caught:
            _read_everything(opening(path))
        assert caught.value.status is ExitStatus.SETUP
        assert path in str(caught.value)
    if before is not None and damage != "truncated":
        assert Path(path).read_bytes() == before


def _damage(path: str, damage: str) -> None:
    size = os.path.getsize(path)
    if damage == "empty":
        os.truncate(path, 0)
    elif damage == "garbage":
        Path(path).write_bytes(os.urandom(size))
    elif damage == "truncated":
        os.truncate(path, size // 2 // 4096 * 4096)
    elif damage == "folder":
        os.unlink(path)
        os.mkdir(path)
    else:
        with sqlite3.connect(path) as db:
            db.execute(
                {
                    "foreign": "PRAGMA application_id = 7",
                    "newer": f"UPDATE meta SET schema = {SCHEMA + 1}",
                    "no meta": "DROP TABLE meta",
                }[damage]
            )
        db.close()


def _read_everything(ledger: Ledger | LedgerReader) -> None:
    if isinstance(ledger, LedgerReader):
        list(ledger.records("demo-1"))


def test_a_creation_that_was_interrupted_is_begun_anew(path: str) -> None:
    Path(path + ".new").write_bytes(b"half")
    assert Ledger(path).epoch == 1
    assert not os.path.exists(path + ".new")


def test_a_full_disk_is_an_error_that_keeps_what_was_committed(path: str) -> None:
    ledger = Ledger(path)
    ledger.begin_campaign(make_campaign(), {})
    ledger.commit(whole(make_order(1)))
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match=r"cannot be written.*full") as caught:
        ledger.commit([change for n in range(2, 200) for change in whole(make_order(n))])
    assert caught.value.diagnostics[0].code == "CAMP503"
    with LedgerReader(path) as reader:
        assert reader.counts("demo-1") == {("done", "pass"): 1}
    ledger._db.execute("PRAGMA max_page_count = 1000000")
    ledger.commit(whole(make_order(2)))


def test_a_campaign_comes_to_its_end(ledger: Ledger, path: str) -> None:
    ledger.commit([CampaignState(campaign="demo-1", state="finished", at=AT, exit_status=1)])
    with LedgerReader(path) as reader:
        row = reader.campaign("demo-1")
    assert row is not None
    assert (row.state, row.finished_at, row.exit_status, row.finished) == ("finished", AT, 1, True)


def test_migrations_are_applied_in_order_each_with_its_number(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "x", isolation_level=None)
    scripts = (
        "CREATE TABLE meta (schema INTEGER, epoch INTEGER); INSERT INTO meta VALUES (0, 0);",
        "CREATE TABLE second (x);",
    )
    migrate(db, scripts[:1])
    assert db.execute("SELECT schema FROM meta").fetchone() == (1,)
    migrate(db, (*scripts, "INSERT INTO second VALUES (7);"))
    assert db.execute("SELECT schema FROM meta").fetchone() == (3,)
    assert db.execute("SELECT x FROM second").fetchall() == [(7,)]


def test_another_programs_database_is_not_touched(path: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger(path)
    assert int.from_bytes(b"CMPG") == APPLICATION_ID


MOUNTS = """\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
30 21 0:50 / /home rw - nfs4 server:/home rw
31 21 0:51 / /data\\040disk rw shared:3 - xfs /dev/sdb rw
32 21 0:52 / /home/local rw - ext4 /dev/sdc rw
33 21 0:53 / /mnt/日本 rw - nfs4 server:/日本 rw
34 21 0:54 / /mnt/a\\134x41 rw - xfs /dev/sdd rw
35 21 0:55 / /mnt/\udcff\\040é rw - xfs /dev/sde rw
"""


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/srv/ws", "ext4"),
        ("/home/me/ws", "nfs4"),
        ("/home/local/ws", "ext4"),
        ("/data disk/ws", "xfs"),
        ("/homes", "ext4"),
        ("/mnt/日本/ws", "nfs4"),
        ("/mnt/日", "ext4"),
        ("/mnt/a\\x41", "xfs"),
        ("/mnt/aA", "ext4"),
        ("/mnt/\udcff é/ws", "xfs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_the_innermost_mount(directory: str, expected: str) -> None:
    assert file_system(directory, MOUNTS) == expected


def test_network_file_systems_are_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.ledger.opening._mounts", lambda: "1 1 0:1 / / rw - nfs4 server:/ rw\n")
    with pytest.raises(LedgerError, match="nfs4") as caught:
        Ledger(path)
    assert caught.value.diagnostics[0].code == "CAMP504"
    assert not os.path.exists(path)
    monkeypatch.undo()
    refuse_network(path)


def test_an_ending_that_is_followed_says_so_in_the_same_transaction(ledger: Ledger, path: str) -> None:
    ledger.commit(whole(make_order(), Verdict.FAIL, again="policy"))
    with LedgerReader(path) as reader:
        assert [row.again for row in reader.to_follow("demo-1")] == ["policy"]
        assert list(reader.done_keys("demo-1")) == []
    second = make_order(attempt=2)
    ledger.commit(whole(second, cause="policy"))
    with LedgerReader(path) as reader:
        assert reader.to_follow("demo-1") == []
        assert list(reader.done_keys("demo-1")) == ["c0#0"]
        (decides,) = reader.deciding_attempts("demo-1")
        assert (decides.attempt, decides.verdict, decides.flaky) == (2, "pass", True)
        assert reader.causes("demo-1") == {"c0#0": {"plan": 1, "policy": 1}}


def test_ending_without_an_exit_record(ledger: Ledger, path: str) -> None:
    order = make_order()
    changes = [admission(order), *moves(order, "admitted", "starting", "running", "judging"), ending(order)]
    ledger.commit(changes)
    with LedgerReader(path) as reader:
        record = reader.record(order.token)
    assert record is not None
    assert record.order == order
    assert record.exit is not None
    assert record.exit.token == order.token
    assert record.decision is not None


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_nothing_is_written_to_a_ledger_that_nobody_finds(ledger: Ledger, path: str, how: str) -> None:
    ledger.commit(whole(make_order(0)))
    if how == "deleted":
        os.unlink(path)
    else:
        os.rename(path, f"{path}.moved")
    if how == "replaced":
        shutil.copy(f"{path}.moved", path)
    with pytest.raises(LedgerError, match="was replaced" if how == "replaced" else "vanished") as caught:
        ledger.commit(whole(make_order(1)))
    assert caught.value.diagnostics[0].code == "CAMP506"


def test_only_a_full_disk_is_told_to_make_room(path: str, ledger: Ledger) -> None:
    hints = [
        unwritable(path, why).diagnostics[0].hint or ""
        for why in (
            sqlite3.OperationalError("database or disk is full"),
            OSError(errno.ENOSPC, "x"),
            OSError(errno.EIO, "x"),
        )
    ]
    assert ["room" in hint for hint in hints] == [True, True, False]
    assert all("ask again" in hint for hint in hints), "it may have been a submission, of which nothing was kept"


def test_a_campaign_is_taken_in_and_forgotten_part_by_part(tmp_path: Path, path: str) -> None:
    """With numbers that are free here, among campaigns that are not touched."""
    from campaign.ledger import staging
    from campaign.ledger.queries import LedgerReader
    from campaign.ledger.rows import AttemptRow, CampaignRow
    from campaign.records import EventView

    given = {
        "name": "c",
        "spec": "/s",
        "plan_hash": "p",
        "seed": 0,
        "parallel": 1,
        "created_at": "2026",
        "state": "finished",
    }
    names = AttemptRow.__struct_fields__
    ours = Ledger(path)
    for campaign in ("c-1", "c-2"):
        staged = str(tmp_path / f"{campaign}.sqlite")
        with staging.Stage(staged, CampaignRow(**given, id=campaign, run_root=f"/r/{campaign}")) as stage:
            for number in range(4500):
                row = dict.fromkeys(names, None) | {
                    "id": 0,
                    "attempt": 1,
                    "seed": 0,
                    "epoch": 1,
                    "origin": "plan",
                    "state": "done",
                }
                words = dict.fromkeys(
                    ("run", "digest", "cause", "instance", "cell", "directory", "admitted_at"), campaign
                )
                key = {"campaign": campaign, "key": f"k{number}", "token": f"{campaign}-{number}"}
                stage.attempt(
                    AttemptRow(**row | words | key),
                    f"order {campaign} {number}".encode(),
                    b"exit" if number % 2 else None,
                )
                stage.judgement(f"{campaign}-{number}", "exec", "2026", b"[]", b"{}")
                event = {
                    "seq": 0,
                    "at": "2026",
                    "campaign": campaign,
                    "key": f"k{number}",
                    "attempt": 1,
                    "origin": "plan",
                }
                stage.event(
                    EventView(**event, from_state="a", to_state="b", cause="c", epoch=1, verdict=None, reason=None),
                    number + 1,
                )
        ours.expect(campaign, f"/r/{campaign}", "2026")
        for step in ("attempts", "events", "campaign"):
            after, parts = 0, 0
            while after := ours.adopt(campaign, staged, step, after):
                assert isinstance(after, int), after
                parts += 1
                assert LedgerReader(path).campaign(campaign) is None
            assert parts == {"attempts": 3, "events": 1, "campaign": 0}[step]
    db = sqlite3.connect(path)
    order = "SELECT data FROM attempt JOIN blob ON blob.id = order_blob WHERE token = ?"
    for campaign in ("c-1", "c-2"):
        for number in (0, 1, 1999, 2000, 2001, 4499):
            assert db.execute(order, (f"{campaign}-{number}",)).fetchone() == (f"order {campaign} {number}".encode(),)
    assert db.execute("SELECT count(*), max(seq) FROM event").fetchone() == (9000, 9000)
    assert ours.adopt("c-2", staged, "attempts", 0) == "its folder was removed meanwhile"
    assert ours.shrink("c-2", None, "2026") == 0
    ours.forget("c-1", "2026")
    counts = []
    while counts[-1:] != [0]:
        counts.append(ours.shrink("c-1", None, "2026"))
    assert counts == [2000, 2000, 500, 0]
    after = 0
    while after := ours.shrink("c-1", after, "2026"):
        pass
    for table, count in (
        ("attempt", 4500),
        ("event", 4500),
        ("judgement", 4500),
        ("blob", 4500 + 2250),
        ("removal", 4501),
    ):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,), table
    assert db.execute("SELECT DISTINCT campaign FROM attempt").fetchall() == [("c-2",)]
    db.close()
    ours.close()
