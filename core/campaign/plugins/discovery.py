"""What is installed: entry points of the group ``campaign.plugins``, and the distributions that they come from.

stevedore finds and imports; importlib.metadata knows the distributions, which stevedore forgets.  Both are slow to
import (50 ms), so the registry imports this module only when a provider of a plugin is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from msgspec import Struct
from stevedore.named import NamedExtensionManager

GROUP = "campaign.plugins"
#: The distribution whose plugins need no ``use``.
OWN_DISTRIBUTION = "campaign-engine"


class Origin(Struct, frozen=True):
    """Where an entry point comes from: the target it names, and its distribution's name and version."""

    plugin: str
    target: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class Distribution(Struct, frozen=True):
    """The distribution that a loaded plugin comes from; ``record_hash`` changes whenever its files do."""

    plugin: str
    name: str
    version: str
    record_hash: str


class Installed:
    """What one look at the environment found: every entry point of the group, and the way to import one."""

    def __init__(self) -> None:
        self._points = tuple(metadata.entry_points(group=GROUP))
        self.origins = _origins(self._points)

    def load(self, plugin: str) -> object:
        """Import what the entry point ``plugin`` names; raises whatever the import raises.

        stevedore would log a failure and go on without the plugin, so the failure is taken from its callback.  It gets
        the entry points found here: its own list forgets the distributions, lives as long as the process, and comes
        from a cache on disk that cannot tell apart times within two minutes, so that it may miss a new plugin.
        """
        failures: list[BaseException] = []
        NamedExtensionManager.ENTRY_POINT_CACHE[GROUP] = list(self._points)
        manager: NamedExtensionManager[object] = NamedExtensionManager(
            GROUP,
            [plugin],
            on_load_failure_callback=lambda _manager, _point, error: failures.append(error),
            on_missing_entrypoints_callback=None,
        )
        if failures:
            raise failures[0]
        return manager[plugin].plugin


def _origins(points: Iterable[metadata.EntryPoint]) -> dict[str, tuple[Origin, ...]]:
    """The origins of every plugin by name; more than one is a conflict."""
    found: dict[str, dict[tuple[str, str], Origin]] = {}
    known: dict[int, tuple[str, str]] = {}
    for point in points:
        key = id(point.dist)  # entry points of one distribution share it; its metadata is parsed on every access
        if key not in known:
            known[key] = _named(point.dist)
        origin = Origin(point.name, point.value, *known[key])
        found.setdefault(point.name, {})[origin.distribution, origin.target] = origin
    return {name: tuple(origins[key] for key in sorted(origins)) for name, origins in sorted(found.items())}


def _named(distribution: metadata.Distribution | None) -> tuple[str, str]:
    if distribution is None:
        return "an unknown distribution", "?"
    fields = distribution.metadata
    return fields["Name"] or "an unnamed distribution", fields["Version"] or "?"


def distribution_of(origin: Origin, module: ModuleType) -> Distribution:
    """The distribution of a loaded plugin, with the hash of its RECORD; an editable one's is made from its sources.

    An editable installation's RECORD lists a link only and stays the same whatever is edited.
    """
    record = _record(origin.distribution)
    digest = _digest([("RECORD", record)]) if record is not None else _digest(_sources(module))
    return Distribution(origin.plugin, origin.distribution, origin.version, digest)


def _record(name: str) -> bytes | None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    record = distribution.read_text("RECORD")
    return None if record is None or _is_editable(distribution) else record.encode()


def _is_editable(distribution: metadata.Distribution) -> bool:
    """Whether ``direct_url.json`` says so (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    try:
        url: Any = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return False
    details = url.get("dir_info") if isinstance(url, Mapping) else None
    return isinstance(details, Mapping) and details.get("editable") is True


def _sources(module: ModuleType) -> Iterator[tuple[str, bytes]]:
    """Every Python file of the top-level package of ``module``, or the one file of a plain module."""
    if not module.__file__:
        return
    depth = module.__name__.count(".") + (1 if hasattr(module, "__path__") else 0)
    file = Path(module.__file__)
    root = file.parents[depth - 1] if depth else file
    for path in sorted(root.rglob("*.py")) if root.is_dir() else (file,):
        yield path.name if path == root else path.relative_to(root).as_posix(), path.read_bytes()


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    """BLAKE2b over names and contents, 32 hex digits."""
    state = blake2b(digest_size=16)
    for name, content in files:
        for part in (name.encode(), content):
            state.update(len(part).to_bytes(8, "big"))
            state.update(part)
    return state.hexdigest()
