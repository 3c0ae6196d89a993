"""The documentation is true: links lead somewhere, every verb and option is there, the tutorial's commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from campaign.cli.check import check_files
from campaign.cli.files import read_file
from campaign.cli.main import VERBS, Verbs
from campaign.records import FailureKind, Verdict

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/*.md"), *ROOT.glob("bench/*.md")])
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
FENCED = re.compile(r"^( *)```(\w*).*?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
#: Options that mean the same everywhere are described once, at the top of the page.
SHARED = {"--tier", "--group", "--filter", "--seeds", "--campaign-seed", "--set", "--limit", "--format", "--workspace"}
SHARED |= {"--help", "-h", "--progress", "--no-progress"}


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link]
        waiting += [(page.parent / link).resolve() for link in links if link]
    assert not set(ROOT.glob("docs/**/*.md")) - reached


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_is_documented(verb: str) -> None:
    reference = (ROOT / "docs/reference/cli.md").read_text()
    section = reference.partition(f"\n## campaign {verb}\n")[2].partition("\n## ")[0]
    assert section, f"no section «campaign {verb}»"
    command = Verbs("campaign").get_command(click.Context(Verbs("campaign")), verb)
    assert command is not None
    commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    options = [param for each in commands for param in each.params if isinstance(param, click.Option)]
    for option in options:
        names = set(option.opts + option.secondary_opts)
        assert names & SHARED or any(f"`{name}" in section for name in names), option.opts


def clauses() -> set[str]:
    """The keywords of the language, from the types of its tree."""
    import typing

    from campaign.language import syntax

    found: set[str] = set()
    for kind in (syntax.Plain, syntax.Words, syntax.Options, syntax.Quantities, syntax.Vector, syntax.Block):
        found |= set(typing.get_args(typing.get_type_hints(kind)["keyword"]))
    found |= set(typing.get_args(syntax.ItemKind))
    return found | {
        "sweep",
        "expect",
        "exclude",
        "in",
        "combine",
        "pass-env",
        "param",
        "env",
        "metric",
        "use",
        "include",
    }


@pytest.mark.parametrize("keyword", sorted(clauses()))
def test_no_clause_is_undocumented(keyword: str) -> None:
    reference = (ROOT / "docs/reference/language.md").read_text()
    assert re.search(
        rf"`[^`\n]*(?<![\w-]){re.escape(keyword)}(?![\w-])[^`\n]*`|^ +{re.escape(keyword)} ", reference, re.MULTILINE
    )


@pytest.mark.parametrize("word", [*FailureKind, *Verdict])
def test_closed_lists_stand_in_the_reference(word: str) -> None:
    reference = "".join(page.read_text() for page in ROOT.glob("docs/reference/*.md"))
    assert re.search(rf"\b{word}\b", reference)


def test_the_commands_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^\$ make (\S+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readme_shows_the_quickstart_as_it_is() -> None:
    [shown] = re.findall(r"^```camp (\S+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert (ROOT / shown[0]).read_text() == shown[1]


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/how-to/*.md")), ids=lambda page: page.name)
def test_whole_specs_in_the_how_tos_check_clean(page: Path, tmp_path: Path) -> None:
    for text in re.findall(r"^```camp\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if 'campaign "' in text:
            (tmp_path / "spec.camp").write_text(text)
            assert check_files([str(tmp_path / "spec.camp")], read_file) == []


def steps(page: Path) -> list[tuple[str, str, str]]:
    """The blocks of a tutorial in order: ("file", name, text) and ("run", command, expected output)."""
    found: list[tuple[str, str, str]] = []
    for block in re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if block[2]:
            found.append(("file", block[2], block[3]))
        elif block[1] == "console":
            for command in re.split(r"^\$ ", block[3], flags=re.MULTILINE)[1:]:
                line, _, output = command.partition("\n")
                found.append(("run", line, output))
    return found


@pytest.mark.timeout(300)
def test_the_tutorial_runs_as_written(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    path = os.path.dirname(sys.executable) + os.pathsep + clean_environ["PATH"]
    for kind, what, text in steps(ROOT / "docs/tutorial/first-campaign.md"):
        if kind == "file":
            (tmp_path / what).write_text(text)
            continue
        command, _, status = what.partition("   # status ")
        done = subprocess.run(
            shlex.split(command),
            cwd=tmp_path,
            env={**clean_environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == int(status or 0), f"{command}\n{said}"
        for line in filter(None, (line.strip() for line in text.splitlines())):
            wanted = re.escape(line).replace("…", ".*")
            assert re.search(wanted, said), f"{command}: «{line}» is not in\n{said}"
