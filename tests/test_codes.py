"""Every diagnostic code has a page, and every page keeps its word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campaign.cli.check import check_files
from campaign.cli.codes import all_codes, code_page, is_code
from campaign.cli.files import read_file

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"\bCAMP\d{3}\b")
FENCE = re.compile(r"^```(camp|yaml|console)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = all_codes()


def used() -> dict[str, str]:
    """The codes that stand in the product's modules, each with one module."""
    roots = [ROOT / "core", ROOT / "plugins" / "standard", ROOT / "plugins" / "campaign-sqlite" / "src"]
    modules = [path for root in roots for path in root.rglob("*.py")]
    return {code: path.name for path in modules for code in CODE.findall(path.read_text()) if path.name != "codes.py"}


def blocks(section: str) -> list[tuple[str, str, str]]:
    """The fenced blocks of a section: language, file name or nothing, text."""
    return [(match[1], match[2] or "", match[3]) for match in FENCE.finditer(section)]


def checked(found: list[tuple[str, str, str]], folder: Path) -> set[str]:
    """The codes that checking the first ``camp`` block gives; blocks with a name are files beside it."""
    specs = [(name or "example.camp", text) for language, name, text in found if language in ("camp", "yaml")]
    for name, text in specs:
        (folder / name).write_text(text)
    main = next(name for name, _ in specs if name == "example.camp")
    return {diagnostic.code for diagnostic in check_files([str(folder / main)], read_file)}


def test_every_code_that_is_used_has_a_page() -> None:
    missing = {code: module for code, module in used().items() if code not in PAGES and code != "CAMP012"}
    assert not missing


def test_no_page_without_use() -> None:
    assert not set(PAGES) - set(used())


@pytest.mark.parametrize("code", PAGES)
def test_the_page_has_its_form(code: str) -> None:
    page = code_page(code.lower())
    assert page is not None
    assert is_code(code)
    assert page.markdown.startswith(f"# {code} · {page.title}\n")
    assert page.title
    assert list(page.sections) == ["What", "Why", "Example", "Instead"]
    assert all(page.sections.values())
    assert len(page.markdown.splitlines()) < 80


@pytest.mark.parametrize("code", PAGES)
def test_the_example_yields_the_code(code: str, tmp_path: Path) -> None:
    page = code_page(code)
    assert page is not None
    found = blocks(page.sections["Example"])
    assert found, "an example stands in a block ```camp or ```console"
    if any(language == "camp" for language, _, _ in found):
        assert code in checked(found, tmp_path)
    else:
        assert any(code in text for _, _, text in found)


@pytest.mark.parametrize("code", PAGES)
def test_what_to_write_instead_checks_clean(code: str, tmp_path: Path) -> None:
    page = code_page(code)
    assert page is not None
    found = blocks(page.sections["Instead"])
    if any(language == "camp" for language, _, _ in found):
        assert checked(found, tmp_path) == set()


def test_what_is_no_code_has_no_page() -> None:
    for text in ("CAMP999", "CAMP1", "../../etc", "CAMPabc", "CAMP²²²"):
        assert code_page(text) is None
