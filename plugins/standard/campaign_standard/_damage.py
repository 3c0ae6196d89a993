"""Files that decay: bits flip, ends are missing, a write is torn, a file is gone.

One file of the working directory, chosen by the run's draw among those that match, and by the same draw where in it.
"""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Schema, UnableError, Value
from campaign_standard._inside import OWN, GoneError, leads_out, opened_file, opened_parent, regular_files
from campaign_standard._memo import forget, memo_of, recall, remember
from campaign_standard._setting import bytes_of

SECTOR = 512
#: What is cut off can be put back up to this size.
_KEPT_BYTES = 16 << 20
_SHOWN = 8

_PATH: Schema = {
    "path": {
        "type": "string",
        "required": True,
        "meta": {"help": "which file, within `work/`; `*` stands for any characters: one of those that match is drawn"},
    }
}
_RESTORE: Schema = {
    "restore": {
        "type": "bool",
        "default": False,
        "meta": {"help": "put it back when the fault is over, where nobody has written there since"},
    }
}


class Damage(Fault):
    """What all of them share: the choice of a file, and the memo of what was there."""

    overlaps = "adds"

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A path within the working directory."""
        return leads_out(str(settings["path"]))

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where to write down what was there, if it is to be put back."""
        return memo_of(injection) if injection.settings["restore"] else {}


