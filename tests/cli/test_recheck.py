"""``campaign recheck``: yesterday's evidence judged by today's spec, and every way in which it is none any more."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
SPEC = """
campaign "again" { parallel 2 }
tool t {
  command "/bin/sh" "-c" "echo rate=7; echo hello; echo data > file; test {which} != bad"
  param which: string = "ok"
}
instance i.{which} {
  sweep which = ["ok", "bad", "odd"]
  run t
  oracle file.exists { path = "file" }
}
"""


@pytest.fixture
def ran(campaign: Campaign, tmp_path: Path) -> Path:
    """A campaign that was carried out: ``ok`` and ``odd`` passed, ``bad`` failed."""
    (tmp_path / "a.camp").write_text(SPEC)
    assert campaign("exec", "a.camp").returncode == 1
    return tmp_path


def rewrite(folder: Path, *pairs: tuple[str, str]) -> None:
    text = (folder / "a.camp").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "a.camp").write_text(text)


def recheck(campaign: Campaign, *arguments: str, status: int = 1, **env: str) -> dict[str, Any]:
    """The runs by the value of their axis, and under ``totals`` the sums."""
    done = campaign("recheck", "--format", "json", *arguments, env=env)
    assert done.returncode == status, done.stderr
    told = json.loads(done.stdout)
    found: dict[str, Any] = {each["run"].split(".")[1].split("#")[0]: each for each in told["runs"]}
    return {**found, "totals": told["totals"]}


def outcomes(told: dict[str, Any]) -> list[str]:
    return [told[name]["outcome"] for name in ("ok", "bad", "odd")]


def recorded(folder: Path) -> tuple[list[Any], dict[str, bytes], list[str]]:
    """What no recheck may change: the attempts and their judgements, every file; and the sources of all judgements."""
    with sqlite3.connect(f"file:{folder}/.campaign/ledger.sqlite?mode=ro", uri=True) as db:
        rows = list(db.execute("SELECT * FROM attempt")) + list(
            db.execute("SELECT * FROM judgement WHERE source = 'exec'")
        )
        sources = [source for (source,) in db.execute("SELECT source FROM judgement ORDER BY id")]
    files = {str(path): path.read_bytes() for path in (folder / ".campaign/runs").rglob("*") if path.is_file()}
    return rows, files, sources


def folder_of(root: Path, which: str) -> Path:
    (found,) = root.glob(f".campaign/runs/*/*/i.{which}/seed-0/attempt-1")
    return found


def test_what_did_not_change_is_the_same_and_nothing_of_it_changes(campaign: Campaign, ran: Path) -> None:
    before = recorded(ran)
    told = recheck(campaign)
    assert outcomes(told) == ["same"] * 3
    assert told["totals"]["outcomes"]["same"] == 3
    assert (told["totals"]["passed"], told["totals"]["verified"]) == (2, 2)
    assert (told["bad"]["verdict"], told["bad"]["recorded"]) == ("fail", "fail")
    after = recorded(ran)
    assert after[:2] == before[:2]
    assert after[2] == ["exec"] * 3 + ["recheck"] * 3
    shown = json.loads(campaign("show", "i.ok#0", "--format", "json").stdout)
    assert (shown["verdict"], shown["verified"]) == ("pass", True)
    assert "judged again" in campaign("show", "i.ok#0").stdout


def test_todays_spec_judges(campaign: Campaign, ran: Path) -> None:
    """Another oracle, another good exit, a pattern and a metric that nobody looked for when it ran."""
    rewrite(ran, ('path = "file"', 'path = "nothing"'))
    told = recheck(campaign)
    assert outcomes(told) == ["now fails", "same", "now fails"]
    assert "nothing does not exist" in told["ok"]["reason"]
    assert told["ok"]["fingerprint"] != told["ok"]["recorded_fingerprint"] is None
    rewrite(ran, ('path = "nothing"', 'path = "file"'), ("  run t\n", "  run t { ok-exits = [0, 1] }\n"))
    assert outcomes(recheck(campaign, status=0)) == ["same", "now passes", "same"]
    metric = "  metric rate = /rate=(\\d+)/\n  param which"
    rewrite(
        ran,
        ("  param which", metric),
        ("  run t {", '  expect output contains "hello"\n  expect metrics.rate == 7\n  run t {'),
    )
    assert outcomes(recheck(campaign, status=0)) == ["same", "now passes", "same"]
    rewrite(ran, ("metrics.rate == 7", "metrics.rate == 8"), ('"hello"', '"good bye"'))
    told = recheck(campaign)
    assert outcomes(told) == ["now fails", "fails otherwise", "now fails"]
    assert "good bye" in told["ok"]["reason"]


def test_an_oracle_that_cannot_run_verifies_nothing(campaign: Campaign, ran: Path) -> None:
    rewrite(ran, ('oracle file.exists { path = "file" }', 'oracle command { argv = ["no-such-program"] }'))
    told = recheck(campaign)
    assert outcomes(told)[::2] == ["not verified"] * 2
    assert "no-such-program" in told["ok"]["why"]
    assert not told["ok"]["passed"]
    rewrite(ran, ("{ argv", "{ required = false; argv"))
    told = recheck(campaign)
    assert (told["ok"]["outcome"], told["ok"]["passed"], told["ok"]["verified"]) == ("not verified", True, False)
    table = campaign("recheck").stdout
    assert "NOT VERIFIED" in table
    assert "2 passed, 0 of them verified by an oracle" in table


def test_a_run_without_oracles_passes_and_is_not_verified(campaign: Campaign, ran: Path) -> None:
    rewrite(ran, ('  oracle file.exists { path = "file" }\n', ""), ("  run t\n", "  run t { ok-exits = [0, 1] }\n"))
    told = recheck(campaign, status=0)
    assert (told["ok"]["outcome"], told["ok"]["verified"], told["ok"]["why"]) == (
        "same",
        False,
        "no oracle looked at it",
    )


def _later() -> None:
    """The judgement of before is older by more than the clocks of disk and process may differ."""
    time.sleep(0.2)


def _touch(folder: Path) -> None:
    later = time.time() + 60
    os.utime(folder / "work/file", (later, later))


def _put_back(folder: Path) -> None:
    """Other bytes of the same date."""
    path = folder / "work/file"
    then = path.stat()
    _later()
    path.write_text("DATA\n")
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))


def _remove(folder: Path) -> None:
    _later()
    (folder / "work/file").unlink()


def _damage(folder: Path) -> None:
    """A bit of an order in the ledger."""
    with sqlite3.connect(folder.parents[5] / "ledger.sqlite") as db:
        db.execute(
            "UPDATE blob SET data = CAST(replace(CAST(data AS TEXT), 'echo rate', 'echo rite') AS BLOB) WHERE id ="
            " (SELECT order_blob FROM attempt WHERE cell = 'i.ok')"
        )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_touch, "work/file was changed after it was judged"),
        (_put_back, "work/file was changed after it was judged, and its date put back"),
        (_remove, "work was changed after it was judged: something in it was removed or renamed"),
        (lambda folder: shutil.rmtree(folder / "work"), "its work/ is gone"),
        (lambda folder: (folder / "output.log").write_text("other"), "its output.log is not the one that was kept"),
        (lambda folder: (folder / "output.log").unlink(), "its output.log is gone"),
        (shutil.rmtree, "its folder is gone"),
        (_damage, "does not match the digest"),
    ],
    ids=["changed", "put-back", "removed", "work", "output", "no-output", "folder", "digest"],
)
def test_evidence_that_is_none_any_more(
    in_process: Any, campaign: Campaign, ran: Path, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(folder_of(ran, "ok"))
    told = recheck(campaign)
    assert outcomes(told) == ["not verified", "same", "same"]
    assert why in told["ok"]["why"]


def test_what_was_changed_stays_changed(campaign: Campaign, ran: Path) -> None:
    """A judgement on spoilt evidence is no new beginning."""
    path = folder_of(ran, "ok") / "work/file"
    stamp = time.time() + 3
    os.utime(path, (stamp, stamp))
    for _ in range(2):
        assert outcomes(recheck(campaign)) == ["not verified", "same", "same"]


def test_an_oracle_that_objects_to_what_was_changed_proves_nothing(campaign: Campaign, ran: Path) -> None:
    rewrite(ran, ('file.exists { path = "file" }', 'text.contains { file = "file"; text = "data" }'))
    told = recheck(campaign)
    assert outcomes(told) == ["same"] * 3, told
    _later()
    (folder_of(ran, "ok") / "work/file").write_text("DATA\n")
    told = recheck(campaign)
    assert outcomes(told) == ["not verified", "same", "same"]
    assert "work/file was changed after it was judged" in told["ok"]["why"]


def test_a_folder_that_was_copied_with_its_dates_is_the_same(campaign: Campaign, ran: Path) -> None:
    _later()
    shutil.copytree(ran / ".campaign/runs", ran / "copied")
    shutil.rmtree(ran / ".campaign/runs")
    (ran / "copied").rename(ran / ".campaign/runs")
    assert outcomes(recheck(campaign)) == ["same"] * 3


LACKING = """
import os
from campaign.plugins.api import Judgement, Oracle, hookimpl

