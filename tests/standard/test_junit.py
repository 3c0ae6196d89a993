"""JUnit XML: what Surefire's readers expect, read back with a parser of their own."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser.xunit2 import JUnitXml

from campaign.plugins.registry import Registry
from campaign_standard.junit import JunitReporter, campaign_reporters


@pytest.fixture
def suite(written: Any) -> Any:
    return lambda *runs, **changes: ET.fromstring(written(JunitReporter(), *runs, **changes))[0]


def test_it_is_found_by_its_entry_points_name() -> None:
    assert [reporter.name for reporter in campaign_reporters()] == ["junit"]
    assert isinstance(Registry().find("reporter", "junit"), JunitReporter)


def test_counts_stand_in_front_and_are_those_of_the_cases(suite: Any, run: Any) -> None:
    words = ["pass", "fail", "error", "canceled", "skipped"]
    found = suite(*(run(f"c{number}", verdict) for number, verdict in enumerate(words)))
    assert found.attrib | {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"} == found.attrib
    assert len(found.findall("testcase")) == 5
    assert len(found.findall("testcase/failure")) == 1
    assert len(found.findall("testcase/error")) == 1
    assert len(found.findall("testcase/skipped")) == 2


def test_a_case_says_who_failed_and_why(suite: Any, run: Any) -> None:
    case = suite(run("off", "fail")).find("testcase")
    assert (case.get("name"), case.get("classname"), case.get("time")) == ("off#1", "crash.{journal}", "0.75")
    failure = case.find("failure")
    assert (failure.get("message"), failure.get("type")) == ("row 7 missing", "oracle")
    assert "9f2c1a7be0d14c55" in failure.text
    assert "step writer: exit 0" in failure.text


def test_what_is_quarantined_is_skipped_and_its_issue_named(suite: Any, spared: Any) -> None:
    runs, changes = spared
    found = suite(*runs, **changes)
    assert [found.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "0", "0", "2"]
    assert not found.findall("testcase/failure")
    first, _ = found.findall("testcase/skipped")
    assert first.get("message") == "quarantined as DB-1 (storage) until 2999-01-01: row 7 missing"
    assert first.get("type") == "quarantined"
    assert "9f2c1a7be0d14c55" in first.text


def test_runs_without_a_verdict_are_an_error(suite: Any, run: Any) -> None:
    found = suite(run("off", "pass"), total=7, state="interrupted")
    assert [found.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "0", "1", "0"]
    (error,) = found.findall("testcase/error")
    assert error.get("message") == "6 of 7 runs have no verdict; the campaign is interrupted"


def test_a_pass_on_a_retry_is_flaky(suite: Any, run: Any) -> None:
    found = suite(run("off", "fail"), run("off", "error", 2), run("off", "pass", 3))
    assert found.get("failures") == found.get("errors") == "0"
    (case,) = found.findall("testcase")
    assert [child.tag for child in case] == ["flakyFailure", "flakyError"]
    assert "row 7 missing" in case.find("flakyFailure/stackTrace").text


def test_a_run_that_never_passed_is_told_by_its_first_attempt(suite: Any, run: Any) -> None:
    found = suite(run("off", "fail", reason="one"), run("off", "error", 2), run("off", "fail", 3, reason="three"))
    (case,) = found.findall("testcase")
    assert [child.tag for child in case] == ["failure", "rerunError", "rerunFailure"]
    assert case.find("failure").get("message") == "one"
    assert case.find("rerunFailure").get("message") == "three"
    assert "run off#1@3" in case.find("rerunFailure/stackTrace").text
    assert (found.get("failures"), found.get("errors")) == ("1", "0")


def test_elements_and_counts_agree_where_attempts_ended_differently(suite: Any, run: Any) -> None:
    found = suite(run("off", "fail", reason="one"), run("off", "error", 2), run("off", "error", 3))
    (case,) = found.findall("testcase")
    assert [child.tag for child in case] == ["error", "rerunFailure", "rerunError"]
    assert (found.get("failures"), found.get("errors")) == ("0", "1")


def test_a_run_that_was_canceled_on_a_retry_is_skipped(suite: Any, run: Any) -> None:
    (case,) = suite(run("off", "fail"), run("off", "canceled", 2)).findall("testcase")
    assert [child.tag for child in case] == ["skipped", "rerunFailure"]


def test_junitparser_reads_it_back(written: Any, run: Any) -> None:
    text = written(JunitReporter(), run("off", "fail"), run("off", "pass", 2), run("wal", "fail"))
    flaky, failed = next(iter(JUnitXml.fromstring(text.encode())))
    assert flaky.is_flaky
    assert flaky.is_passed
    assert failed.is_failure


def test_a_run_without_a_verdict_is_left_out(run: Any, summed: Any) -> None:
    pieces: list[str] = []
    JunitReporter().report(summed(), iter([run("off", None, reason="")]), pieces.append)
    assert "testcase" not in "".join(pieces)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.text())
def test_any_text_gives_well_formed_xml(suite: Any, run: Any, message: str) -> None:
    case = suite(run("off", "fail", reason=message), name=f"x{message}").find("testcase")
    assert case.find("failure") is not None


def test_control_characters_are_stripped(suite: Any, run: Any) -> None:
    case = suite(run("off", "fail", reason="a\x1b[31mb\x00c\ud800d\ufffee")).find("testcase")
    assert case.find("failure").get("message") == "a[31mbcde"
