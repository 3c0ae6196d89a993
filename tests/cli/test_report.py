"""``report``: written again from what was recorded, each format readable by its own reader."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from campaign.analysis.reporting import wanted_by
from campaign.language.resolve import check
from campaign.plugins.registry import Registry
from campaign.records import RunView, Summary
from campaign.records.schemas import json_schema

RUNS = [("crash.off", 1, ["fail: row 7 missing"]), ("crash.wal", 1, ["fail: it flickers", "pass"])]


@pytest.fixture
def report(in_process: Any, recorded: Any) -> Any:
    row = recorded(RUNS)

    def call(name: str, file: str) -> str:
        result = in_process("report", "crash", "--as", name)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"{row.run_root}/{file}\n"
        return (Path(row.run_root) / file).read_text(encoding="utf-8")

    return call


def test_junit(report: Any) -> None:
    (suite,) = ET.fromstring(report("junit", "junit.xml"))
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert len(suite.findall("testcase/flakyFailure")) == 1


def test_csv(report: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(report("csv", "runs.csv"))))
    assert [(row["key"], row["attempt"], row["journal"]) for row in rows] == [
        ("crash.off#1", "1", "off"),
        ("crash.wal#1", "1", "wal"),
        ("crash.wal#1", "2", "wal"),
    ]


@pytest.mark.parametrize("name", ["md", "markdown"])
def test_markdown(report: Any, name: str) -> None:
    assert report(name, "report.md").startswith("# crash\n\n**2 runs**")


def test_json(report: Any) -> None:
    whole = json.loads(report("json", "report.json"))
    jsonschema.validate(whole["summary"], json_schema(Summary))
    assert len(whole["runs"]) == 3
    for run in whole["runs"]:
        jsonschema.validate(run, json_schema(RunView))


def test_to_stdout_and_to_a_file(in_process: Any, recorded: Any, tmp_path: Path) -> None:
    recorded(RUNS)
    assert in_process("report", "--as", "md", "-o", "-").stdout.startswith("# crash")
    assert in_process("report", "--as", "md", "-o", "x.md").exit_code == 0
    assert (tmp_path / "x.md").read_text().startswith("# crash")


def test_an_unknown_reporter_and_an_unwritable_place(in_process: Any, recorded: Any, tmp_path: Path) -> None:
    recorded(RUNS)
    unknown = in_process("report", "--as", "pdf")
    assert (unknown.exit_code, "CAMP582" in unknown.stderr, "junit" in unknown.stderr) == (2, True, True)
    nowhere = in_process("report", "--as", "md", "-o", str(tmp_path / "none" / "x.md"))
    assert (nowhere.exit_code, "CAMP571" in nowhere.stderr) == (3, True)


MARGINS = [(f"{v}.{f}", 1, ["pass" if v > f else "fail: too low"]) for v in (1, 2, 3) for f in (1, 2)]


@pytest.fixture
def margins(recorded: Any) -> Any:
    return recorded(MARGINS, axes=("v", "f"))


def test_a_shmoo_is_printed_and_written_where_a_file_is_named(in_process: Any, margins: Any, tmp_path: Path) -> None:
    printed = in_process("report", "--as", "shmoo")
    assert (printed.exit_code, "3 | * *\n2 | * .\n1 | . .\n" in printed.stdout) == (0, True)
    assert in_process("report", "--as", "shmoo", "-o", "s.svg").stdout == "s.svg\n"
    ET.parse(tmp_path / "s.svg")
    assert in_process("report", "--as", "shmoo", "--set", "form=png").stdout == f"{margins.run_root}/shmoo.png\n"
    assert (Path(margins.run_root) / "shmoo.png").read_bytes().startswith(b"\x89PNG")
    swapped = in_process("report", "--as", "shmoo", "--set", "x=v", "--set", 'y="f"').stdout
    assert "2 | . . *\n1 | . * *\n" in swapped


@pytest.mark.parametrize(
    ("name", "setting", "code"),
    [
        ("shmoo", "x=volts", "CAMP589"),
        ("shmoo", "z=1", "CAMP143"),
        ("shmoo", "form=gif", "CAMP112"),
        ("shmoo", "panels=many", "CAMP"),
        ("shmoo", "panels=0", "CAMP112"),
        ("shmoo", "x", "CAMP213"),
        ("junit", "x=1", "CAMP143"),
    ],
)
def test_a_wrong_setting_is_told(in_process: Any, margins: Any, name: str, setting: str, code: str) -> None:
    done = in_process("report", "--as", name, "--set", setting)
    assert (done.exit_code, code in done.stderr) == (2, True), done.stderr


def test_what_cannot_be_drawn_is_told(in_process: Any, recorded: Any) -> None:
    row = recorded(RUNS)
    done = in_process("report", "--as", "shmoo", "-o", "s.svg")
    assert (done.exit_code, "CAMP592" in done.stderr) == (3, True)
    assert not list(Path(row.run_root).parent.parent.parent.glob("s.svg*"))


def test_a_campaign_that_still_runs(in_process: Any, recorded: Any) -> None:
    recorded([("a.1", 1, ["pass"]), ("a.2", 1, ["running"])], state="running", finished_at=None, exit_status=None)
    for name in ("html", "md", "github", "csv", "junit", "ctrf", "json"):
        done = in_process("report", "--as", name, "-o", "-")
        assert (done.exit_code, done.stderr) == (0, ""), name


SPEC = """
campaign "sweep" { seed 3 }
report html { template = "looks"; x = "volts" }
report shmoo { file = "shmoo.svg"; x = "volts"; y = "clock" }
report shmoo { file = "none.txt"; x = "amps" }
tool test { command "/usr/bin/test" "{volts}" "-ge" "{clock}"
            param volts: int = 1
            param clock: int = 1 }
