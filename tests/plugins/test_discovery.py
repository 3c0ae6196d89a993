"""Distributions: which one a plugin comes from, and a hash that follows its files."""

from __future__ import annotations

import json
import sys

import pytest

from campaign.plugins.discovery import Installed
from campaign.plugins.registry import Registry

EMPTY = "api = 1\n"


def _hash(plugin: str) -> str:
    registry = Registry()
    assert registry.use([plugin]) == []
    (found,) = registry.distributions()
    return found.record_hash


def test_the_hash_follows_the_record(packages) -> None:
    module = packages.write("friend", EMPTY)
    before = _hash("friend")
    assert before == _hash("friend")
    (record,) = packages.folder.glob("*.dist-info/RECORD")
    record.write_text(f"{module}.py,sha256=other,9\n")
    assert _hash("friend") != before


def test_an_editable_installation_is_known_by_its_sources(packages) -> None:
    module = packages.write("friend", EMPTY)
    (info,) = packages.folder.glob("*.dist-info")
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
    before = _hash("friend")
    (packages.folder / f"{module}.py").write_text(EMPTY + "# changed\n")
    assert _hash("friend") != before


def test_every_file_of_a_package_counts(packages) -> None:
    package = packages.folder / "stranger_package" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "plugin.py").write_text(EMPTY)
    (package.parent / "helper.py").write_text("x = 1\n")
    info = packages.declare("friend", "stranger_package.inner.plugin")
    (info / "RECORD").unlink()
    before = _hash("friend")
    (package.parent / "helper.py").write_text("x = 2\n")
    assert _hash("friend") != before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"dir_info": 7}', '{"dir_info": {"editable": "yes"}}'])
def test_a_strange_direct_url_is_no_editable_one(packages, text) -> None:
    packages.write("friend", EMPTY)
    (info,) = packages.folder.glob("*.dist-info")
    plain = _hash("friend")
    (info / "direct_url.json").write_text(text)
    assert _hash("friend") == plain


def test_metadata_without_a_name_is_named_as_such(packages) -> None:
    packages.write("friend", EMPTY)
    (metadata,) = packages.folder.glob("*.dist-info/METADATA")
    metadata.write_text("Metadata-Version: 2.1\n")
    (origin,) = Installed().origins["friend"]
    assert str(origin) == "an unnamed distribution ?"


def test_a_plugin_installed_a_moment_ago_is_found(packages) -> None:
    """stevedore's own lists live as long as the process and, on disk, cannot tell times within two minutes apart."""
    packages.write("early", EMPTY)
    assert Registry().use(["early"]) == []
    (info,) = packages.folder.glob("*.dist-info")
    module = packages.write("late", EMPTY, name="campaign-late")
    (info / "entry_points.txt").write_text("[campaign.plugins]\nearly = no_such_module\n")
    assert Installed().load("late") is sys.modules[module]
    assert [each.code for each in Registry().use(["early"])] == ["CAMP401"]
