"""What is wrong with a database that a writer left behind: the first thing, in one line.

Looked at is a copy, because ``ldb`` opens to write.  In this order, and the first that does not hold is the message:

1. CURRENT names a MANIFEST that is there, and whole
2. every table that it holds is there, has the size that it says, and passes ``sst_dump --verify_checksum``
3. no write-ahead log is damaged, and none but the newest, of a killed writer, ends in the middle of a record
4. ``ldb checkconsistency`` says OK, and ``ldb scan`` reads everything
5. what was read is what must be there by the expected values
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

from campaign_rocksdb.history import History, history_file, read_history
from campaign_rocksdb.judging import Found, collect, wrong_with
from campaign_rocksdb.ondisk import current_manifest, flaw_of, live_tables, numbered, oldest_log
from campaign_rocksdb.toolchain import Said, Toolchain

_LENIENT = "--ignore_unknown_options"  # a newer RocksDB wrote options that these tools have never heard of


class Finding(NamedTuple):
    """What was found: ``wrong`` is the first thing wrong, None where all is well; counts are of operations and keys."""

    wrong: str | None
    acknowledged: int
    keys: int | None
    notes: tuple[str, ...]
    transcript: str


class UnreadableError(Exception):
    """The tools cannot read what this RocksDB writes: they can say nothing of it."""


def inspect(database: Path, tools: Toolchain, everything: bool = False) -> Finding:
    """Look at a copy of ``database``; with ``everything``, each acknowledged operation must be there.

    Raises FileNotFoundError where nothing was ever written, UnreadableError where the tools are too old.
    """
    history = read_history(database, everything)
    if not history.sessions:
        raise FileNotFoundError(f"{history_file(database).name} tells of no session: there is nothing to judge")
    if not database.is_dir():
        return Finding(
            f"{database.name} is gone, with {history.acknowledged} acknowledged operations",
            history.acknowledged,
            None,
            (),
            "",
        )
    with tempfile.TemporaryDirectory(prefix="campaign-rocksdb-") as scratch:
        copy = Path(scratch) / database.name
        shutil.copytree(database, copy)
        return _Inspection(copy, tools, history).finding()


class _Inspection:
    """One look at one copy: what is wrong in the order of importance, what was noticed, what the tools said."""

    def __init__(self, database: Path, tools: Toolchain, history: History) -> None:
        self._database, self._tools, self._history = database, tools, history
        self._said: list[str] = []
        self._cuts: list[str] = []
        self._strange: list[str] = []
        self._keys: int | None = None

    def finding(self) -> Finding:
        """Ask everything, whatever was found before: the evidence holds what each tool said."""
        first = next(iter(list(self._problems())), None)
        wrong = None if first is None else "; ".join((*(cut for cut in self._cuts if cut != first), first))
        notes = (*self._cuts, *self._strange)
        where = f"{self._database.parent}/"  # the copy's, which nobody will ever find
        transcript = "\n".join(self._said).replace(where, "")
        wrong = wrong and wrong.replace(where, "")
        return Finding(wrong, self._history.acknowledged, self._keys, notes, transcript)

    def _problems(self) -> Iterator[str]:
        manifest = ""
        try:
            name = current_manifest(self._database)
        except ValueError as error:
            yield str(error)
        else:
            said = self._manifest(name)
            manifest = said.stdout
            yield from self._manifest_problems(name, said)
        yield from self._tables(live_tables(manifest))
        yield from self._logs(oldest_log(manifest))
        found = yield from self._opened()
        if found is not None:
            self._keys = len(found.numbers)
            if wrong := wrong_with(self._history, found):
                yield "; ".join((wrong, *self._strange))

    def _hear(self, said: Said, stdout: bool = True) -> Said:
        self._said.append(said.transcript(stdout))
        return said

    def _manifest(self, name: str) -> Said:
        return self._hear(self._tools.ldb("manifest_dump", f"--path={self._database / name}"))

    def _manifest_problems(self, name: str, said: Said) -> Iterator[str]:
        path = self._database / name
        if not path.exists():
            yield f"{name}, which CURRENT names, is missing"
            return
        if not path.stat().st_size:
            yield f"{name} is empty"
        if complaint := said.complaint():
            yield f"{name} is damaged: {complaint}"
        yield from self._flaw(path)

    def _flaw(self, path: Path) -> Iterator[str]:
        """A record that is not whole: a kill leaves one in what is written last; a writer that closed leaves none."""
        flaw = flaw_of(path.read_bytes())
        if flaw is None:
            return
        text = f"{path.name} {flaw}"
        if flaw.cut:
            self._cuts.append(text)
        if not flaw.cut or self._history.closed:
            yield text

    def _tables(self, live: dict[int, int]) -> Iterator[str]:
        files = numbered(self._database, ".sst")
        for number, size in sorted(live.items()):
            if number not in files:
                yield f"{number:06}.sst is missing"
            elif (there := files[number].stat().st_size) != size:
                yield f"{number:06}.sst has {there} bytes, of {size} that the MANIFEST holds"
            else:
                yield from self._table(files[number])
        strange = [path.name for number, path in files.items() if number not in live]
        if strange and live:
            yield from self._strangers(strange)

    def _table(self, path: Path) -> Iterator[str]:
        said = self._hear(self._tools.sst_dump(f"--file={path}", "--command=verify", "--verify_checksum"))
        complaint = said.complaint(wanted="The file is ok")
        if complaint and "Unknown format version" in complaint:
            raise UnreadableError(f"{path.name}: {complaint}; the tools are older than what wrote it")
        if complaint:
            yield f"{path.name} is damaged: {complaint}"

    def _strangers(self, names: list[str]) -> Iterator[str]:
        """A killed writer leaves tables that no MANIFEST holds yet, or any more, and the next open removes them."""
        text = f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''}: no table that the MANIFEST holds"
        if self._history.closed:
            yield text
        else:
            self._strange.append(text)

    def _logs(self, oldest: int) -> Iterator[str]:
        files = numbered(self._database, ".log")
        for number, path in files.items():
            said = self._hear(self._tools.ldb("dump_wal", f"--walfile={path}"), stdout=False)
            if complaint := said.complaint():
                yield f"{path.name} is damaged: {complaint}"
            if number >= oldest:
                yield from self._flaw(path)

    def _opened(self) -> Generator[str, None, Found | None]:
        checked = self._hear(self._tools.ldb(f"--db={self._database}", _LENIENT, "checkconsistency"))
        if complaint := checked.complaint(wanted="OK"):
            yield f"checkconsistency: {complaint}"
        scanned = self._hear(self._tools.ldb(f"--db={self._database}", _LENIENT, "--hex", "scan"), stdout=False)
        if complaint := scanned.complaint():
            yield f"scan: {complaint}"
            return None
        return collect(_pairs(scanned.stdout))


def _pairs(scan: str) -> Iterator[tuple[bytes, bytes]]:
    """The pairs that ``ldb --hex scan`` printed: ``0x6B : 0x76``, in later versions ``0x6B ==> 0x76``."""
    for line in scan.splitlines():
        key, separator, value = line.replace(" ==> ", " : ", 1).partition(" : ")
        if not separator:
            raise ValueError(f"a line of the scan is no pair: {line[:80]!r}")
        yield bytes.fromhex(key[2:]), bytes.fromhex(value[2:])
