"""``campaign new``: what it creates works at once; a plugin is installed with pip, outside the tree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from campaign.plugins.discovery import Installed, Origin

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_new_spec_checks_clean_and_plans(campaign, tmp_path) -> None:
    made = campaign("new", "spec", "smoke")
    assert (made.returncode, made.stdout) == (0, "campaign exec smoke.camp\n"), made.stderr
    assert "newname" not in (tmp_path / "smoke.camp").read_text()
    checked = campaign("check", "smoke.camp")
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout
    planned = campaign("plan", "smoke.camp", "--count", "--format", "json")
    assert json.loads(planned.stdout)["runs"] == 4


def test_a_new_spec_stands_in_canonical_layout(campaign) -> None:
    campaign("new", "spec", "smoke")
    formatted = campaign("fmt", "--diff", "smoke.camp")
    assert (formatted.returncode, formatted.stdout) == (0, ""), formatted.stderr


def test_a_new_rule_set_is_one_of_its_name(campaign, tmp_path) -> None:
    assert campaign("new", "rules", "zen4").returncode == 0
    made = YAML(typ="safe").load((tmp_path / "zen4.yaml").read_text())
    assert made["name"] == "zen4"
    assert made["unbounded"] == "deny"


@pytest.mark.parametrize("kind", ["spec", "rules", "plugin"])
def test_nothing_is_written_over(campaign, kind) -> None:
    assert campaign("new", kind, "mine").returncode == 0
    again = campaign("new", kind, "mine")
    assert again.returncode == 2
    assert "error[CAMP409]" in again.stderr


@pytest.mark.parametrize("name", ["rails", "sqlite"])
def test_the_name_of_an_installed_plugin_is_refused(in_process, tmp_path, name) -> None:
    before = set(tmp_path.iterdir())
    done = in_process("new", "plugin", name)
    assert done.exit_code == 2
    assert f"error[CAMP410]: a plugin called {name} is installed, from campaign-" in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_two_names_of_one_package_are_one(in_process, monkeypatch) -> None:
    origins = {"dark-matter": (Origin("dark-matter", "dark", "campaign-dark-matter", "0.1.0"),)}
    monkeypatch.setattr(Installed, "__init__", lambda self: setattr(self, "origins", origins))
    assert "a plugin called dark-matter is installed" in in_process("new", "plugin", "dark_matter").stderr


def test_the_guide_starts_with_a_name_that_is_free(in_process) -> None:
    guide = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
    (name,) = re.findall(r"^\$ campaign new plugin (\S+)$", guide, re.MULTILINE)
    made = in_process("new", "plugin", name)
    assert (made.exit_code, made.stdout) == (0, f"cd campaign-{name} && pip install -e . && pytest\n"), made.stderr
    assert f"$ {made.stdout}" in guide
    assert f"$ campaign exec {name}.camp\n" in guide


@pytest.mark.parametrize("name", ["../etc", "a b", "", "-x", "a--b", "é", "x" * 400 + "/y"])
@pytest.mark.parametrize("kind", ["spec", "rules", "plugin"])
def test_a_name_that_is_none_creates_nothing(in_process, tmp_path, kind, name) -> None:
    before = set(tmp_path.iterdir())
    assert in_process("new", kind, "--", name).exit_code == 2
    assert set(tmp_path.iterdir()) == before


def test_a_name_too_long_for_a_file_is_a_diagnostic(in_process) -> None:
    done = in_process("new", "spec", "x" * 300)
    assert done.exit_code == 3
    assert "error[CAMP571]" in done.stderr


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A new plugin, really installed with pip in an environment of its own: its folder and that Python.

    The environment sees the packages of this one, so that the test needs no network.
    """
    folder = tmp_path_factory.mktemp("stranger")
    _run(sys.executable, "-m", "campaign", "new", "plugin", "dark-matter", cwd=folder)
    _run(sys.executable, "-m", "venv", "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    borrowed = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    Path(site, "borrowed.pth").write_text(borrowed)
    pip = [python, "-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    _run(*pip, "./campaign-dark-matter", cwd=folder)
    return folder / "campaign-dark-matter", python


def _run(*arguments: str | Path, cwd: Path) -> str:
    ended = subprocess.run(list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_new_plugin_passes_its_own_tests(stranger) -> None:
    folder, python = stranger
    assert "6 passed" in _run(python, "-m", "pytest", "-p", "no:cacheprovider", cwd=folder)


def test_a_new_plugin_is_listed_with_its_package_and_version(stranger) -> None:
    folder, python = stranger
    plugins = json.loads(_run(python, "-m", "campaign", "plugins", "--format", "json", cwd=folder))
    (found,) = [each for each in plugins if each["plugin"] == "dark-matter"]
    assert (found["origins"][0]["distribution"], found["origins"][0]["version"]) == ("campaign-dark-matter", "0.1.0")
    assert {each["name"] for each in found["provides"]} == {"dark-matter.greeter", "dark-matter.complete"}


def test_a_spec_uses_a_new_plugin(stranger) -> None:
    folder, python = stranger
    assert _run(python, "-m", "campaign", "check", "dark-matter.camp", cwd=folder) == ""
    planned = _run(python, "-m", "campaign", "plan", "dark-matter.camp", "--list", "--format", "json", cwd=folder)
    cells = [json.loads(line) for line in planned.splitlines()]
    assert [cell["cell"] for cell in cells] == ["greet.kill", "greet.none"]
    assert cells[0]["steps"][0]["argv"][-3:] == ["greetings.txt", "10", "0.05"]
