"""Every promise, broken by hand: the oracle must be able to fail, and name the first thing wrong."""

import hashlib
import sqlite3

import pytest

from campaign_sqlite.integrity import inspect, signature
from campaign_sqlite.ledger import SCHEMA, acknowledgements


@pytest.fixture
def database(tmp_path):
    """Two accounts, two transactions of two entries each, both acknowledged."""
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO account VALUES (?, ?, ?, 'n')", [(0, 7, 2), (1, -7, 2)])
        entries = [(1, 0, 2, 0, 5), (1, 1, 2, 1, -5), (2, 0, 2, 0, 2), (2, 1, 2, 1, -2)]
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", entries)
    connection.close()
    acknowledgements(path).write_text("1\n2\n")
    return path


def _change(database, statement):
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
    connection.close()


def test_a_sound_database_is_sound(database):
    finding = inspect(database)
    assert finding == (None, 2, 2, "ok")


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        (
            "DELETE FROM entry WHERE txn = 2 AND position = 1",
            "half a transaction is there: 1 of the 2 rows of transaction 2",
        ),
        (
            "UPDATE entry SET amount = -3 WHERE txn = 2 AND position = 1",
            "half a transaction is there: the amounts of transaction 2 add up to -1",
        ),
        (
            "UPDATE account SET balance = 5 WHERE key = 0",
            "half a transaction is there: account 0 holds 5, its entries add up to 7",
        ),
        ("DELETE FROM entry WHERE txn = 2", "half a transaction is there: account 0 holds 7, its entries add up to 5"),
    ],
)
def test_part_of_a_transaction_is_found(database, statement, wrong):
    _change(database, statement)
    assert inspect(database).wrong == wrong


def test_a_lost_commit_is_found(database):
    acknowledgements(database).write_text("1\n2\n3\n4\n")
    assert inspect(database).wrong == "acknowledged commit 3 is missing, 2 in all"


def test_an_unfinished_acknowledgement_does_not_count(database):
    acknowledgements(database).write_text("1\n2\n3")
    assert inspect(database).wrong is None


def test_a_table_and_its_index_that_disagree_are_found(database):
    _change(database, "PRAGMA writable_schema = ON")
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA writable_schema = ON")
    # the index is taken out of the schema, the table changes without it, and it is put back
    row = connection.execute("SELECT * FROM sqlite_schema WHERE name = 'account_by_stamp'").fetchone()
    connection.execute("DELETE FROM sqlite_schema WHERE name = 'account_by_stamp'")
    connection.commit()
    connection.close()
    _change(database, "INSERT INTO account VALUES (9, 0, 9, 'n')")
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    finding = inspect(database)
    assert finding.wrong == "integrity_check: row 3 missing from index account_by_stamp"
    assert len(finding.integrity_check.splitlines()) > 1


def test_garbage_is_damage_not_a_crash_of_the_oracle(database):
    database.write_bytes(b"\0garbage" * 1000)
    assert inspect(database).wrong == "file is not a database"


def test_a_truncated_file_is_damage(database):
    database.write_bytes(database.read_bytes()[:5000])
    assert inspect(database).wrong is not None


def test_the_evidence_is_not_changed(killer):
    killer.kill(0.1, "--journal=wal")
    directory = killer.database.parent
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
    assert killer.database.with_name("ledger.db-wal").stat().st_size > 0
    assert inspect(killer.database).wrong is None
    after = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
    assert after == before


def test_a_writer_killed_before_its_first_table_has_lost_nothing(tmp_path):
    database = tmp_path / "ledger.db"
    database.write_bytes(b"")
    assert inspect(database) == (None, 0, 0, "ok")


def test_no_database_and_no_commit_is_nothing_to_judge(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the writer left no ledger\.db"):
        inspect(tmp_path / "ledger.db")


def test_a_database_that_is_gone_with_its_commits_is_wrong(tmp_path):
    acknowledgements(tmp_path / "ledger.db").write_text("1\n")
    assert inspect(tmp_path / "ledger.db").wrong == "ledger.db is gone with 1 acknowledged commits"


@pytest.mark.parametrize(
    ("message", "bug"),
    [
        ("integrity_check: row 3 missing from index account_by_stamp", "sqlite: torn transaction"),
        ("half a transaction is there: 1 of the 2 rows of transaction 2", "sqlite: torn transaction"),
        ("database disk image is malformed", "sqlite: torn transaction"),
        ("acknowledged commit 3 is missing, 2 in all", "sqlite: lost commit"),
        ("the checksum of page 3 is wrong", None),
    ],
)
def test_one_bug_has_one_signature(message, bug):
    assert signature(message) == bug
