"""Opening a ledger: made whole or not at all, refused where it cannot be trusted, never taken for empty."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from urllib.parse import quote

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.durable import move
from campaign.failpoints import reach
from campaign.ledger.rows import STATES, VERDICTS
from campaign.ledger.schema import APPLICATION_ID, MIGRATIONS, SCHEMA
from campaign.ledger.watermark import forget_mark, mark_path, read_mark

#: Where SQLite's locks or its shared memory cannot be relied on.
NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
    | {"glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb3", "smbfs"}
)
#: How mountinfo writes the bytes that would part its fields: ``\\040`` is a space.
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_MOUNTS = "/proc/self/mountinfo"
#: Above this, in bytes, a ledger is not read as a whole when it is opened: only its narrow tables are.
_LARGE = 16 << 20
_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_DECIDING = ("meta", "campaign", "attempt", "control", "hold")


class LedgerError(CampaignError):
    """The ledger is missing, unreadable, newer than this version, or cannot be written: exit status 3."""

    def __init__(self, code: str, summary: str, hint: str | None = None) -> None:
        super().__init__([Diagnostic(code, summary, hint=hint, status=ExitStatus.SETUP)])


class LedgerMissingError(LedgerError):
    """There is no ledger here: nothing has happened in this workspace yet."""

    def __init__(self, path: str) -> None:
        super().__init__("CAMP500", f"there is no ledger at {path}: no campaign has run here", "give --workspace")


def missing(path: str) -> LedgerError:
    """There is none: nothing has happened yet (LedgerMissingError), or it has vanished (CAMP506)."""
    if not was_here(path):
        return LedgerMissingError(path)
    return LedgerError(
        "CAMP506",
        f"the ledger {path} has vanished: this workspace had one",
        "put it back, or move the whole workspace away to start anew",
    )


def was_here(path: str) -> bool:
    """Whether its workspace had a ledger: its mark is there, or the lock's file says so."""
    if os.path.lexists(mark_path(path)):
        return True
    try:
        with open(os.path.join(os.path.dirname(path), "daemon.lock"), "rb") as lock:
            return b"ledger" in lock.read(200).split()
    except OSError:
        return False


def unreadable(path: str, why: object) -> LedgerError:
    """CAMP501: what is there is not a ledger that can be read."""
    return LedgerError(
        "CAMP501",
        f"the ledger {path} cannot be read: {why}",
        "nothing was changed; restore it from a copy, or move the workspace away to start anew",
    )


def unwritable(path: str, why: object) -> LedgerError:
    """CAMP503: a disk that is full or failing; nothing of the transaction was kept.  CAMP506: it is not there."""
    if not os.path.lexists(path):
        return vanished(path)
    full = "full" in str(why) or (isinstance(why, OSError) and why.errno in {errno.ENOSPC, errno.EDQUOT})
    remedy = "make room" if full else "see that it can be written"
    return LedgerError(
        "CAMP503",
        f"the ledger {path} cannot be written: {why}",
        f"what was recorded before is kept; {remedy}, and ask again; campaign exec --resume goes on with what ran",
    )


def vanished(path: str) -> LedgerError:
    """CAMP506: it was there while a campaign ran, and is gone or another one now."""
    gone = "has vanished: it or its workspace was moved or deleted"
    how = "was replaced by another one" if os.path.lexists(path) else gone
    return LedgerError(
        "CAMP506",
        f"the ledger {path} {how} while a campaign ran",
        "put it back, then campaign exec --resume goes on; without it nothing of that campaign is known",
    )


@contextmanager
def errors(path: str, becomes: Callable[[str, object], LedgerError]) -> Iterator[None]:
    """Turn what SQLite and the system raise into a LedgerError that names the ledger.

    A damaged schema is quoted in SQLite's message, and may be no text at all.
    """
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise becomes(path, error) from error


