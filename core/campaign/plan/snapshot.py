"""What a plan is a function of, stored by content: enough to expand it again, anywhere and later.

A snapshot is a manifest and the files that it names, each under the BLAKE2b hash of its bytes.  The plan's hash is
the manifest's: the same hash, the same runs with the same values.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec
from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.records.plan import PlanFile, PlanOptions, PlanPlugin

SNAPSHOT_SCHEMA = "campaign.snapshot/1"
_HASH_BYTES = 16

#: The bytes stored under a hash; None where there are none.
Blobs = Callable[[str], bytes | None]


class Snapshot(Struct, frozen=True, kw_only=True):
    """The manifest: everything that a plan depends on.

    ``spec`` is the path of the spec and ``directory`` the one that relative paths of ``--set`` belong to.
    ``environment`` was captured when the campaign was submitted and may hold secrets: it stays in the ledger.
    ``host`` are the facts that matched rule sets and capacities; ``campaign`` is our own version.
    """

    schema: str = SNAPSHOT_SCHEMA
    campaign: str
    spec: str
    directory: str
    options: PlanOptions = PlanOptions()
    environment: dict[str, str] = {}
    host: dict[str, str] = {}
    files: tuple[PlanFile, ...] = ()
    plugins: tuple[PlanPlugin, ...] = ()


#: Under which name ``host`` holds the files that ``rules auto`` came to, one a line.
AUTO_RULES = "rules.auto"
#: Under which name it holds the files of all sets that were bound.
BOUND_RULES = "rules.bound"


def bound_rules(snapshot: Snapshot) -> tuple[str, ...]:
    """The files of the rule sets that bind the campaign, without what they extend."""
    return tuple(snapshot.host.get(BOUND_RULES, "").split("\n")) if BOUND_RULES in snapshot.host else ()


def chosen_rules(snapshot: Snapshot) -> tuple[str, ...]:
    """The files that ``rules auto`` came to when the snapshot was taken."""
    return tuple(snapshot.host.get(AUTO_RULES, "").split("\n")) if AUTO_RULES in snapshot.host else ()


def digest(data: bytes) -> str:
    """The hash under which bytes are stored: BLAKE2b, 32 hex digits."""
    return blake2b(data, digest_size=_HASH_BYTES).hexdigest()


def encode(snapshot: Snapshot) -> bytes:
    """The manifest as bytes: canonical JSON, names sorted, so that equal snapshots have equal hashes."""
    return msgspec.json.encode(snapshot, order="deterministic")


def plan_hash(snapshot: Snapshot) -> str:
    """The plan's hash: that of its manifest."""
    return digest(encode(snapshot))


def plan_files(files: Mapping[str, bytes]) -> tuple[PlanFile, ...]:
    """Files by path as a manifest names them, sorted by path."""
    return tuple(PlanFile(path=path, digest=digest(data)) for path, data in sorted(files.items()))


def parts(snapshot: Snapshot, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Everything to store: the manifest under the plan's hash, and each file under its own."""
    return {plan_hash(snapshot): encode(snapshot), **{digest(data): data for data in files.values()}}


def load(hash_: str, blobs: Blobs) -> Snapshot:
    """The manifest that is stored under a plan's hash; raises CampaignError where it is missing or damaged."""
    try:
        return msgspec.json.decode(_stored(hash_, blobs), type=Snapshot)
    except msgspec.MsgspecError as error:
        raise _damaged(f"the snapshot {hash_} cannot be read: {error}") from error


def reader(snapshot: Snapshot, blobs: Blobs) -> Callable[[str], bytes]:
    """A reader over the stored files alone: nothing that has changed on disk since can reach the plan."""
    digests = {file.path: file.digest for file in snapshot.files}

    def read(path: str) -> bytes:
        wanted = digests.get(path)
        if wanted is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return _stored(wanted, blobs)

    return read


def _stored(hash_: str, blobs: Blobs) -> bytes:
    data = blobs(hash_)
    if data is None:
        raise _damaged(f"a part of the snapshot is missing: {hash_}")
    if digest(data) != hash_:
        raise _damaged(f"a part of the snapshot is damaged: {hash_}")
    return data


def _damaged(summary: str) -> CampaignError:
    return CampaignError([Diagnostic("CAMP231", summary, status=ExitStatus.SETUP)])


def changed_plugins(snapshot: Snapshot, installed: Iterable[PlanPlugin]) -> list[Diagnostic]:
    """What keeps a snapshot from being expanded with the plugins that are installed: each that differs, both named."""
    now = {plugin.plugin: plugin for plugin in installed}
    return [_changed(plugin, now.get(plugin.plugin)) for plugin in snapshot.plugins if now.get(plugin.plugin) != plugin]


def _changed(then: PlanPlugin, now: PlanPlugin | None) -> Diagnostic:
    found = f"installed is {_version(now)}" if now else "it is not installed"
    if now and _version(now) == _version(then):
        found += " with other files"
    return Diagnostic(
        "CAMP230",
        f"the campaign was planned with {then.plugin} of {_version(then)}; {found}",
        hint=f"install {then.distribution}=={then.version}, or start a new campaign",
        status=ExitStatus.SETUP,
    )


def _version(plugin: PlanPlugin) -> str:
    return f"{plugin.distribution} {plugin.version}"


def changed_files(snapshot: Snapshot, read: Callable[[str], bytes]) -> list[str]:
    """The files that are no longer what they were when the snapshot was taken, for a warning on resume."""
    return [file.path for file in snapshot.files if _digest_now(file.path, read) != file.digest]


def _digest_now(path: str, read: Callable[[str], bytes]) -> str | None:
    try:
        return digest(read(path))
    except (OSError, ValueError):
        return None


def captured(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that tools get: what is set of ``names``, sorted; a trailing ``*`` stands for any ending."""
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    wanted = set(names)
    return {
        name: value
        for name, value in sorted(environ.items())
        if name in wanted or (prefixes and name.startswith(prefixes))
    }