instance margin {
  sweep volts = 1..3
  sweep clock = 1..2
  run test
}
"""


def test_a_spec_gives_its_reports_settings(campaign: Any, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    (folder / "looks").mkdir(parents=True)
    (folder / "sweep.camp").write_text(SPEC)
    (folder / "looks" / "host.html").write_text("<section id=host>{{ overview.shmoo.x.name }} by hand</section>")
    done = campaign("exec", "specs/sweep.camp", "--no-progress")
    assert done.returncode == 1, done.stderr
    assert "warning[CAMP589]: no axis of this campaign is called amps" in done.stderr
    (run_root,) = (tmp_path / ".campaign" / "runs").iterdir()
    page = (run_root / "report.html").read_text()
    assert "volts by hand" in page
    for link in re.findall(r'href="\./([^"]+)"', page):
        assert (run_root / unquote(link) / "run.json").is_file()
    assert 'class="s-fail"' in (run_root / "shmoo.svg").read_text()
    assert not (run_root / "none.txt").exists()
    again = campaign("report", "--as", "html", "--template", "specs/none")
    assert (again.returncode, "error[CAMP592]" in again.stderr) == (3, True)


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_shmoo_is_coloured_on_a_terminal_only(
    margins: Any, clean_environ: dict[str, str], tmp_path: Path, environ: dict[str, str], coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", closefd=True) as screen:
        done = subprocess.Popen(
            [sys.executable, "-m", "campaign", "report", "--as", "shmoo"],
            cwd=tmp_path,
            env={**clean_environ, "HOME": str(tmp_path), "TERM": "xterm", **environ},
            stdout=theirs,
            stdin=subprocess.DEVNULL,
        )
        os.close(theirs)
        text = _everything(screen.fileno())
        assert done.wait(60) == 0
    assert (b"\x1b[32m*\x1b[0m" in text) is coloured
    assert b"not run" in text


def _everything(fd: int) -> bytes:
    """What a terminal shows until its last writer is gone, which Linux tells by EIO."""
    text = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            return text
        if not piece:
            return text
        text += piece


def test_a_file_that_a_reporter_cannot_write_is_refused_at_its_place(in_process: Any, tmp_path: Path) -> None:
    spec = 'campaign "x" { }\ntool t { command "true" }\ninstance i { run t }\nreport shmoo { file = "a.jpg" }\n'
    (tmp_path / "x.camp").write_text(spec)
    for verb in ("check", "plan", "exec"):
        done = in_process(verb, "x.camp")
        assert done.exit_code == 2
        said = done.stdout + done.stderr
        assert "x.camp:4:23: error[CAMP112]: a.jpg cannot be written: a shmoo is drawn as .svg, .png, .txt" in said
    (tmp_path / "x.camp").write_text(spec.replace('"a.jpg"', '"a.jpg"; form = "png"'))
    assert in_process("check", "x.camp").exit_code == 0


def test_a_spec_may_call_a_reporter_by_its_short_name() -> None:
    spec = b'campaign "x" { }\ntool t { command "true" }\ninstance i { run t }\nreport md { }\n'
    checked, found = check("x.camp", {"x.camp": spec}.__getitem__, Registry())
    assert found == []
    assert checked is not None
    (report,) = checked.reports
    assert (report.name, wanted_by(report, ".").file) == ("markdown", "report.md")