def writer(path: str) -> sqlite3.Connection:
    """The one connection that writes: WAL, ``synchronous=FULL`` read back, at this version's schema.

    Creates the ledger where there is none.  The caller holds the workspace's lock.  Raises LedgerError.
    """
    refuse_network(path)
    if not os.path.lexists(path):
        _create(path)
    _check_file(path)
    with errors(path, unreadable):
        _examine(path)
        connection = _connect(path, "rw")
        try:
            _settle(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _examine(path: str) -> None:
    """Raise LedgerError where it is damaged: without a connection that writes, for that would bring the WAL in."""
    mark = read_mark(path)
    connection = _connect(path, "rw" if os.path.lexists(f"{path}-journal") else "ro")  # a journal is to be rolled back
    try:
        version = _check_schema(connection, path)
        _check_mark(connection, path, mark)
        _check_tables(connection, path, version)
        _check_pages(connection, path)
        _check_rows(connection, path)
    finally:
        connection.close()


def reader(path: str) -> sqlite3.Connection:
    """A connection that can only read; raises LedgerMissingError or LedgerError."""
    if not os.path.lexists(path):
        raise missing(path)
    _check_file(path)
    fixed = not os.access(os.path.dirname(path), os.W_OK, effective_ids=True)
    with errors(path, _out_of_reach if fixed else unreadable):
        mark = read_mark(path)  # before it is opened, for it may grow meanwhile
        connection = _connect(path, "ro&immutable=1" if fixed and not _has_wal(path) else "ro")
        try:
            found = _check_schema(connection, path)
            _check_mark(connection, path, mark)
        except BaseException:
            connection.close()
            raise
    if found < SCHEMA:
        connection.close()
        raise LedgerError(
            "CAMP502",
            f"the ledger {path} has schema {found}, this campaign reads {SCHEMA}",
            "the next campaign exec in this workspace brings it up to date",
        )
    return connection


def _has_wal(path: str) -> bool:
    """Whether it has a WAL with something in it; who writes has one, and the last one to close it takes it away."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False


def _out_of_reach(path: str, why: object) -> LedgerError:
    """CAMP501: in a folder that cannot be written SQLite cannot read a WAL that nobody has open."""
    return LedgerError(
        "CAMP501",
        f"the ledger {path} cannot be read: its folder cannot be written, which its WAL needs ({why})",
        "make the folder writable, or copy the whole workspace and give the copy with --workspace",
    )


def refuse_network(path: str) -> None:
    """Raise LedgerError where ``path`` is on a network file system: locks and syncs cannot be relied on there."""
    kind = file_system(os.path.dirname(path), _mounts())
    if kind in NETWORK_FILE_SYSTEMS:
        raise LedgerError(
            "CAMP504", f"the workspace {os.path.dirname(path)} is on {kind}, a network file system", "use a local disk"
        )


def file_system(directory: str, mounts: str) -> str | None:
    """The type of the file system that holds ``directory``, from the text of mountinfo (proc(5))."""
    real = os.path.realpath(directory)
    best: tuple[str, str | None] = ("", None)
    for line in mounts.splitlines():
        fields, _, tail = line.partition(" - ")
        parts, rest = fields.split(" "), tail.split(" ")
        if len(parts) < 5 or not rest[0]:
            continue
        point = os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), os.fsencode(parts[4])))
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, rest[0])
    return best[1]


def _mounts() -> str:
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""  # cannot be told; SQLite's own checks remain


def _connect(path: str, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, isolation_level=None, timeout=10)
    connection.execute("PRAGMA query_only = " + ("off" if mode == "rw" else "on"))
    return connection


def _check_file(path: str) -> None:
    """SQLite takes an empty file for an empty database; to us it is a ledger that was truncated."""
    with errors(path, unreadable):
        status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(path, "it is not a regular file")
    if status.st_size == 0:
        raise unreadable(path, "it is empty")


def _check_schema(connection: sqlite3.Connection, path: str) -> int:
    """The ledger's schema; raises LedgerError for another program's database and for a newer schema."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise unreadable(path, "it is a database, but not a ledger of campaign")
    rows = connection.execute("SELECT schema FROM meta").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], int):
        raise unreadable(path, "its table meta is damaged")
    if rows[0][0] > SCHEMA:
        raise LedgerError(
            "CAMP502",
            f"the ledger {path} has schema {rows[0][0]}, this campaign knows {SCHEMA}",
            "it was written by a newer campaign; use that one",
        )
    return int(rows[0][0])


