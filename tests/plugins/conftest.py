"""Strangers' packages: real modules with real metadata in a folder on ``sys.path``, nothing mocked."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

_NUMBERS = itertools.count()

#: A plugin with one tool; ``{extra}`` stands in the class.
HEADER = """
from campaign.plugins.api import *

api = 1
"""


class Packages:
    """Writes packages into one folder of ``sys.path``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, plugin: str, source: str, *, name: str = "campaign-stranger", version: str = "1.2") -> str:
        """Install a module with this source and an entry point to it; returns the module's name."""
        module = f"stranger_{next(_NUMBERS)}"
        (self.folder / f"{module}.py").write_text(dedent(source))
        self.declare(plugin, module, name=name, version=version)
        return module

    def plugin(self, plugin: str, source: str, **options: str) -> str:
        """The same for a module that says ``api = 1`` and has imported everything of the api."""
        return self.write(plugin, HEADER + dedent(source), **options)

    def declare(self, plugin: str, target: str, *, name: str = "campaign-stranger", version: str = "1.2") -> Path:
        """Write a distribution's metadata with one entry point."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[campaign.plugins]\n{plugin} = {target}\n")
        (info / "RECORD").write_text(f"{target}.py,,\n")
        return info


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # stevedore's own cache
    yield Packages(folder)
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


@pytest.fixture
def rejected(packages: Packages) -> Callable[[str], str]:
    """What is said of a plugin ``broken`` with this source: its code and summaries, one a line."""
    from campaign.plugins.registry import Registry

    def reject(source: str) -> str:
        packages.plugin("broken", source)
        found = Registry().use(["broken"])
        assert all(each.status == 3 for each in found)
        return "\n".join(f"{each.code} {each.summary}" for each in found)

    return reject
