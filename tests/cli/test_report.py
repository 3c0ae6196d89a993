"""``report``: written again from what was recorded, each format readable by its own reader."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

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
