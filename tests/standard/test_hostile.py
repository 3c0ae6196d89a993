"""Hostile text in every field, in every format that is text; the page and the shmoo have tests of their own."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from campaign.records import (
    Environment,
    FailureView,
    InstanceCounts,
    OracleView,
    PlanTool,
    ProcessExit,
    RunView,
    StepView,
    UniqueFailure,
)
from campaign_standard.csv import CsvReporter
from campaign_standard.ctrf import CtrfReporter
from campaign_standard.github import GithubReporter
from campaign_standard.json import JsonReporter
from campaign_standard.junit import JunitReporter
from campaign_standard.markdown import MarkdownReporter

TEXTS = {
    "markup": "</td></table><script>alert(1)</script> [x](javascript:alert(1)) ![](http://x) `a` | b\n\n# c",
    "formula": "=HYPERLINK(\"http://x\")+cmd|' /C calc'!A0",
    "escapes": "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\x7f",
    "bidi": "\u202eevil\u2066\u200f\u061c\ufeff\u2028",
    "nul": "a\0b\r\nc",
    "xml": "]]>&lt;\ufffe\x0b",
    "huge": "=" + "x" * 1_000_000,
}
UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def hostile(text: str) -> RunView:
    step = StepView(
        label=text,
        tool=text,
        argv=(text,),
        exit=ProcessExit(code=1),
        metrics={text: text},
        error=text,
        output_path=text,
    )
    return RunView(
        id="0123",
        key=f"{text}#1",
        campaign=text,
        instance=text,
        cell=text,
        axes={text: text, "list": [text]},
        settings={text: text},
        seed=1,
        tier=text,
        tags=(text,),
        attempt=1,
        state="done",
        verdict="fail",
        reason=text,
        failure=FailureView(kind="oracle", message=text, fingerprint="9f2c1a7be0d14c55"),
        duration_s=0.5,
        steps=(step,),
        oracles=(OracleView(name=text, label=text, ok=False, message=text, error=text),),
    )


def summary(text: str) -> dict[str, Any]:
    return {
        "name": text,
        "instances": (InstanceCounts(instance=text, verdicts={"fail": 1}),),
        "failures": (
            UniqueFailure(
                fingerprint=text, kind=text, message=text, count=1, first=text, classification=text, evidence=text
            ),
        ),
        "next_steps": (text,),
        "environment": Environment(
            campaign=text, python=text, system=text, plugins={text: text}, tools=(PlanTool(tool=text, path=text),)
        ),
    }


@pytest.fixture(params=TEXTS)
def text(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param]


@pytest.fixture
def report(written: Any, text: str) -> Any:
    return lambda reporter: written(reporter, hostile(text), **summary(text))


@pytest.mark.parametrize("reporter", [MarkdownReporter(), GithubReporter()])
def test_markdown(report: Any, reporter: Any) -> None:
    found = report(reporter)
    assert not UNSEEN.search(found)
    assert len(found) < 200_000
    outside = re.sub(r"^    .*$", "", found, flags=re.MULTILINE)  # the next steps are a block of code
    assert not re.search(r"(?<!\\)(\[x\]\(|<script|!\[|`)", outside)
    assert {line for line in outside.splitlines() if line.startswith("#")} <= {
        line for line in outside.splitlines() if re.match(r"# |## (Inst|Uniq|Next|Att|About)", line)
    }


def test_csv(report: Any, text: str) -> None:
    rows = list(csv.reader(io.StringIO(report(CsvReporter()), newline="")))
    assert len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if re.match(r"\s*[=+@\t]", cell)]
    row = dict(zip(*rows, strict=True))
    whole = text.replace("\0", "").replace("\r\n", "\n")
    if UNSEEN.search(whole) or "\ufeff" in whole:
        assert not UNSEEN.search(row["reason"])
    else:
        assert row["reason"].removeprefix("'") == (whole if len(whole) < 32_767 else f"{whole[:32_765]}…")


def test_junit(report: Any) -> None:
    found = report(JunitReporter())
    (suite,) = ET.fromstring(found)
    (case,) = suite.findall("testcase")
    assert not list(case.iter("script"))
    assert len(found) < 100_000


def test_ctrf(report: Any) -> None:
    found = json.loads(report(CtrfReporter()))
    schema = json.loads((Path(__file__).parent / "ctrf.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(found)
    (test,) = found["results"]["tests"]
    assert not UNSEEN.search(test["name"] + test["message"] + test["suite"][0])


def test_json_holds_everything_as_it_was(report: Any, text: str) -> None:
    raw = report(JsonReporter())
    assert not re.search("[\0-\x08\x0b-\x1f]", raw)
    assert json.loads(raw)["runs"][0]["reason"] == text
