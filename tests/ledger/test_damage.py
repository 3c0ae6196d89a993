"""A ledger that has lost what was recorded, or whose pages are damaged: refused, and left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaign.ledger.opening import LedgerError
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import ControlRow
from campaign.ledger.store import Ledger
from campaign.ledger.watermark import mark_path, read_mark

_NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A ledger as kill -9 leaves it: its WAL holds most of it."""
    place = str(tmp_path / "ledger.sqlite")
    Ledger(place).close()
    ledger = Ledger(place)
    for number in range(20):
        ledger.control(ControlRow("c", f"g{number}", "pause", ""))
    left = tmp_path / "left"
    shutil.copytree(tmp_path, left)
    ledger.close()
    return str(left / "ledger.sqlite")


def pauses(path: str) -> int:
    with LedgerReader(path) as reader:
        return len(reader.controls())


def contents(path: str) -> list[bytes]:
    there = [Path(path + end).read_bytes() for end in ("", "-wal") if os.path.exists(path + end)]
    return [data for data in there if data]


def cut(path: str) -> None:
    os.truncate(f"{path}-wal", os.path.getsize(f"{path}-wal") - 100)


def flip(path: str) -> None:
    with open(f"{path}-wal", "r+b") as file:
        file.seek(20_000)
        byte = file.read(1)[0]
        file.seek(20_000)
        file.write(bytes([byte ^ 4]))


def test_what_kill_9_leaves_is_whole(path: str) -> None:
    assert pauses(path) == 20
    Ledger(path).close()
    assert pauses(path) == 20


@pytest.mark.parametrize("damage", [cut, flip, lambda path: os.unlink(f"{path}-wal")])
def test_a_damaged_wal_is_not_taken_for_the_end_of_the_story(path: str, damage: Callable[[str], None]) -> None:
    before = contents(path)
    damage(path)
    damaged = contents(path)
    for use in (Ledger, LedgerReader):
        with pytest.raises(LedgerError, match="has lost what was recorded") as refused:
            use(path)
        assert refused.value.diagnostics[0].code == "CAMP501"
    assert contents(path) == damaged
    for end, data in zip(("", "-wal"), before, strict=True):
        Path(path + end).write_bytes(data)
    assert pauses(path) == 20


def test_who_wants_the_older_state_deletes_the_mark(path: str) -> None:
    os.unlink(f"{path}-wal")
    os.unlink(mark_path(path))
    Ledger(path).close()
    assert pauses(path) == 0


def test_a_mark_that_is_damaged_says_nothing(path: str) -> None:
    assert read_mark(path) > 20
    Path(mark_path(path)).write_bytes(b"99999999 deadbeef\n")
    assert read_mark(path) == 0
    assert pauses(path) == 20


def test_pages_that_contradict_each_other_are_found_when_it_is_opened(path: str) -> None:
    Ledger(path).close()  # brings the WAL in
    with sqlite3.connect(path) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'control'").fetchone()
    db.close()
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096 + 3)
        file.write(b"\x7f\x7f")
    with pytest.raises(LedgerError, match=r"damaged|malformed"):
        Ledger(path)


def test_a_verdict_that_there_is_not_is_damage(path: str) -> None:
    columns = "campaign, key, origin, attempt, run, token, epoch, digest, cause, instance, cell, seed, directory, state"
    values = "'c', 'k', 'plan', 1, 'r', 't', 1, 'd', 'plan', 'i', 'i', 1, '/d', 'done'"
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO blob (id, data) VALUES (1, '')")
        db.execute(
            f"INSERT INTO attempt ({columns}, verdict, admitted_at, order_blob) VALUES ({values}, 'pacs', '', 1)"
        )
    db.close()
    with LedgerReader(path) as reader, pytest.raises(LedgerError, match="'pacs'"):
        list(reader.attempts("c"))


def test_bytes_that_are_no_text_are_damage_wherever_they_are(path: str) -> None:
    """In the schema, where SQLite quotes them, and in an order."""
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO blob (id, data) VALUES (1, ?)", (b'{"axes": {"a": "\xb0"}}',))
        columns = "campaign, key, origin, attempt, run, token, epoch, digest, cause, instance, cell, seed, directory"
        values = "'c', 'k', 'plan', 1, 'r', 't', 1, 'd', 'plan', 'i', 'i', 1, '/d', 'queued', '', 1"
        db.execute(f"INSERT INTO attempt ({columns}, state, admitted_at, order_blob) VALUES ({values})")
    db.close()
    for read in (LedgerReader.records, LedgerReader.glances):
        with LedgerReader(path) as reader, pytest.raises(LedgerError, match="CAMP501"):
            list(read(reader, "c"))
    data = Path(path).read_bytes()
    Path(path).write_bytes(data.replace(b"CREATE TABLE meta", b"CREATE TABL\xc1 meta"))
    for use in (Ledger, LedgerReader):
        with pytest.raises(LedgerError, match="CAMP501"):
            use(path)


