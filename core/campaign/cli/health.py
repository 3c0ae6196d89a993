"""What campaign needs of a machine, one question a function; ``campaign doctor`` asks them all."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from shlex import quote

from msgspec import Struct

from campaign.cli.recorded import is_served
from campaign.diagnostics import CampaignError
from campaign.engine.admission import DEADLINE_S, in_time
from campaign.engine.capacity import VARIABLE as SLOTS
from campaign.engine.capacity import read_slots
from campaign.engine.devices import VISIBLE, Gpus, detect, visible
from campaign.engine.leftovers import PUT_BACK_BY, left_behind
from campaign.engine.releasing import waiting_for_a_person
from campaign.engine.workspace import Workspace
from campaign.ledger.opening import NETWORK_FILE_SYSTEMS, LedgerMissingError, errors, file_system, reader, unreadable
from campaign.ledger.queries import LedgerReader
from campaign.plugins.discovery import OWN_DISTRIBUTION
from campaign.plugins.registry import KINDS, Plugin, Registry

_CGROUP = "/sys/fs/cgroup"
_INOTIFY = "/proc/sys/fs/inotify/max_user_instances"
_MOUNTS = "/proc/self/mountinfo"
_PYTHON = (3, 11)
#: Versions in which two connections that write to one database in WAL mode can lose a commit.
_WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
_LOW_SPACE_BYTES = 2**30
_LOW_FILES = 256


class State(StrEnum):
    """How it is: a note is worth knowing and stops nothing; what is missing or broken must be seen to first."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    BROKEN = "broken"


class Finding(Struct, frozen=True):
    """One answer: what was asked, how it is, what was found, and what to do about it."""

    what: str
    state: State
    found: str
    advice: str | None = None


def python(version: tuple[int, int, int]) -> Finding:
    """The interpreter's version."""
    text = ".".join(map(str, version))
    if version >= _PYTHON:
        return Finding("python", State.OK, text)
    return Finding("python", State.MISSING, text, f"install Python {'.'.join(map(str, _PYTHON))} or newer")


def sqlite(version: tuple[int, int, int]) -> Finding:
    """The SQLite library under the ledger; its WAL-reset bug needs two writing connections, and campaign has one."""
    text = ".".join(map(str, version))
    first, last = _WAL_RESET_BUG
    if first <= version <= last:
        why = f"{text} has the WAL-reset bug (3.7.0 to 3.51.2); campaign writes through one connection, which avoids it"
        return Finding("sqlite", State.NOTE, why, "write to a ledger with nothing else; 3.51.3 is free of it")
    return Finding("sqlite", State.OK, text)


def workspace(path: str, mounts: str) -> Finding:
    """The folder of ledger and evidence, or the one it would be made in: on a local disk, writable, with room."""
    folder = path
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    kind = file_system(folder, mounts) or "an unknown file system"
    if kind in NETWORK_FILE_SYSTEMS:
        why = f"{path} is on {kind}, a network file system, where locks cannot be relied on"
        return Finding("workspace", State.MISSING, why, "give --workspace on a local disk")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("workspace", State.MISSING, f"{folder} cannot be written", "give --workspace elsewhere")
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < _LOW_SPACE_BYTES:
        return Finding("workspace", State.NOTE, f"{path} on {kind}, less than 1 GiB free", "make room for the evidence")
    return Finding("workspace", State.OK, f"{path} on {kind}")