api = 1


class Telemetry(Oracle):
    name = "telemetry"
    about = "the rail stayed within its limits"

    def available(self):
        return "there is no /dev/i2c-1" if os.path.exists(GONE) else None

    def judge(self, evidence, settings):
        return Judgement(ok=True)


@hookimpl
def campaign_oracles():
    return [Telemetry()]
"""


def test_an_oracle_that_is_not_available_any_more_verifies_nothing(campaign: Campaign, tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "campaign_boards-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "stranger_boards.py").write_text(LACKING.replace("GONE", repr(str(tmp_path / "gone"))))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: campaign-boards\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[campaign.plugins]\nboards = stranger_boards\n")
    path = {"PYTHONPATH": str(site)}
    spec = SPEC.replace('file.exists { path = "file" }', "boards.telemetry")
    (tmp_path / "a.camp").write_text(f"use boards\n{spec}")
    assert campaign("exec", "a.camp", env=path).returncode == 1
    assert recheck(campaign, **path)["totals"]["verified"] == 2
    (tmp_path / "gone").touch()
    told = recheck(campaign, **path)
    assert (told["ok"]["outcome"], told["ok"]["passed"], told["totals"]["verified"]) == ("not verified", False, 0)
    assert "oracle boards.telemetry cannot be used here: there is no /dev/i2c-1" in told["ok"]["why"]


def test_a_cell_that_is_gone_is_judged_as_it_was_ordered(campaign: Campaign, ran: Path) -> None:
    rewrite(ran, ('"odd"]', '"new"]'), ('path = "file"', 'path = "nothing"'))
    told = recheck(campaign)
    assert outcomes(told) == ["now fails", "same", "same"]
    assert "not in the plan any more" in told["odd"]["remarks"][0]
    assert "not in the plan any more" in campaign("recheck").stdout


def test_rules_of_today(campaign: Campaign, ran: Path) -> None:
    """A failure that is quarantined by now does not count, a limit that is tighter by now is said and stops nothing."""
    mark = recheck(campaign)["bad"]["fingerprint"]
    entry = f"{{fingerprint: {mark}, issue: A-1, until: 2999-01-01}}"
    (ran / "z.yaml").write_text(f"name: z\nquarantine: [{entry}]\nlimits: {{which: {{in: [ok, bad]}}}}\n")
    rewrite(ran, ('campaign "again"', 'rules "z.yaml"\ncampaign "again"'))
    done = campaign("recheck", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "CAMP320" in done.stderr
    assert json.loads(done.stdout)["totals"]["quarantined"] == 1


@pytest.mark.parametrize(
    ("spoil", "code", "status"),
    [
        (lambda folder: (folder / "a.camp").unlink(), "CAMP130", 2),
        (lambda folder: (folder / "a.camp").write_text("campaign"), "CAMP0", 2),
    ],
    ids=["gone", "broken"],
)
def test_a_spec_that_judges_nothing(
    campaign: Campaign, ran: Path, spoil: Callable[[Path], None], code: str, status: int
) -> None:
    (ran / "b.camp").write_text(SPEC)
    spoil(ran)
    done = campaign("recheck")
    assert (done.returncode, code in done.stderr) == (status, True), done.stderr
    assert outcomes(recheck(campaign, "--spec", "b.camp")) == ["same"] * 3


def test_killed_in_the_middle_the_ledger_is_right(campaign: Campaign, ran: Path) -> None:
    before = recorded(ran)
    for point in ("client.write.before", "ledger.commit.before", "ledger.commit.after"):
        assert campaign("recheck", env={"CAMPAIGN_FAILPOINT": f"{point}=kill"}).returncode == -9
        rows, files, sources = recorded(ran)
        assert (rows, files) == before[:2]
        assert len(sources) in (3, 6)
    assert outcomes(recheck(campaign)) == ["same"] * 3


def test_a_daemon_writes_for_it_and_an_archive_is_judged_too(campaign: Campaign, ran: Path, tmp_path: Path) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "campaign", "daemon", "--parallel", "1"],
        cwd=ran,
        env={**os.environ, "HOME": str(ran)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for((ran / ".campaign/daemon.sock").exists)
        assert outcomes(recheck(campaign)) == ["same"] * 3
        assert recorded(ran)[2] == ["exec"] * 3 + ["recheck"] * 3
    finally:
        daemon.terminate()
        daemon.wait(60)
    assert campaign("export", "-o", "x.tar").returncode == 0
    other = {"CAMPAIGN_WORKSPACE": str(tmp_path / "other")}
    done = campaign("import", "x.tar", env=other)
    assert done.returncode == 0, done.stderr
    assert outcomes(recheck(campaign, **other)) == ["same"] * 3


def test_what_an_oracle_leaves_behind_is_ended_after_exec_and_recheck(campaign: Campaign, tmp_path: Path) -> None:
    naptime = f"874.{os.getpid()}"
    judge = f"sleep {naptime} & setsid sleep {naptime} & exit 0"
    oracle = f'oracle command {{ argv = ["/bin/sh", "-c", "{judge}"] }}'
    (tmp_path / "a.camp").write_text(SPEC.replace('oracle file.exists { path = "file" }', oracle))
    assert campaign("exec", "a.camp").returncode == 1
    assert naptime not in commands()
    recheck(campaign)
    assert naptime not in commands()


def commands() -> str:
    """Whatever runs on this machine, as it was called."""
    asked = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return asked.stdout