def transactions(connection: sqlite3.Connection) -> int:
    """The number of the last transaction, see ``watermark``."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def _check_mark(connection: sqlite3.Connection, path: str, mark: int) -> None:
    """Raise LedgerError where transactions are missing that were durable: its WAL was damaged, cut or removed."""
    found = transactions(connection)
    if found < mark:
        raise LedgerError(
            "CAMP501",
            f"the ledger {path} has lost what was recorded: it ends with transaction {found}, and {mark} is the last",
            f"put {path}-wal back, or restore both; to go on with the older state, delete {mark_path(path)}",
        )


def _check_tables(connection: sqlite3.Connection, path: str, version: int) -> None:
    """Raise LedgerError where a table or an index is not as its migrations made it: bits of it have flipped."""
    if wrong := sorted(_tables_of(version) - set(connection.execute(_TABLES))):
        raise unreadable(path, f"it is damaged: the definition of {wrong[0][1]} is not as it was written")


@cache
def _tables_of(version: int) -> frozenset[tuple[str, str, str, str | None]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        return frozenset(db.execute(_TABLES))


def _check_rows(connection: sqlite3.Connection, path: str) -> None:
    """Raise LedgerError where an attempt is in no state that there is: found later, something were written by then."""
    states, verdicts = (", ".join("?" * len(each)) for each in (STATES, VERDICTS))
    wrong = f"state NOT IN ({states}) OR verdict NOT IN ({verdicts})"
    query = f"SELECT token, state, verdict FROM attempt WHERE {wrong} LIMIT 1"  # noqa: S608 - only question marks
    for token, state, verdict in connection.execute(query, (*STATES, *VERDICTS)):
        raise unreadable(path, f"it is damaged: attempt {token} is {state!r} with the verdict {verdict!r}")


def _check_pages(connection: sqlite3.Connection, path: str) -> None:
    """Raise LedgerError where pages contradict each other; of a large ledger only those of what decides."""
    large = os.stat(path).st_size > _LARGE
    for table in _DECIDING if large else ("",):
        (said,) = connection.execute(f"PRAGMA integrity_check({table or 1})").fetchone()
        if said != "ok":
            raise unreadable(path, f"it is damaged: {said}")


def _settle(connection: sqlite3.Connection, path: str) -> None:
    """WAL and full syncs, both read back; then the migrations that are missing."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    if mode != "wal" or level != 2:
        raise unreadable(path, f"journal_mode is {mode} and synchronous {level}, wal and 2 (FULL) are needed")
    migrate(connection)


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Apply the migrations that are missing, each in a transaction of its own with its number."""
    fresh = not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
    done = 0 if fresh else connection.execute("SELECT schema FROM meta").fetchone()[0]
    for number, script in enumerate(migrations[done:], start=done + 1):
        reach("ledger.migrate.before")
        connection.executescript(f"BEGIN IMMEDIATE; {script}; UPDATE meta SET schema = {number}; COMMIT;")  # noqa: S608 - ours
        reach("ledger.migrate.after")


def _create(path: str) -> None:
    """A new ledger: made beside its place, synced, and renamed into it, so that half of one is never there."""
    with errors(path, unwritable):
        draft = f"{path}.new"
        for leftover in (draft, f"{draft}-journal", f"{draft}-wal", f"{draft}-shm"):
            if os.path.lexists(leftover):
                os.unlink(leftover)  # of a creation that was interrupted; the lock says that nobody else is at it
        forget_mark(path)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = _connect(draft, "rw")
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")  # here, where a crash in the middle leaves but a draft
        finally:
            connection.close()
        reach("ledger.create.before")
        move(draft, path)
        reach("ledger.create.after")