def ledger(workspace: Workspace) -> Finding:
    """The ledger of a workspace: none yet, or one that reads well from end to end; it is not written to."""
    path = workspace.ledger
    try:
        with errors(path, unreadable), closing(reader(path)) as connection:
            (wrong,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if wrong != "ok":
                raise unreadable(path, str(wrong).replace("\n", " "))
    except LedgerMissingError:
        return Finding("ledger", State.OK, f"none yet at {path}")
    except CampaignError as error:
        diagnostic = error.diagnostics[0]
        return Finding("ledger", State.BROKEN, diagnostic.summary, diagnostic.hint)
    return Finding("ledger", State.OK, path)


def left(path: str, *, served: bool) -> Iterator[Finding]:
    """What runs left that a person has to see to, and what a crash left, where nobody is there to take it back."""
    try:
        with LedgerReader(path) as reading:
            for each in waiting_for_a_person(reading):
                run = f"{each.row.campaign}/{each.row.name}"
                why = f"{run}: {'; '.join(each.why) or 'it is lost'}"
                yield Finding("left over", State.NOTE, why, f"campaign release {quote(run)}")
            for found in [] if served else left_behind(reading):
                yield Finding("left over", State.NOTE, f"{found.run}: {found.sentence}", PUT_BACK_BY)
    except CampaignError:
        return  # told of the ledger


def pidfd() -> Finding:
    """Handles on processes, which a recycled pid cannot fool (Linux 5.3)."""
    advice = "use Linux 5.3 or newer, and a sandbox that allows pidfd_open"
    if not hasattr(os, "pidfd_open"):
        return Finding("pidfd", State.MISSING, "this Python does not know pidfd_open", advice)
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return Finding("pidfd", State.MISSING, f"pidfd_open failed: {error.strerror}", advice)
    return Finding("pidfd", State.OK, "processes are held by handle, not by number")


def proc(path: str = "/proc") -> Finding:
    """The process table, by which a tool's whole tree is found."""
    if os.path.exists(os.path.join(path, "self", "stat")):
        return Finding("proc", State.OK, f"{path} shows the process table")
    return Finding("proc", State.MISSING, f"{path} does not show the process table", f"mount procfs on {path}")


def cgroup(path: str = _CGROUP) -> Finding:
    """Control groups, version 2: a second way to find every process of a tool; not needed."""
    if not os.path.exists(os.path.join(path, "cgroup.controllers")):
        return Finding("cgroup v2", State.NOTE, f"not mounted on {path}; trees are found in /proc alone")
    if not os.access(path, os.W_OK):
        return Finding("cgroup v2", State.NOTE, f"{path} is not ours to write; trees are found in /proc alone")
    return Finding("cgroup v2", State.OK, f"{path} can be written")


def inotify(path: str = _INOTIFY) -> Finding:
    """Notice of changed files; not needed, what grows is looked at a few times a second."""
    try:
        with open(path, encoding="ascii") as file:
            return Finding("inotify", State.OK, f"{file.read().strip()} instances a user")
    except OSError:
        return Finding("inotify", State.NOTE, "not here; files that grow are looked at a few times a second")


def open_files(limit: int) -> Finding:
    """How many files a process may have open."""
    if limit == resource.RLIM_INFINITY or limit >= _LOW_FILES:
        return Finding("open files", State.OK, "no limit" if limit == resource.RLIM_INFINITY else f"{limit} a process")
    return Finding("open files", State.NOTE, f"only {limit} a process", f"ulimit -n {4 * _LOW_FILES}")


def gpu(found: Gpus) -> Finding:
    """The devices behind the named slot ``gpu``; not needed."""
    if found.devices:
        names = ", ".join(f"{count} {name}" for name, count in Counter(each.name for each in found.devices).items())
        return Finding("gpu", State.OK, names)
    advice = "pip install 'campaign-engine[gpu]'" if find_spec("pynvml") is None else None
    return Finding("gpu", State.NOTE, found.why_none or "none", advice)


def slots(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What ``CAMPAIGN_SLOTS`` says, where it is set."""
    try:
        found = read_slots(environ.get(SLOTS, ""))
    except CampaignError as error:
        yield from (Finding("slots", State.MISSING, each.summary, each.hint) for each in error.diagnostics)
    else:
        if found is not None:
            yield Finding("slots", State.OK, f"{SLOTS}: " + ", ".join(f"{name} {n}" for name, n in found.items()))


def plugins(registry: Registry, deadline_s: float = DEADLINE_S) -> Iterator[Finding]:
    """Every installed plugin: broken, short of something on this machine, or well.

    What the standard ones lack is a note: who wants to hold the frequency of a processor has to have one that can.
    Each question has ``deadline_s`` to be answered.
    """
    for plugin in registry.installed():
        name = f"plugin {plugin.name}"
        if plugin.problems:
            yield from (Finding(name, State.MISSING, each.summary, each.hint) for each in plugin.problems)
            continue
        lacking = list(_lacking(registry, plugin, deadline_s))
        standard = any(origin.distribution == OWN_DISTRIBUTION for origin in plugin.origins)
        yield from (Finding(name, State.NOTE if standard else State.MISSING, reason) for reason in lacking)
        wanting = [] if lacking else list(_wanting(registry, plugin, deadline_s))
        yield from (Finding(name, State.NOTE, reason) for reason in wanting)
        if not lacking and not wanting:
            yield Finding(name, State.OK, ", ".join(str(origin) for origin in plugin.origins))


def _lacking(registry: Registry, plugin: Plugin, deadline_s: float) -> Iterator[str]:
    registry.use([plugin.name])
    for kind in KINDS:
        for name in plugin.providers.get(kind, ()):
            diagnostic = in_time(partial(registry.unavailable, kind, name), f"{kind} {name}", None, deadline_s)
            if diagnostic:
                yield diagnostic.summary


def _wanting(registry: Registry, plugin: Plugin, deadline_s: float) -> Iterator[str]:
    """What its oracles lack as long as a spec says nothing else: a program, say."""
    for name in plugin.providers.get("oracle", ()):
        oracle = registry.find("oracle", name)
        if oracle is None or any(rules.get("required") for rules in oracle.parameters.values()):
            continue
        diagnostic = in_time(partial(registry.missing, name, {}, os.environ), f"oracle {name}", None, deadline_s)
        if diagnostic:
            yield diagnostic.summary


def examine(folder: str, registry: Registry) -> list[Finding]:
    """Everything, in the order in which it is needed; ``folder`` is the workspace."""
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        mounts = file.read()
    return [
        python(sys.version_info[:3]),
        sqlite(sqlite3.sqlite_version_info),
        proc(),
        pidfd(),
        workspace(folder, mounts),
        ledger(Workspace(folder)),
        *left(Workspace(folder).ledger, served=is_served(folder)),
        open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        cgroup(),
        inotify(),
        gpu(visible(detect(), os.environ.get(VISIBLE))),
        *slots(os.environ),
        *plugins(registry),
    ]