class Flip(Damage):
    """``file.flip { path = "db/*.sst"; bits = 3 }``: single bits, each in a byte of its own."""

    name = "flip"
    about = "flip bits of a file in the working directory, as a disk does that decays"
    parameters: ClassVar[Schema] = {
        **_PATH,
        "bits": {
            "type": "int",
            "default": 1,
            "min": 1,
            "max": 4096,
            "meta": {"help": "how many, each in another byte"},
        },
        "from": {"type": "size", "default": "0B", "min": "0B", "meta": {"help": "spare what is before"}},
        **_RESTORE,
    }

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Flip them; the file's times stay."""
        draw, start = random.Random(injection.random), bytes_of(injection.settings["from"])
        with _chosen(injection, draw, lambda size: size > start) as (path, fd):
            size = os.fstat(fd).st_size
            count = min(int(str(injection.settings["bits"])), size - start)
            places = sorted(draw.sample(range(start, size), count))
            changes = [(at, old := os.pread(fd, 1, at)[0], old ^ 1 << draw.randrange(8)) for at in places]
            if undo:
                remember(undo, {"path": path, "inode": os.fstat(fd).st_ino, "changes": changes})
            with _timeless(fd):
                for at, _, new in changes:
                    os.pwrite(fd, bytes([new]), at)
        shown = ", ".join(f"{at}: 0x{old:02x} → 0x{new:02x}" for at, old, new in changes[:_SHOWN])
        more = "" if count <= _SHOWN else f" and {count - _SHOWN} more"
        return Injected(notes=f"{path}, byte {shown}{more}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Put the bytes back that are still as we left them."""
        _put_back(undo, _unflip)


class Truncate(Damage):
    """``file.truncate { path = "*.log" }``: the end is missing."""

    name = "truncate"
    about = "cut off the end of a file in the working directory"
    parameters: ClassVar[Schema] = {
        **_PATH,
        "size": {"type": "size", "min": "0B", "meta": {"help": "what is left of it; drawn where it is not given"}},
        **_RESTORE,
    }

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Cut it."""
        draw, given = random.Random(injection.random), injection.settings.get("size")
        least = bytes_of(given) if given is not None else 0
        with _chosen(injection, draw, lambda size: size > least) as (path, fd):
            size = os.fstat(fd).st_size
            kept = least if given is not None else draw.randrange(size)
            _cut(fd, path, kept, undo)
        return Injected(notes=f"{path}: {size} → {kept} bytes")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Append what was cut off, unless somebody has written there since."""
        _put_back(undo, _append)


class Torn(Damage):
    """``file.torn { path = "wal"; write = 8KiB }``: of the last write only the first sectors have reached the disk."""

    name = "torn"
    about = "tear the last write of a file in the working directory at a sector: the rest never reached the disk"
    parameters: ClassVar[Schema] = {
        **_PATH,
        "write": {
            "type": "size",
            "default": "4KiB",
            "min": "1B",
            "max": "16MiB",
            "meta": {"help": "how long the last write was: that much of the file's end is at stake"},
        },
        "zeros": {
            "type": "bool",
            "default": False,
            "meta": {"help": "zeros stand where the rest was to be, as after a file was made longer first"},
        },
        **_RESTORE,
    }

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Tear it at a multiple of 512 within its end; the first byte of the write at the earliest."""
        draw = random.Random(injection.random)
        with _chosen(injection, draw, lambda size: size > 0) as (path, fd):
            size = os.fstat(fd).st_size
            kept = draw.choice(_tears(size, bytes_of(injection.settings["write"])))
            _cut(fd, path, kept, undo, zeros=bool(injection.settings["zeros"]))
        what = "zeros" if injection.settings["zeros"] else "nothing"
        return Injected(notes=f"{path}: {what} from byte {kept} of {size}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Write what was torn off, unless somebody has written there since."""
        _put_back(undo, _append)


class Delete(Damage):
    """``file.delete { path = "db/CURRENT" }``: the name is gone; who has the file open keeps it."""

    name = "delete"
    about = "delete a file in the working directory; whoever has it open keeps it"
    parameters: ClassVar[Schema] = {**_PATH, **_RESTORE}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Delete it, or put it aside under a name of ours."""
        draw = random.Random(injection.random)
        with _chosen(injection, draw, lambda _: True) as (path, fd):
            size = os.fstat(fd).st_size
            aside = f"{OWN}{injection.random:016x}.kept"
            if undo:
                remember(undo, {"path": path, "aside": aside})
            with opened_parent(injection.workdir, path) as (folder, name):
                if undo:
                    os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)
        return Injected(notes=f"{path}: deleted, {size} bytes")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Give it its name again, unless another file bears it."""
        if not undo or (state := recall(undo)) is None:
            return
        with suppress(GoneError), opened_parent(undo["workdir"], str(state["path"])) as (folder, name):
            aside = os.path.basename(str(state["aside"]))
            with suppress(FileExistsError):
                os.link(aside, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(aside, dir_fd=folder)
        forget(undo)


@contextmanager
def _chosen(injection: Injection, draw: random.Random, fits: Callable[[int], bool]) -> Iterator[tuple[str, int]]:
    """A file that matches and whose size fits, drawn, open for reading and writing.  Raises UnableError."""
    pattern = str(injection.settings["path"])
    if (why := leads_out(pattern)) is not None:
        raise UnableError(why)
    paths = regular_files(injection.workdir, pattern)
    draw.shuffle(paths)
    for path in paths:
        with ExitStack() as stack:
            try:
                fd = stack.enter_context(opened_file(injection.workdir, path))
            except UnableError:
                continue  # gone meanwhile
            if fits(os.fstat(fd).st_size):
                yield path, fd
                return
    raise UnableError(f"none of {len(paths)} files that match {pattern} is long enough" if paths else _nothing(pattern))


def _nothing(pattern: str) -> str:
    return f"no file in work/ matches {pattern} (links, and files of several names, do not count)"


@contextmanager
def _timeless(fd: int) -> Iterator[None]:
    """Leave the file's times as they were: decay sets none."""
    status = os.fstat(fd)
    yield
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def _tears(size: int, write: int) -> list[int]:
    """Where a last write of that size can be torn: at sectors within it, and at its very beginning."""
    start = max(0, size - write)
    first = (start // SECTOR + 1) * SECTOR
    return [start, *range(first, size, SECTOR)]


def _cut(fd: int, path: str, kept: int, undo: Mapping[str, Any], *, zeros: bool = False) -> None:
    """Cut a file off, or have it end in zeros, after its end is written down where it is to be put back."""
    status = os.fstat(fd)
    missing = status.st_size - kept
    if undo and missing > _KEPT_BYTES:
        raise UnableError(f"{path}: {missing} bytes would be cut off, of which {_KEPT_BYTES} can be put back")
    if undo:
        tail = base64.b64encode(os.pread(fd, missing, kept)).decode()
        remember(undo, {"path": path, "inode": status.st_ino, "kept": kept, "tail": tail, "zeros": zeros})
    with _timeless(fd):
        os.ftruncate(fd, kept)
        if zeros:
            os.ftruncate(fd, status.st_size)


def _put_back(undo: Mapping[str, Any], write: Callable[[Any, int], None]) -> None:
    """Have ``write`` put back what the memo says, if it is there and the file is still the same one."""
    if not undo or (state := recall(undo)) is None:
        return
    with suppress(GoneError), opened_file(undo["workdir"], str(state["path"])) as fd:
        if os.fstat(fd).st_ino == state["inode"]:
            write(state, fd)
    forget(undo)


def _unflip(state: Any, fd: int) -> None:
    for at, old, new in state["changes"]:
        if os.pread(fd, 1, at) == bytes([new]):
            os.pwrite(fd, bytes([old]), at)


def _append(state: Any, fd: int) -> None:
    kept, tail = int(state["kept"]), base64.b64decode(state["tail"])
    left = bytes(len(tail)) if state["zeros"] else b""
    if os.pread(fd, len(tail) + 1, kept) == left:
        os.pwrite(fd, tail, kept)
