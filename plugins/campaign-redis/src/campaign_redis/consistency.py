"""What is wrong with what servers left behind: the first thing, in one line.

A copy is judged: a server of the oracle's own is started on it, as the one that was killed would be, and everything
that it has loaded is read and held against the history.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from campaign_redis import configuration
from campaign_redis.configuration import CONFIGURATION, PID_FILE, PROGRAM, Configuration, Persistence
from campaign_redis.history import EVERYTHING, History, Write, expected, key_bytes, read_history, read_value
from campaign_redis.resp import Connection, ProtocolError, RefusedError

#: How long a server may load before it is given up.
LOADS_WITHIN_S = 120.0
#: Between two tries: a server that loads answers nothing, and does not say when it will.
_AGAIN_S = 0.01
_ANSWERS_WITHIN_S = 30.0
#: So much of what a server says is kept.
_KEPT = 1 << 16
#: What a server says where it leaves out the end of its append-only file, which a killed one may not have finished.
_TRUNCATED = "Truncating the AOF"
#: Where in a line of Redis's log the words begin.
_MARKS = (" # ", " * ", " - ")


class UnreadableError(Exception):
    """There is nothing to judge, or no way to: the text says why."""


class Finding(NamedTuple):
    """What was found: ``wrong`` is the first thing wrong, None where all is well; the counts are of writes and keys."""

    wrong: str | None
    acknowledged: int = 0
    promised: int = 0
    keys: int = 0
    notes: tuple[str, ...] = ()
    transcript: str = ""

    @property
    def summary(self) -> str:
        """What to say where nothing is wrong."""
        counts = f"{self.acknowledged} writes were acknowledged, {self.promised} keys are as promised"
        return "; ".join((counts, *self.notes))


def inspect(
    directory: Path, history_file: Path, program: str, env: Mapping[str, str], everything: bool = False
) -> Finding:
    """Judge the folder of a server by a history; nothing of both is changed.

    ``program`` is ``redis-server`` and ``env`` what it gets.  What the persistence promises must be there, or
    ``everything`` that was acknowledged.  Raises UnreadableError.
    """
    told, history = _read(directory, history_file)
    with tempfile.TemporaryDirectory(prefix="campaign-redis-") as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(directory, copy, ignore=shutil.ignore_patterns(CONFIGURATION, PID_FILE, "temp-*"))
        with _served(copy, told, program, env) as server:
            return _judge(server, history, EVERYTHING if everything else told.persistence)


def _read(directory: Path, history_file: Path) -> tuple[Configuration, History]:
    try:
        return configuration.read(directory), read_history(history_file)
    except FileNotFoundError as error:
        raise UnreadableError(f"there is no {error.filename}: nothing to judge") from None
    except (ValueError, KeyError, IndexError) as error:
        raise UnreadableError(f"what should be judged by cannot be read: {error}") from None


# --- a server of the oracle's own ---------------------------------------------------------------------------------


class _Server(NamedTuple):
    """A server on a copy, what it prints, and the socket at which it can be asked."""

    process: subprocess.Popen[bytes]
    log: Path
    socket: Path


@contextmanager
def _served(copy: Path, told: Configuration, program: str, env: Mapping[str, str]) -> Iterator[_Server]:
    """Start one, and kill it when it has been asked: what it leaves is a copy."""
    socket, log, path = copy / "s", copy.with_name("log"), copy.with_name(CONFIGURATION)
    listen = ("port 0", f"unixsocket {socket}")
    path.write_text(configuration.render(copy, told.persistence, listen))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, str(path)],
            executable=program,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield _Server(process, log, socket)
    finally:
        process.kill()
        process.wait()


def _loaded(server: _Server) -> Connection | None:
    """A connection to it once it has loaded everything; None where it ended instead.  Raises UnreadableError."""
    until_s = time.monotonic() + LOADS_WITHIN_S
    while time.monotonic() < until_s:
        if server.process.poll() is not None:
            return None
        connection = None
        try:
            connection = Connection(str(server.socket), _ANSWERS_WITHIN_S)
            connection.ask("PING")
            return connection
        except (OSError, RefusedError):
            if connection is not None:
                connection.close()
            time.sleep(_AGAIN_S)
    raise UnreadableError(f"a server had not loaded a copy of the data within {LOADS_WITHIN_S:g} s")


def _judge(server: _Server, history: History, promise: Persistence) -> Finding:
    connection = _loaded(server)
    if connection is None and server.process.returncode == -signal.SIGKILL:  # no server does that to itself
        raise UnreadableError("a server that loaded a copy of the data was killed by signal 9")
    if connection is None:
        transcript = _kept(server.log)
        return Finding(f"no server can load it: {_last_words(transcript)}", history.acknowledged, transcript=transcript)
    with connection:
        try:
            found, strange = _everything(connection)
        except (OSError, RefusedError) as error:
            raise UnreadableError(f"a server that had loaded a copy of the data could not be read: {error}") from None
    wrong, promised = wrong_with(history, promise, found)
    transcript = _kept(server.log)
    notes = tuple(_words(line) for line in transcript.splitlines() if _TRUNCATED in line)
    return Finding(strange or wrong, history.acknowledged, promised, len(found), notes, transcript)


def _everything(connection: Connection) -> tuple[dict[int, int], str | None]:
    """The write that each key holds, and the first thing that nobody ever wrote."""
    found: dict[int, int] = {}
    strange: str | None = None
    for name, value in _pairs(connection):
        key, number = _read_pair(name, value)
        if key is None or number is None:
            strange = strange or f"{name.decode('utf-8', 'replace')!r:.60} holds what was never written to it"
        else:
            found[key] = number
    return found, strange


def _pairs(connection: Connection) -> Iterator[tuple[bytes, bytes]]:
    """Everything that a server holds, keys perhaps more than once; what is no text is an empty one."""
    cursor = b"0"
    while True:
        match connection.ask("SCAN", cursor, "COUNT", 1000):
            case [bytes() as cursor, list() as listed]:
                names = [name for name in listed if isinstance(name, bytes)]
            case _:
                raise ProtocolError("this is no answer to SCAN")
        values = connection.ask("MGET", *names) if names else []
        if not isinstance(values, list):
            raise ProtocolError("this is no answer to MGET")
        for name, value in zip(names, values, strict=True):
            yield name, value if isinstance(value, bytes) else b""
        if cursor == b"0":
            return


def _read_pair(name: bytes, value: bytes) -> tuple[int | None, int | None]:
    digits = name[4:]
    if not digits.isdigit() or name != key_bytes(int(digits)):
        return None, None
    return int(digits), read_value(int(digits), value)


# --- what must be there -------------------------------------------------------------------------------------------


def wrong_with(history: History, promise: Persistence, found: Mapping[int, int]) -> tuple[str | None, int]:
    """The first broken promise (None: every key holds what it must or may), and how many keys must hold something."""
    lost: list[tuple[Write, int]] = []
    strange: list[int] = []
    promised = 0
    for key in sorted(history.writes.keys() | found.keys()):
        must, instead = expected(history, key, promise)
        promised += must is not None
        holds = found.get(key)
        if holds in {each.number for each in instead} or holds == (must.number if must else None):
            continue
        if must is not None:
            lost.append((must, key))
        else:
            strange.append(key)
    if lost:
        return _lost(lost, found), promised
    if strange:
        return f"key {strange[0]} holds write {found[strange[0]]}, which was refused or never asked for", promised
    return None, promised


def _lost(lost: list[tuple[Write, int]], found: Mapping[int, int]) -> str:
    write, key = min(lost)
    holds = f"it holds write {found[key]}" if key in found else "it holds nothing"
    more = f", {len(lost)} keys in all" if len(lost) > 1 else ""
    return f"acknowledged write {write.number} of key {key} is lost: {holds}{more}"


# --- words --------------------------------------------------------------------------------------------------------


def _kept(log: Path) -> str:
    return log.read_bytes()[-_KEPT:].decode("utf-8", "replace")


def _last_words(transcript: str) -> str:
    """The last line that a server prints as a warning is what made it give up."""
    lines = [_words(line) for line in transcript.splitlines() if " # " in line]
    return (lines or ["it says nothing"])[-1][:300]


def _words(line: str) -> str:
    """A line of Redis's log without process id and time."""
    starts = [line.find(mark) + len(mark) for mark in _MARKS if mark in line]
    words = line[min(starts, default=0) :].strip("! ")
    return "".join(each if each.isprintable() else "?" for each in words)