def test_a_time_that_is_none_is_damage(path: str) -> None:
    columns = "id, name, spec, state, run_root, plan_hash, seed, parallel, orphans, created_at"
    with sqlite3.connect(path) as db:
        db.execute(
            f"INSERT INTO campaign ({columns}) VALUES ('c', 'c', 's', 'finished', '/', 'h', 1, 1, 'adopt', '20r6')"
        )
    db.close()
    with LedgerReader(path) as reader, pytest.raises(LedgerError, match="'20r6'"):
        list(reader.campaigns())


def test_what_is_found_late_is_found_before_anything_is_written(path: str) -> None:
    """A table whose definition has a flipped bit, and a state that there is not: the WAL stays as it was."""
    state = "UPDATE attempt SET state = 'dome'"
    columns = "campaign, key, origin, attempt, run, token, epoch, digest, cause, instance, cell, seed, directory"
    values = "'c', 'k', 'plan', 1, 'r', 't', 1, 'd', 'plan', 'i', 'i', 1, '/d', 'done', '', 1"
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO blob (id, data) VALUES (1, '')")
        db.execute(f"INSERT INTO attempt ({columns}, state, admitted_at, order_blob) VALUES ({values})")
        db.execute(state)
    db.close()
    with pytest.raises(LedgerError, match="'dome'"):
        Ledger(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE attempt SET state = 'done'")
    db.close()
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole.replace(b"CREATE TABLE removal (\n    id INT", b"CREATE TABLE removal (\n    ie INT"))
    before = contents(path)
    with pytest.raises(LedgerError, match="definition of removal"):
        Ledger(path)
    assert contents(path) == before
    Path(path).write_bytes(whole)
    Ledger(path).close()


def test_a_journal_that_a_crash_left_is_rolled_back(path: str) -> None:
    """A kill in the middle of a change of journal mode, as the ledgers of earlier versions were made."""
    Ledger(path).close()
    script = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA journal_mode = DELETE'); db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN IMMEDIATE');"
        "db.execute('CREATE TABLE junk (x)'); [db.execute('INSERT INTO junk VALUES (zeroblob(9000))') for _ in range(50)];"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True)
    assert os.path.exists(f"{path}-journal")
    Ledger(path).close()
    assert pauses(path) == 20


@pytest.fixture
def fixed() -> Iterator[Callable[[str], str]]:
    """Copy a ledger's folder to where it may be read but not written, as ourselves or, for root, as nobody."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:

        def copy(path: str) -> str:
            place = os.path.join(folder, "fixed")
            shutil.copytree(os.path.dirname(path), place)
            os.chmod(folder, 0o755)
            for name in os.listdir(place):
                os.chmod(os.path.join(place, name), 0o444)
            os.chmod(place, 0o555)
            if root:
                os.seteuid(_NOBODY)
            return os.path.join(place, "ledger.sqlite")

        yield copy
        if root:
            os.seteuid(0)
        os.chmod(os.path.join(folder, "fixed"), 0o700)


def test_a_ledger_in_a_folder_that_cannot_be_written_is_read(path: str, fixed: Callable[[str], str]) -> None:
    Ledger(path).close()
    assert not os.path.exists(f"{path}-wal")
    assert pauses(fixed(path)) == 20


def test_a_wal_in_a_folder_that_cannot_be_written_is_read_or_said_to_need_it(
    path: str, fixed: Callable[[str], str]
) -> None:
    os.unlink(f"{path}-shm")
    place = fixed(path)
    try:
        assert pauses(place) == 20
    except LedgerError as error:
        (found,) = error.diagnostics
        assert "its folder cannot be written" in found.summary
        assert "writable" in (found.hint or "")


def test_a_new_ledger_is_in_wal_mode_from_its_first_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "ledger.sqlite")
    seen = []
    monkeypatch.setattr(os, "rename", lambda source, target: seen.append(Path(source).read_bytes()[18:20]))
    with pytest.raises(LedgerError):
        Ledger(place)
    assert seen == [b"\x02\x02"]  # the file format's write and read version: 2 is WAL
