import sqlite3

from campaign_sqlite.integrity import inspect
from campaign_sqlite.ledger import acknowledgements, read_acknowledged


def test_a_writer_that_ends_leaves_every_commit_and_says_how_many(killer):
    with killer.start("--duration-s=0.5", "--threads=2", "--processes=2") as writer:
        output, errors = writer.communicate(timeout=60)
    assert writer.returncode == 0, errors
    acknowledged = read_acknowledged(killer.database)
    finding = inspect(killer.database)
    assert finding.wrong is None
    assert finding.committed == len(acknowledged) > 0
    assert output.splitlines()[-1].startswith("commits ")


def test_commits_are_counted_while_it_writes(killer):
    with killer.start("--duration-s=0.5", "--threads=1") as writer:
        output, _ = writer.communicate(timeout=60)
    assert output.splitlines()[-1] == f"commits {len(read_acknowledged(killer.database))}"


def test_an_acknowledgement_comes_after_its_commit(killer):
    with killer.start("--duration-s=60", "--threads=1") as writer:
        killer.wait_for_commit(writer)
        first = int(acknowledgements(killer.database).read_text().splitlines()[0])
        with sqlite3.connect(killer.database) as reader:
            rows = reader.execute("SELECT count(*) FROM entry WHERE txn = ?", (first,)).fetchone()[0]
        writer.kill()
    assert rows == 500


def test_settings_under_test_are_those_of_the_connection(killer):
    with killer.start("--duration-s=0.1", "--journal=persist") as writer:
        writer.communicate(timeout=60)
    assert writer.returncode == 0
    assert killer.database.with_name("ledger.db-journal").exists()


def test_a_refusal_of_sqlite_is_one_line_and_exit_1(killer):
    killer.database.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with killer.start("--duration-s=0.1") as writer:
        _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert errors == "sqlite writer: file is not a database\n"


def test_a_folder_that_is_not_there_is_one_line_and_exit_1(killer):
    killer.database = killer.database.parent / "nowhere" / "ledger.db"
    with killer.start("--duration-s=0.1") as writer:
        _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert errors == "sqlite writer: unable to open database file\n"
