"""Disks under a run's working directory: small ones that run full, and faulty ones."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from campaign.plugins.api import (
    Fault,
    Injected,
    Injection,
    Process,
    Schema,
    UnableError,
    Value,
    boot_id,
    hookimpl,
    running,
)
from campaign_standard._faulty import Error, Faulty, Slow, Torn
from campaign_standard._hog import available_memory
from campaign_standard._inside import OWN, GoneError, leads_out, opened_parent
from campaign_standard._mounts import (
    OURS,
    copy_out,
    detach,
    make_folder,
    may_mount,
    mount_tmpfs,
    mounted_at,
    mounts,
    new_source,
)
from campaign_standard._setting import bytes_of, run_command

api = 1

_WITHIN_S = 10.0
_CHUNK = 1 << 16
_PIECES = 1000

_PATH: Schema = {"path": {"type": "string", "required": True, "meta": {"help": "the folder, within `work/`"}}}


class Limited(Fault):
    """``disk.limited { path = "data"; size = 16MiB }``: a file system of that size in ``work/data``.

    Root mounts memory there, the same for all tools of the run.  An ordinary user's tools get a mount namespace, each
    with a disk of its own.  Either way what is on it stands in ``work/data`` when the tools have gone.
    """

    name = "limited"
    about = "have a folder in the working directory be a small file system, which can be full"
    holds = True
    injects = False
    after_tools = True
    parameters: ClassVar[Schema] = {
        **_PATH,
        "size": {
            "type": "size",
            "required": True,
            "min": "64KiB",
            "max": "16GiB",
            "meta": {"help": "of all that is on it; it is in memory"},
        },
    }

    def available(self) -> str | None:
        """The right to mount: root's, or in a namespace of one's own."""
        if may_mount() or _namespaces():
            return None
        return "a small disk needs root, or user namespaces: sysctl kernel.unprivileged_userns_clone=1"

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A folder within the working directory, and the memory."""
        if (why := leads_out(str(settings["path"]))) is not None:
            return why
        size, there = bytes_of(settings["size"]), available_memory()
        return f"a disk of {size} bytes is more than half of the memory that is free" if size > there // 2 else None

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where it will be, and what it will be known by."""
        path = str(injection.settings["path"])
        return {"workdir": injection.workdir, "path": path, "source": new_source(injection.workdir, path)}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Mount it, or have each tool mount one."""
        size = bytes_of(injection.settings["size"])
        notes = f"{undo['path']}: {size} bytes"
        if not may_mount():
            program = (sys.executable, "-P", "-m", "campaign_standard._ground")
            wrap = (*program, injection.workdir, undo["path"], undo["source"], str(size), "--")
            return Injected(wrap=wrap, notes=f"{notes}, for each tool")
        folder = make_folder(injection.workdir, undo["path"])
        try:
            if os.listdir(folder):
                raise UnableError(f"{undo['path']} is not empty: a disk there would hide what it holds")
            mount_tmpfs(folder, undo["source"], size)
        except OSError as error:
            raise UnableError(f"{undo['path']} cannot be mounted: {error.strerror}") from None
        finally:
            os.close(folder)
        return Injected(notes=notes)

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Copy what is on it beside it, unmount it, and put the copy in its place; each step can be done again."""
        if not os.path.isdir(undo["workdir"]):
            return
        kept = os.path.join(undo["workdir"], f"{OWN}{undo['source']}.kept")
        if (at := mounted_at(undo["source"])) is not None:
            shutil.rmtree(kept, ignore_errors=True)
            try:
                copy_out(at, kept)
            except (OSError, shutil.Error) as error:
                raise UnableError(f"what is on {undo['path']} cannot be kept: {error}") from None
            detach(at)
        if os.path.isdir(kept):
            with opened_parent(undo["workdir"], undo["path"]) as (folder, name):
                os.rename(kept, name, dst_dir_fd=folder)


class Full(Fault):
    """``disk.full { path = "data"; at = 1s; for = 500ms }``: nothing more can be written there, ENOSPC.

    Only where a ``disk.limited`` is held: a disk of the machine is never filled.
    """

    name = "full"
    overlaps = "adds"
    about = "fill what is left of a small disk that is held, and free it when it is over"
    parameters: ClassVar[Schema] = {
        **_PATH,
        "leave": {"type": "size", "default": "0B", "min": "0B", "meta": {"help": "how much stays free"}},
    }

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A folder within the working directory."""
        return leads_out(str(settings["path"]))

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Whose disk it is, and the name of what will fill it."""
        target = injection.target
        if target is None:
            raise UnableError("it fills the disk of a process, and none is there yet")
        filler = f"{OWN}filler-{injection.random:016x}"
        whose = [target.pid, target.start_time, target.boot_id]
        return {"workdir": injection.workdir, "path": str(injection.settings["path"]), "filler": filler, "whose": whose}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Fill it."""
        whose = Process(*undo["whose"])
        if not running(whose, boot_id()):
            raise UnableError("the process had already ended")
        if not _is_ours(whose.pid, os.path.join(os.path.realpath(undo["workdir"]), undo["path"])):
            raise UnableError(f"{undo['path']} is no small disk: hold disk.limited there; no other is filled")
        with opened_parent(_seen_by(whose, undo["workdir"]), f"{undo['path']}/{undo['filler']}") as (folder, name):
            filled = _fill(folder, name, bytes_of(injection.settings["leave"]))
        return Injected(notes=f"{undo['path']}: the last {filled} bytes are taken")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Free it; a disk that went with its process needs nothing."""
        whose = Process(*undo["whose"])
        for workdir in {undo["workdir"], _seen_by(whose, undo["workdir"])}:
            with (
                suppress(GoneError, FileNotFoundError),
                opened_parent(workdir, f"{undo['path']}/{undo['filler']}") as (folder, name),
            ):
                os.unlink(name, dir_fd=folder)


def _seen_by(process: Process, path: str) -> str:
    """A path as that process sees it, which may have a mount namespace of its own."""
    return f"/proc/{process.pid}/root{os.path.realpath(path)}" if running(process, boot_id()) else path


def _is_ours(pid: int, path: str) -> bool:
    found = [each for each in mounts(pid) if each.path == path]
    return bool(found) and found[-1].kind == "tmpfs" and found[-1].source.startswith(OURS)


def _fill(folder: int, name: str, leave: int) -> int:
    """Take all that is free but ``leave`` bytes; how much that was.  Raises OSError."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        room = os.fstatvfs(fd)
        wanted = max(0, room.f_bavail * room.f_frsize - leave)
        with suppress(OSError):  # somebody was faster
            os.posix_fallocate(fd, 0, max(1, wanted))
        if not leave:
            _top_up(fd)
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def _top_up(fd: int) -> None:
    """Append until nothing goes in any more, in ever smaller pieces; not for ever where somebody frees as fast."""
    at, size = os.fstat(fd).st_size, _CHUNK
    for _ in range(_PIECES):
        try:
            at += os.pwrite(fd, bytes(size), at)
        except OSError:
            if size == 1:
                return
            size //= 2


def _namespaces() -> bool:
    """Whether this user may have a mount namespace: tried."""
    try:
        run_command(["unshare", "-Urm", "true"], _WITHIN_S)
    except UnableError:
        return False
    return True


@hookimpl
def campaign_faults() -> list[Fault]:
    """The holds and faults of this plugin."""
    return [Limited(), Full(), Faulty(), Error(), Slow(), Torn()]
