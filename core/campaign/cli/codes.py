"""The pages of the diagnostic codes: ``campaign explain CAMP012`` prints one, SARIF carries them as rules."""

from __future__ import annotations

from importlib.resources import files

from msgspec import Struct


class CodePage(Struct, frozen=True):
    """A page of ``campaign/codes``: its code, its title, its sections by heading, and the whole as Markdown."""

    code: str
    title: str
    sections: dict[str, str]
    markdown: str


def is_code(text: str) -> bool:
    """Whether a text has the form of a code, ``CAMP012`` in any case."""
    return len(text) == 7 and text[:4].upper() == "CAMP" and text[4:].isascii() and text[4:].isdigit()


def code_page(code: str) -> CodePage | None:
    """The page of a code; None where there is none."""
    if not is_code(code):
        return None
    page = files("campaign") / "codes" / f"{code.upper()}.md"
    return _parsed(code.upper(), page.read_text(encoding="utf-8")) if page.is_file() else None


def all_codes() -> list[str]:
    """Every code that has a page, in order."""
    names = (page.name for page in (files("campaign") / "codes").iterdir())
    return sorted(name.removesuffix(".md") for name in names if name.endswith(".md"))


def _parsed(code: str, markdown: str) -> CodePage:
    """First line ``# CAMP012 · title``, then sections that start with ``## ``."""
    head, _, rest = markdown.partition("\n")
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in rest.splitlines():
        if line.startswith("## "):
            lines = sections.setdefault(line[3:].strip(), [])
        else:
            lines.append(line)
    title = head.partition("·")[2].strip()
    return CodePage(code, title, {name: "\n".join(text).strip() for name, text in sections.items()}, markdown)
