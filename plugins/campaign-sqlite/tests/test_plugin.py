"""The plugin as campaign sees it: found by its entry point, its command run, its oracle asked."""

import subprocess
import sys

import pytest

from campaign.plugins.api import Evidence, Exit, Step, parse_quantity
from campaign.plugins.parameters import defaults, validate
from campaign.plugins.registry import Registry


@pytest.fixture
def registry():
    registry = Registry()
    assert registry.use(["sqlite"]) == []
    return registry


def _step(workdir, settings):
    return Step(
        label="sqlite.writer", settings=settings, workdir=str(workdir), seed=1, random=7,
        instance="i", cell="i", attempt=1,
    )  # fmt: skip


def _evidence(workdir):
    end = Exit(
        token="t", epoch=1, digest="d", started_at="", finished_at="", duration_s=0, boot_id="b"
    )  # fmt: skip
    return Evidence(
        campaign="c", key="i#0", instance="i", cell="i", seed=0, attempt=1,
        directory=str(workdir), work=str(workdir), exit=end,
    )  # fmt: skip


def test_both_providers_can_be_used_here(registry):
    assert registry.unavailable("tool", "sqlite.writer") is None
    assert registry.unavailable("oracle", "sqlite.integrity") is None


def test_the_command_writes_what_the_oracle_judges(registry, tmp_path):
    writer, oracle = registry.find("tool", "sqlite.writer"), registry.find("oracle", "sqlite.integrity")
    settings = {**defaults(writer), "duration": parse_quantity("300ms"), "journal": "delete"}
    assert validate(writer, settings) == []
    command = writer.command(_step(tmp_path, settings))
    ended = subprocess.run(command.argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    judgement = oracle.judge(_evidence(tmp_path), defaults(oracle))
    assert judgement.ok
    assert judgement.details["acknowledged"] == judgement.details["committed"] > 0
    assert judgement.message == f"all {judgement.details['acknowledged']} acknowledged commits are there"


def test_settings_become_flags(registry, tmp_path):
    writer = registry.find("tool", "sqlite.writer")
    settings = {**defaults(writer), "duration": parse_quantity("1m30s"), "cache": parse_quantity("1MiB"), "threads": 2}
    argv = writer.command(_step(tmp_path, settings)).argv
    assert argv[0] == sys.executable
    assert {"--duration-s=90.0", "--cache-kib=1024", "--threads=2", "--seed=7", "--journal=wal"} <= set(argv)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"journal": "wall"}, 'journal is "wall"; allowed are "wal", "delete", "truncate", "persist", "memory", "off"'),
        ({"threads": 0}, "threads is 0; the least is 1"),
        ({"duration": parse_quantity("5V")}, "duration is 5V, which is not a duration"),
        ({"jornal": "wal"}, "jornal is no parameter here"),
    ],
)
def test_wrong_settings_are_named(registry, setting, message):
    writer = registry.find("tool", "sqlite.writer")
    assert [str(problem) for problem in validate(writer, setting)] == [message]


def test_a_damaged_database_is_not_ok_and_says_why(registry, tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"\0garbage" * 1000)
    judgement = registry.find("oracle", "sqlite.integrity").judge(_evidence(tmp_path), {"database": "ledger.db"})
    assert not judgement.ok
    assert judgement.message == "file is not a database"


def test_failures_of_one_bug_are_one_failure(registry):
    for message in ("integrity_check: Page 7 is never used", "half a transaction is there: 1 of 500 rows"):
        assert registry.fingerprint(None, None, message) == ("sqlite: torn transaction", [])
    assert registry.fingerprint(None, None, "something else") == (None, [])
