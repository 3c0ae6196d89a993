"""Making an archive of a campaign that has come to its end; see ``archive`` for what is in it."""

from __future__ import annotations

import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from typing import IO, Any

import msgspec

from campaign import __version__
from campaign.diagnostics import CampaignError
from campaign.durable import written
from campaign.engine import archive
from campaign.engine.archive import ArchivedAttempt, ArchivedCampaign, ArchivedJudgement, LeftOut, Manifest, Member
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import OPEN, AttemptRecord, CampaignRow
from campaign.plan import snapshot as snapshots
from campaign.records import MASK, Directories, Order, mask_json, secrets_of
from campaign.records.secrets import is_harmless

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_encode = msgspec.json.Encoder().encode


def export(ledger: LedgerReader, row: CampaignRow, path: str, now: str) -> Manifest:
    """Write the archive of a campaign to ``path``, whole or not at all; returns its manifest.

    Raises CampaignError, and OSError where it cannot be written.
    """
    if not row.finished or any(ledger.unfinished(row.id)) or any(ledger.requests(row.id, state=OPEN)):
        hint = "campaign wait waits for its end; campaign release gives up what is lost"
        raise archive.not_exported(row.id, "it is not at its end", hint)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=os.path.dirname(path) or ".") as folder:
        found = [*_records(ledger, row, folder), *_evidence(row.run_root)]
        manifest = _manifest(row.id, found, now)
        with written(path) as file:
            _write(file, manifest, {name: where for name, where in found if where is not None}, row.id)
    return manifest


def _manifest(campaign: str, found: list[tuple[str, str | None]], now: str) -> Manifest:
    """Every member with its digest; what has a name and no file was left out, with the reason behind the name."""
    members = tuple(_member(name, where) for name, where in found if where is not None)
    left_out = tuple(LeftOut(*name.split("\0", 1)) for name, where in found if where is None)
    if len(members) > archive.MOST_MEMBERS:
        raise archive.not_exported(campaign, f"it has more than {archive.MOST_MEMBERS:,} files")
    return Manifest(campaign=campaign, version=__version__, made_at=now, members=members, left_out=left_out)


def _member(name: str, where: str) -> Member:
    digest, size = sha256(), 0
    with open(os.open(where, _FLAGS), "rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
    return Member(name, size, digest.hexdigest())


# --- what is in it ----------------------------------------------------------------------------------------------


def _records(ledger: LedgerReader, row: CampaignRow, folder: str) -> Iterator[tuple[str, str | None]]:
    """What the ledger holds, written to files in ``folder``."""
    snapshot = _snapshot(ledger, row)
    os.mkdir(os.path.join(folder, archive.SNAPSHOT))
    told = msgspec.structs.replace(row, run_root="", submission=None, snapshot=snapshot[0] if snapshot else None)
    lines: dict[str, Iterator[bytes]] = {
        archive.CAMPAIGN: iter([_encode(_archived_campaign(ledger, told))]),
        archive.ATTEMPTS: (_encode(_archived(ledger, row, record)) for record in ledger.records(row.id)),
        archive.EVENTS: map(_encode, ledger.events(row.id)),
        **{f"{archive.SNAPSHOT}{hash_}": iter([data]) for hash_, data in (snapshot[1] if snapshot else {}).items()},
    }
    for name, pieces in lines.items():
        where = os.path.join(folder, name)
        with open(where, "wb") as file:
            file.writelines(piece if name.startswith(archive.SNAPSHOT) else piece + b"\n" for piece in pieces)
        yield name, where


def _archived_campaign(ledger: LedgerReader, row: CampaignRow) -> ArchivedCampaign:
    remarks, requests = tuple(ledger.remarks(row.id)), tuple(ledger.requests(row.id))
    return ArchivedCampaign(row=row, remarks=remarks, requests=requests)


def _snapshot(ledger: LedgerReader, row: CampaignRow) -> tuple[str, dict[str, bytes]] | None:
    """The snapshot's hash and parts, its environment left out; None where the ledger has none."""
    try:
        manifest = snapshots.load(row.snapshot or row.plan_hash, ledger.blob)
    except CampaignError:
        return None
    bare = msgspec.structs.replace(manifest, environment={})
    parts = {file.digest: ledger.blob(file.digest) or b"" for file in bare.files}
    hash_ = snapshots.plan_hash(bare)
    return hash_, {hash_: snapshots.encode(bare), **parts}


def _archived(ledger: LedgerReader, row: CampaignRow, record: AttemptRecord) -> ArchivedAttempt:
    """An attempt without what is secret and without what is absolute."""
    directory = os.path.relpath(record.row.directory, row.run_root)
    secrets = secrets_of(record.order)
    judgements = tuple(
        ArchivedJudgement(source=each.source, at=each.at, oracles=each.oracles, decision=each.decision)
        for each in ledger.judgements(record.row.token)
    )
    told = ArchivedAttempt(
        row=msgspec.structs.replace(record.row, directory=directory),
        order=_told(record.order, directory),
        exit=record.exit,
        judgements=judgements,
    )
    return msgspec.convert(mask_json(msgspec.to_builtins(told), secrets), ArchivedAttempt) if secrets else told


def _told(order: Order, directory: str) -> Order:
    def masked(each: Any) -> Any:
        env = {name: value if is_harmless(name) else MASK for name, value in each.env.items()}
        return msgspec.structs.replace(each, env=env)

    return msgspec.structs.replace(
        order,
        directories=Directories(public=directory, private="", work=f"{directory}/work"),
        services=tuple(map(masked, order.services)),
        steps=tuple(map(masked, order.steps)),
        environment=dict.fromkeys(order.environment, MASK),
        secrets=(),
    )


def _evidence(run_root: str) -> Iterator[tuple[str, str | None]]:
    """The regular files below the campaign's folder, in order; what else there is, with the reason."""
    for folder, folders, names in os.walk(run_root):
        folders.sort()
        for name in sorted([*names, *(each for each in folders if os.path.islink(os.path.join(folder, each)))]):
            where = os.path.join(folder, name)
            path = os.path.relpath(where, run_root)
            why = _why_not(where, path)
            yield (f"{archive.FILES}{path}", where) if why is None else (f"{path!a}\0{why}", None)


def _why_not(where: str, path: str) -> str | None:
    if not stat.S_ISREG(os.lstat(where).st_mode):
        return "it is no regular file"
    if not archive.relative(path):
        return "its name is too long, or holds what is no text"
    return None if os.access(where, os.R_OK) else "it may not be read"


# --- the tar ----------------------------------------------------------------------------------------------------


def _write(file: IO[bytes], manifest: Manifest, places: dict[str, str], campaign: str) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        text = msgspec.json.format(_encode(manifest), indent=1)
        with tempfile.TemporaryFile() as first:
            first.write(text)
            first.seek(0)
            tar.addfile(_header(archive.MANIFEST, len(text)), first)
        for member in manifest.members:
            with open(os.open(places[member.name], _FLAGS), "rb") as source:
                checked = _Checked(source)
                try:
                    tar.addfile(_header(member.name, member.size_bytes), checked)
                except OSError:
                    raise _changed(campaign, member) from None
                if checked.digest.hexdigest() != member.sha256 or source.read(1):
                    raise _changed(campaign, member)


class _Checked:
    """A file that is digested while it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self.digest = source, sha256()

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        data = self._source.read(size)
        self.digest.update(data)
        return data


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header


def _changed(campaign: str, member: Member) -> CampaignError:
    return archive.not_exported(campaign, f"{member.name} has changed meanwhile", "something still writes there")
