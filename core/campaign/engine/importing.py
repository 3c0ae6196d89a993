"""Taking an archive in, trusting nothing that stands in it.

Everything is unpacked into a folder of its own, checked there, and only then moved to its place: the members must be
those of the manifest, in its order, with its sizes and digests; names lead below the folder; rows must fit each other,
and what they say of paths must be relative.  The ledger lists the campaign's folder as one to be removed until it has
taken the campaign in, so that whatever is interrupted leaves either all of it or nothing.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import IO, TypeVar

import msgspec
from msgspec import Struct, structs

from campaign.diagnostics import CampaignError
from campaign.durable import move, sync_directory
from campaign.engine import archive, wire
from campaign.engine.archive import ArchivedAttempt, ArchivedCampaign, Manifest, Member, refused, relative
from campaign.engine.asking import ask
from campaign.engine.household import housekeeping, sweep
from campaign.engine.sweep import remove_folder
from campaign.engine.tarball import TarError, members
from campaign.engine.workspace import Workspace
from campaign.failpoints import reach
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import FINISHED, OPEN, AttemptRow, CampaignRow
from campaign.ledger.staging import Stage
from campaign.plan.snapshot import digest
from campaign.readable import open_regular
from campaign.records import Directories, EventView, Exit, Verdict
from campaign.supervise.folders import create_file, open_below, write_all

_Record = TypeVar("_Record", bound=Struct)
_CHUNK = 1 << 20
_RESERVE_BYTES = 1 << 28
_encode = msgspec.json.Encoder().encode
#: What strangers' JSON and what SQLite takes of it can go wrong with.
_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, sqlite3.Error)


class Import:
    """One archive on its way into one workspace; ``most_bytes`` is what it may hold unpacked."""

    def __init__(self, path: str, workspace: str, most_bytes: int) -> None:
        self._path, self._most = path, most_bytes
        self._place = Workspace(workspace)
        self._name = os.urandom(8).hex()
        self._staging = os.path.join(workspace, "imports", self._name)

    def run(self) -> str:
        """Take it in; returns the campaign's id.  Raises CampaignError, and OSError where the disk refuses."""
        self._place.prepare()
        with housekeeping(self._place.path):
            self._tidy()
            os.makedirs(self._staging, 0o700)
            try:
                return self._take()
            finally:
                remove_folder(self._staging)

    def _tidy(self) -> None:
        """Remove what an interrupted import has left; it is our turn, so nobody is at it."""
        folder = os.path.dirname(self._staging)
        with suppress(FileNotFoundError):
            for name in os.listdir(folder):
                remove_folder(os.path.join(folder, name))
        if os.path.lexists(self._place.ledger):
            sweep(self._place.path)

    def _take(self) -> str:
        with open(self._opened(), "rb") as file:
            try:
                manifest = self._unpack(file)
                campaign = self._staged(manifest)
            except TarError as error:
                raise self._refused(str(error)) from error
            except _UNREADABLE as error:
                raise self._refused(" ".join(str(error).split())[:300]) from error
        self._settle(campaign)
        return campaign

    def _opened(self) -> int:
        try:
            return open_regular(self._path)
        except OSError as error:
            raise self._refused(f"it cannot be read: {error.strerror or error}") from error

    def _refused(self, why: str) -> CampaignError:
        return refused(self._path, why)

    # --- unpacking --------------------------------------------------------------------------------------------------

    def _unpack(self, file: IO[bytes]) -> Manifest:
        """Write every member below the staging folder, each checked against the manifest."""
        found = members(file, archive.MOST_PATH_BYTES)
        name, size = next(found, ("", 0))
        if name != archive.MANIFEST or size > archive.MOST_MANIFEST_BYTES:
            raise self._refused("it does not begin with its manifest")
        manifest = self._manifest(file.read(size))
        wanted = iter(manifest.members)
        root = os.open(self._staging, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name, size in found:
                member = next(wanted, None)
                if member is None or (name, size) != (member.name, member.size_bytes):
                    raise self._refused(f"it holds {name!a:.200}, which its manifest does not list there")
                if _written(root, member, file) != member.sha256:
                    raise self._refused(f"{name!a:.200} is not what its digest says")
                reach("import.member")
        finally:
            os.close(root)
        left = next(wanted, None)
        if left is not None:
            raise self._refused(f"{left.name!a:.200} is missing")
        return manifest

    def _manifest(self, data: bytes) -> Manifest:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema != archive.ARCHIVE_SCHEMA:
            raise self._refused(f"it has the schema {schema!a:.100}, this campaign reads {archive.ARCHIVE_SCHEMA}")
        manifest = msgspec.json.decode(data, type=Manifest)
        names = [member.name for member in manifest.members]
        total = sum(member.size_bytes for member in manifest.members)
        room = os.statvfs(self._staging)
        if len(names) > archive.MOST_MEMBERS or len(set(names)) != len(names):
            raise self._refused("its manifest lists too many files, or one twice")
        if not all(_known(name) for name in names) or any(member.size_bytes < 0 for member in manifest.members):
            wrong = next((name for name in names if not _known(name)), "a file of less than nothing")
            raise self._refused(f"its manifest lists {wrong!a:.200}")
        if total > self._most:
            raise self._refused(f"it holds {total:,} bytes, more than --most allows")
        if total + _RESERVE_BYTES > room.f_bavail * room.f_frsize:
            raise self._refused(f"it holds {total:,} bytes, for which there is no room")
        return manifest

    # --- rows -------------------------------------------------------------------------------------------------------

    def _staged(self, manifest: Manifest) -> str:
        """Check the rows and write them to a ledger of their own; the campaign's id."""
        told = self._one(archive.CAMPAIGN, ArchivedCampaign)
        row, parts = told.row, [name for name in map(_name, manifest.members) if name.startswith(archive.SNAPSHOT)]
        wrong = _campaign_objection(row, manifest)
        if wrong:
            raise self._refused(wrong)
        root = os.path.join(self._place.runs, row.id)
        with Stage(
            os.path.join(self._staging, "ledger.sqlite"), structs.replace(row, run_root=root, submission=None)
        ) as stage:
            for name in parts:
                self._part(stage, name)
            keys = {each.row.key for each in self._attempts(stage, row, root)}
            for number, event in enumerate(self._lines(archive.EVENTS, EventView), start=1):
                if event.campaign != row.id:
                    raise self._refused("an event in it is of another campaign")
                stage.event(event, number)
            for remark in told.remarks:
                if remark.key is not None and remark.key not in keys:
                    raise self._refused("a remark in it is on no run of it")
                stage.remark(row.id, remark)
            for request in told.requests:
                if request.campaign != row.id or request.state == OPEN or not _identifier(request.id):
                    raise self._refused("a request in it is of another campaign, or not at its end")
                stage.request(request)
        return row.id

    def _part(self, stage: Stage, name: str) -> None:
        with open(os.path.join(self._staging, name), "rb") as file:
            data = file.read()
        if digest(data) != name.removeprefix(archive.SNAPSHOT):
            raise self._refused("a part of its snapshot is not what its hash says")
        stage.part(digest(data), data)

    def _attempts(self, stage: Stage, row: CampaignRow, root: str) -> Iterator[ArchivedAttempt]:
        for each in self._lines(archive.ATTEMPTS, ArchivedAttempt):
            wrong = _attempt_objection(each, row)
            if wrong:
                raise self._refused(f"the attempt {each.row.key!a:.100}@{each.row.attempt} {wrong}")
            directory = os.path.join(root, each.row.directory)
            private = os.path.join(self._place.attempts, each.row.token)
            places = Directories(public=directory, private=private, work=os.path.join(directory, "work"))
            order = structs.replace(each.order, directories=places)
            exit_ = None if each.exit is None else _encode(each.exit)
            stage.attempt(structs.replace(each.row, directory=directory), _encode(order), exit_)
            for judged in each.judgements:
                stage.judgement(
                    each.row.token, judged.source, judged.at, _encode(judged.oracles), _encode(judged.decision)
                )
            yield each

    def _one(self, name: str, record: type[_Record]) -> _Record:
        found = list(self._lines(name, record))
        if len(found) != 1:
            raise self._refused(f"{name} holds {len(found)} records")
        return found[0]

    def _lines(self, name: str, record: type[_Record]) -> Iterator[_Record]:
        decode = msgspec.json.Decoder(record).decode
        with open(os.path.join(self._staging, name), "rb") as file:
            while line := file.readline(archive.MOST_LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise self._refused(f"{name} holds a line that is too long, or cut off")
                yield decode(line)

    # --- the move ---------------------------------------------------------------------------------------------------

    def _settle(self, campaign: str) -> None:
        """Announce the folder, move it into its place, and have the ledger take the rows in.

        What the ledger says is there is on the disk by then: the rows come after the files and their folder.
        """
        reach("import.checked")
        sync_file_system(self._staging)
        reach("import.synced")
        place, folder = os.path.join(self._place.runs, campaign), os.path.join(self._staging, archive.FILES)
        if os.path.lexists(place) and not self._is_here(campaign):
            raise self._refused(f"{place} is there already, of a campaign that the ledger does not know")
        self._adopt(campaign, "folder")
        reach("import.announced")
        try:
            os.makedirs(self._place.runs, exist_ok=True)
            sync_directory(self._place.path)
            reach("import.placed")
            os.makedirs(folder, exist_ok=True)
            move(folder, place)
            reach("import.moved")
            for step in ("attempts", "events", "campaign"):
                self._adopt(campaign, step)
        except BaseException:
            sweep(self._place.path)
            raise
        reach("import.adopted")

    def _adopt(self, campaign: str, step: str) -> None:
        """One step, part by part, by whoever holds the ledger."""
        after = 0
        while after := _ask(self._place.path, wire.Adopt(campaign, self._name, step, after)):
            reach("import.part")

    def _is_here(self, campaign: str) -> bool:
        if not os.path.lexists(self._place.ledger):
            return False
        with LedgerReader(self._place.ledger) as ledger:
            return ledger.campaign(campaign) is not None


def sync_file_system(path: str) -> None:
    """Make everything durable that was written to the file system of ``path``: one call, however many files there are.

    See syncfs(2); Linux tells of what could not be written since 5.8.  Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(handle)


class _Schema(Struct):
    schema: str = ""


def _ask(workspace: str, asked: wire.Adopt) -> int:
    return ask(workspace, "adopt", asked, lambda desk: desk.adopt(asked))[0].count


def _name(member: Member) -> str:
    return member.name


def _known(name: str) -> bool:
    """Whether a member may be called so."""
    if name in {archive.CAMPAIGN, archive.ATTEMPTS, archive.EVENTS}:
        return True
    if name.startswith(archive.SNAPSHOT):
        return _hex(name.removeprefix(archive.SNAPSHOT), 32)
    return name.startswith(archive.FILES) and relative(name)


def _hex(text: str, length: int) -> bool:
    return len(text) == length and all(char in "0123456789abcdef" for char in text)


def _written(root: int, member: Member, file: IO[bytes]) -> str:
    """Write one member to its place, no link followed and nothing written over; returns its digest."""
    *above, name = member.name.split("/")
    fd = os.dup(root)
    for folder in above:
        try:
            below = open_below(fd, folder)
        finally:
            os.close(fd)
        fd = below
    state, left = sha256(), member.size_bytes
    try:
        target = create_file(fd, name)
        try:
            while left:
                piece = file.read(min(_CHUNK, left))
                if not piece:
                    raise TarError("it ends too early")
                state.update(piece)
                write_all(target, piece)
                left -= len(piece)
        finally:
            os.close(target)
    finally:
        os.close(fd)
    return state.hexdigest()


# --- what rows may say ----------------------------------------------------------------------------------------------


def _identifier(text: str, most: int = 250) -> bool:
    """Whether a text is fit to be the name of a folder."""
    return (
        0 < len(text) <= most
        and text.isascii()
        and text[0] not in ".-"
        and all(c.isalnum() or c in "._+-" for c in text)
    )


def _is_time(text: str | None) -> bool:
    try:
        return text is not None and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _campaign_objection(row: CampaignRow, manifest: Manifest) -> str | None:
    if not _identifier(row.id) or row.id != manifest.campaign:
        return "its campaign has no proper name"
    if row.state != FINISHED or not _is_time(row.finished_at) or not _is_time(row.created_at):
        return "its campaign is not at its end"
    if row.snapshot is not None and f"{archive.SNAPSHOT}{row.snapshot}" not in map(_name, manifest.members):
        return "its snapshot is missing"
    return None


def _attempt_objection(each: ArchivedAttempt, campaign: CampaignRow) -> str | None:
    """Why an attempt's parts do not fit each other or the campaign, None where they do."""
    row, order = each.row, each.order
    if (row.campaign, order.campaign) != (campaign.id, campaign.id):
        return "is of another campaign"
    if (row.token, row.key, row.origin, row.attempt) != (order.token, order.key, order.origin, order.attempt):
        return "has the order of another one"
    own = [judged for judged in each.judgements if judged.source == "exec"]
    if row.state != "done" or row.verdict not in set(Verdict) or not own:
        return "is not done"
    if row.verdict != own[-1].decision.verdict:
        return "has another verdict than its judgement"
    if not _identifier(row.token) or row.attempt < 1 or row.key != f"{row.cell}#{row.seed}":
        return "has no proper name"
    if not all(_is_time(at) for at in (row.admitted_at, row.finished_at)) or not _fits_time(row):
        return "has no proper time"
    if not relative(row.directory) or not all(map(relative, _paths(each.exit, each))):
        return "has files elsewhere"
    return None


def _fits_time(row: AttemptRow) -> bool:
    return row.started_at is None or _is_time(row.started_at)


def _paths(exit_: Exit | None, each: ArchivedAttempt) -> Iterator[str]:
    """Every path that an attempt's records name, to be opened below its directory."""
    outputs = (exit_.output, *(step.output for step in (*exit_.steps, *exit_.services))) if exit_ else ()
    yield from (output.path for output in outputs if output.path is not None)
    ended = (*exit_.steps, *exit_.services) if exit_ else ()
    yield from (step.trace.path for step in ended if step.trace is not None)
    yield from (path for judged in each.judgements for oracle in judged.oracles for path in oracle.paths)
