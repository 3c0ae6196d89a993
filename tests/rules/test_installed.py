"""Rule sets that packages bring: found by their entry points, without importing anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rules.made import TOOL, reader

from campaign.cli.files import read_file
from campaign.language.resolve import check
from campaign.plan.ruled import Host, bind_rules
from campaign.plugins.registry import Registry
from campaign.rules.files import Named, bind
from campaign.rules.installed import find_installed, installed_rules


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose import would fail, with a rule set in it."""
    (tmp_path / "acme_lines" / "boards").mkdir(parents=True)
    (tmp_path / "acme_lines" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "acme_lines" / "boards" / "__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "acme_lines" / "boards" / "acme9.yaml").write_text("name: acme9\nlimits: {voltage: {max: 1V}}\n")
    (tmp_path / "acme-1.0.dist-info").mkdir()
    (tmp_path / "acme-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = "[campaign.rules]\nacme9 = acme_lines.boards\ngone = no_such_package\n"
    (tmp_path / "acme-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    installed_rules.cache_clear()
    yield tmp_path
    installed_rules.cache_clear()


def test_a_rule_set_of_a_package_is_found_by_its_name(package: Path) -> None:
    assert find_installed("acme9") == str(package / "acme_lines/boards/acme9.yaml")
    assert find_installed("gone") is None
    assert "acme_lines" not in sys.modules
    bound, found = bind([Named("acme9", "")], read_file)
    assert not found
    assert bound is not None
    assert list(bound.book.limits) == ["voltage"]


MATCHING = "name: {0}\nmatch: {{min_cores: {1}}}\nlimits: {{n: {{max: {1}}}}}\n"


def chosen(files: dict[str, str], cores: int, spec: str = "specs/deep/x.camp") -> tuple[list[str], list[str]]:
    """The files that ``rules auto`` comes to, and the codes of what is wrong."""
    text = f'campaign "x" {{ }}\nrules auto\n{TOOL}\ninstance a {{ run diag }}\n'
    read = reader({spec: text, **files})
    checked, _ = check(spec, read, Registry())
    assert checked is not None

    def folder(path: str) -> list[str]:
        inside = sorted(
            {each.removeprefix(f"{path}/").partition("/")[0] for each in files if each.startswith(f"{path}/")}
        )
        if not inside:
            raise FileNotFoundError(2, "No such folder", path)
        return inside

    host = Host(facts=lambda: {"cores": cores}, folder=folder, find_installed=lambda _: None)
    bound, found = bind_rules(checked, read, Registry(), host)
    return list(bound.chosen) if bound is not None else [], [each.code for each in found]


def test_auto_takes_every_set_of_the_nearest_folder_that_matches() -> None:
    files = {
        "specs/rules/small.yaml": MATCHING.format("small", 2),
        "specs/rules/large/large.yaml": MATCHING.format("large", 64),
        "specs/rules/plain.yaml": "name: plain\nlimits: {n: {max: 0}}\n",
        "rules/further.yaml": MATCHING.format("further", 1),
    }
    assert chosen(files, 4) == (["specs/rules/small.yaml"], [])
    assert chosen(files, 100) == (["specs/rules/large/large.yaml", "specs/rules/small.yaml"], [])
    assert chosen(files, 1) == ([], ["CAMP323"])
    assert chosen({}, 1) == ([], ["CAMP323"])


def test_a_broken_set_of_the_rules_path_is_an_error() -> None:
    assert chosen({"rules/a.yaml": "name: [", "rules/b.yaml": MATCHING.format("b", 1)}, 4)[1] == ["CAMP300"]
