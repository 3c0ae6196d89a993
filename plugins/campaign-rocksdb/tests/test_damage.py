"""Real databases, damaged in every way that has a name: each is found, and told from the others."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign_rocksdb.damage import KINDS, cut, damage, flip
from campaign_rocksdb.ondisk import current_manifest, flaw_of, live_tables, numbered
from campaign_rocksdb.plugin import _DAMAGES

TABLE = r"^\d{6}\.sst "
PLACES = (0.02, 0.5, 0.97)


def test_the_plugin_offers_every_kind_of_damage():
    assert sorted(_DAMAGES) == sorted(KINDS)


def test_databases_that_nobody_damaged_are_sound(closed, killed, judged):
    for database in (closed, killed):
        finding = judged(database)
        assert finding.wrong is None
        assert 150 < finding.keys < 500
        assert finding.acknowledged > 0


def digests(database: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(database.iterdir())}


def test_the_evidence_is_not_changed(killed, judged):
    before = digests(killed)
    judged(killed)
    assert digests(killed) == before


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("flip-table", TABLE + "is damaged: Corruption: .*block checksum mismatch"),
        ("cut-table", TABLE + r"has \d+ bytes, of \d+ that the MANIFEST holds$"),
        ("remove-table", TABLE + "is missing$"),
        ("add-table", TABLE[:-1] + ": no table that the MANIFEST holds$"),
        ("swap-tables", TABLE + r"(has \d+ bytes, of \d+ that the MANIFEST holds$|.*[Uu]nique)"),
        ("flip-manifest", "^MANIFEST-000005 is damaged: (Corruption: checksum mismatch|there is no record at byte)"),
        ("remove-manifest", "^MANIFEST-000005, which CURRENT names, is missing$"),
        ("flip-current", "^CURRENT is damaged: it names"),
        ("cut-current", "^CURRENT is damaged: it names"),
        ("remove-current", "^CURRENT is missing$"),
    ],
)
def test_a_damage_to_a_closed_database_is_told_from_the_others(closed, copy_of, judged, kind, message):
    for at in PLACES if kind.startswith(("flip", "cut")) else (0.5,):
        database = copy_of(closed, f"{kind}-{at}")
        did = damage(database, kind, at)
        wrong = judged(database).wrong
        assert wrong is not None, did
        assert re.search(message, wrong), f"{did}: {wrong}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "flip-log",
            r"^\d{6}\.log is (damaged: (Corruption: |there is no record)|cut off .*; acknowledged .* is lost)",
        ),
        (
            "cut-log",
            r"^\d{6}\.log is cut off in the middle of the record at byte \d+; acknowledged .* is lost: it holds",
        ),
        ("remove-log", r"^acknowledged .* of key \d+ is lost: it holds"),
    ],
)
def test_a_damage_to_the_log_of_a_killed_writer_is_told(killed, copy_of, judged, kind, message):
    for at in PLACES if kind != "remove-log" else (0.5,):
        database = copy_of(killed, f"{kind}-{at}")
        did = damage(database, kind, at)
        wrong = judged(database).wrong
        assert wrong is not None, did
        assert re.search(message, wrong), f"{did}: {wrong}"


def test_a_manifest_that_was_cut_is_told_wherever_it_was_cut(closed, copy_of, judged):
    """But between two records: there it is one of a moment before, and what that one lacks tells."""
    message = r"MANIFEST-000005 is cut off in the middle of the record at byte \d+(; MANIFEST-000005 is damaged: .*)?$"
    for at in (0.01, 0.3, 0.55, 0.8, 0.95, 0.995):
        database = copy_of(closed, f"cut-{at}")
        did = damage(database, "cut-manifest", at)
        assert re.match(message, judged(database).wrong or ""), f"{did}: {judged(database).wrong}"


def test_a_manifest_cut_between_two_records_lacks_tables(closed, copy_of, judged):
    whole = (closed / "MANIFEST-000005").read_bytes()
    between = [at for at in range(1, len(whole)) if flaw_of(whole[:at]) is None]
    assert len(between) > 4
    for at in between[:-1]:
        database = copy_of(closed, f"cut-{at}")
        (database / "MANIFEST-000005").write_bytes(whole[:at])
        assert judged(database).wrong is not None, at


def live(database: Path, tools) -> Iterator[Path]:
    said = tools.ldb("manifest_dump", f"--path={database / current_manifest(database)}")
    tables = numbered(database, ".sst")
    return (tables[number] for number in live_tables(said.stdout))


def test_a_live_table_of_a_killed_writer_is_looked_at(killed, copy_of, judged, tools):
    for act, message in ((flip, "is damaged: Corruption"), (cut, "that the MANIFEST holds")):
        database = copy_of(killed, act.__name__)
        path = next(live(database, tools))
        act(path, 0.5)
        assert judged(database).wrong.startswith(path.name)
        assert message in judged(database).wrong


def test_a_table_that_a_killed_writer_may_have_left_half_written_is_noted_and_harms_nothing(killed, copy_of, judged):
    """No tool can tell what a killed flush left from what somebody put there: RocksDB uses neither."""
    database = copy_of(killed)
    damage(database, "add-table")
    finding = judged(database)
    assert finding.wrong is None
    assert re.search(r"\.sst: no table that the MANIFEST holds", finding.notes[-1])


def test_a_log_cut_between_two_records_is_found_by_what_is_lost(killed, copy_of, judged, tools):
    """What is left is a log that nobody could tell from a whole one, but for the expected values."""
    database = copy_of(killed)
    log = [path for path in numbered(database, ".log").values() if path.stat().st_size][-1]
    offsets = re.findall(r"^\d+,\d+,\d+,(\d+),", tools.ldb("dump_wal", f"--walfile={log}").stdout, re.MULTILINE)
    log.write_bytes(log.read_bytes()[: int(offsets[len(offsets) // 2])])
    assert re.match(r"acknowledged .* is lost: it holds", judged(database).wrong)


def test_expected_values_that_the_database_does_not_have_are_lost(closed, copy_of, judged):
    database = copy_of(closed)
    with (database.parent / "db.expected").open("ab") as history:
        history.write(b"open 99 log\nput 3 999999 40\nack 3 999999\n")
    assert judged(database).wrong.startswith("acknowledged put 999999 of key 3 is lost: it holds ")


def test_a_database_that_is_gone_is_wrong_and_one_that_never_was_cannot_be_judged(closed, copy_of, judged, tmp_path):
    database = copy_of(closed)
    damage(database, "remove-current")
    for path in database.iterdir():
        path.unlink()
    database.rmdir()
    assert re.fullmatch(r"db is gone, with \d+ acknowledged operations", judged(database).wrong)
    with pytest.raises(FileNotFoundError, match=r"db\.expected tells of no session: there is nothing to judge"):
        judged(tmp_path / "nowhere" / "db")


def test_a_damage_that_cannot_be_done_is_said(closed, copy_of):
    with pytest.raises(ValueError, match=r"there is no \*\.log that holds anything"):
        damage(copy_of(closed), "flip-log")
