"""Specs as text: each file under ``cases`` says on its own lines what is wrong there, and nothing else may be.

``# error CAMP012: words`` behind a line expects that code there, the words in its summary or hint.  On a line of its
own it stands for the line above, which may end in something that would swallow a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.diagnostics import Diagnostic, Severity
from campaign.language.parser import parse
from campaign.language.resolve import check
from campaign.language.source import read_source
from campaign.plugins.registry import Registry

CASES = Path(__file__).parent / "cases"
_EXPECTED = re.compile(r"# error (CAMP\d{3})(?:: ([^#\r\n]*))?")


def syntax(path: Path) -> list[Diagnostic]:
    """What the parser alone finds."""
    source, found = read_source(path.name, path.read_bytes())
    return found + parse(source)[1] if source else found


def semantics(path: Path) -> list[Diagnostic]:
    """What the whole check finds, files that the case includes among it."""
    return check(str(path), lambda name: Path(name).read_bytes(), Registry())[1]


#: What checks the cases of each folder.
STAGES: dict[str, Callable[[Path], list[Diagnostic]]] = {"syntax": syntax, "semantics": semantics}


def expected(text: str) -> list[tuple[int, str, str]]:
    """(line, code, words) for each expectation of a case."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        place = number - 1 if line.lstrip().startswith("# error ") else number
        found += [(place, match[1], (match[2] or "").strip()) for match in _EXPECTED.finditer(line)]
    return found


def assert_found(text: str, diagnostics: list[Diagnostic]) -> None:
    """Every expectation is met by one diagnostic, and no diagnostic is left over."""
    remaining = [one for one in diagnostics if one.severity is Severity.ERROR]
    missing = []
    for line, code, words in expected(text):
        met = next((one for one in remaining if _meets(one, line, code, words)), None)
        if met is None:
            missing.append((line, code, words))
        else:
            remaining.remove(met)
    assert not missing, (missing, [str(one) for one in remaining])
    assert not remaining, [str(one) for one in remaining]


def _meets(diagnostic: Diagnostic, line: int, code: str, words: str) -> bool:
    said = f"{diagnostic.summary}\n{diagnostic.hint or ''}"
    return diagnostic.span is not None and (diagnostic.span.line, diagnostic.code) == (line, code) and words in said


@pytest.mark.parametrize("path", sorted(CASES.glob("*/*.camp")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    assert_found(path.read_bytes().decode("utf-8-sig"), STAGES[path.parent.name](path))


def test_a_wrong_expectation_is_noticed() -> None:
    found = [Diagnostic("CAMP019", "expected a value", None)]
    with pytest.raises(AssertionError):
        assert_found("x = 1  # error CAMP019: expected a value\n", found)
    with pytest.raises(AssertionError):
        assert_found("x = 1\n", found)
