"""The claim of the package, on real kills: without a journal transactions break, with one they never do."""

import random

import pytest

from campaign_sqlite.integrity import inspect

KILLS = 6


def _broken(killer, journal, sync, *flags):
    draw = random.Random(f"{journal}/{sync}")
    findings = []
    for kill in range(KILLS):
        killer.fresh_database(str(kill))
        killer.kill(draw.uniform(0.02, 0.2), f"--journal={journal}", f"--sync={sync}", *flags)
        findings.append(inspect(killer.database))
    return [finding for finding in findings if finding.wrong]


@pytest.mark.parametrize("journal", ["off", "memory"])
def test_a_journal_that_dies_with_the_process_breaks_transactions(killer, journal):
    # about 11 of 12 kills break; one in six is a bound that a sound database could never reach
    assert _broken(killer, journal, "off")


@pytest.mark.parametrize(("journal", "sync"), [("wal", "off"), ("wal", "full"), ("delete", "off"), ("delete", "full")])
def test_a_journal_on_disk_keeps_every_acknowledged_commit(killer, journal, sync):
    assert _broken(killer, journal, sync) == []


def test_several_processes_survive_in_wal_mode(killer):
    assert _broken(killer, "wal", "normal", "--processes=2", "--threads=2") == []
