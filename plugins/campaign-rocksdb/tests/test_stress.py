"""The programs that are run: what they print, refuse and find."""

import re
import subprocess
import sys

from campaign_rocksdb.history import history_file, read_history


def verify(database, *flags):
    argv = [sys.executable, "-P", "-m", "campaign_rocksdb.verify", f"--database={database}", *flags]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_what_it_says_is_what_it_did(writing, tmp_path):
    output = writing.write(tmp_path / "db", "--duration-s=0.5", "--reopens=1", "--flush-every-s=0.05", "--threads=3")
    history = read_history(tmp_path / "db")
    assert f"operations {history.acknowledged}" in output.splitlines()
    flushed = history_file(tmp_path / "db").read_text().count("\nflushed ")
    assert re.findall(r"^flushes (\d+)$", output, re.MULTILINE) == [str(each + 1) for each in range(flushed)]
    assert output.splitlines()[-1] == "sessions 2"
    assert history.closed


def test_more_threads_than_keys_share_what_there_is(writing, tmp_path):
    writing.write(tmp_path / "db", "--duration-s=0.2", "--keys=2", "--threads=8", "--deletes=0")
    assert set(read_history(tmp_path / "db").asked()) == {0, 1}


def test_a_refusal_of_rocksdb_is_one_line_and_exit_1(writing, tmp_path):
    (tmp_path / "db").write_text("no folder")
    with writing.start(tmp_path / "db", "--duration-s=0.1") as writer:
        _, errors = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert errors.startswith("rocksdb stress: ")
    assert len(errors.splitlines()) == 1


def test_reopen_recovers_and_verify_compares(killed, copy_of):
    database = copy_of(killed)
    assert verify(database, "--promise=acknowledged").returncode == 0
    reopened = verify(database, "--reopen")
    assert reopened.returncode == 0, reopened.stderr
    assert int(reopened.stdout.split()[1]) == read_history(killed).acknowledged
    assert read_history(database).closed
    with history_file(database).open("ab") as history:
        history.write(b"open 99 log\ndelete 3 999999\nack 3 999999\nput 4 1000000 40\nack 4 1000000\n")
    for flags in ((), ("--reopen",)):
        compared = verify(database, *flags)
        assert compared.returncode == 1
        assert re.match(r"rocksdb verify: acknowledged .* is lost: it holds ", compared.stderr)


def test_there_must_be_something_to_compare_with(tmp_path):
    compared = verify(tmp_path / "db")
    assert compared.returncode == 1
    assert compared.stderr == "rocksdb verify: nobody wrote db: there is nothing to compare it with\n"


def test_a_damage_is_done_once_and_said(killed, copy_of):
    database = copy_of(killed)
    argv = [sys.executable, "-P", "-m", "campaign_rocksdb.damage", f"--database={database}", "--kind=remove-current"]
    did = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (did.returncode, did.stdout) == (0, "removed CURRENT\n")
    again = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 1
    assert again.stderr.startswith("rocksdb damage: ")
