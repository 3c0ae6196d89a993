"""A disk that is faulty: a folder seen through FUSE, and the faults that switch what it does."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

from campaign.plugins.api import Fault, Injected, Injection, Process, Quantity, Schema, UnableError, Value
from campaign_standard._beside import end_beside, ended_early, start_beside
from campaign_standard._faultrules import OPERATIONS, Rule, put_in, take_out
from campaign_standard._inside import OWN, GoneError, leads_out, remove_within, write_within
from campaign_standard._memo import forget, memo_of, recall, remember
from campaign_standard._mounts import detach, make_folder, may_mount, mounted_at, new_source
from campaign_standard._setting import seconds, texts

_ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE", "ENOMEM", "EINTR")

_PATH: Schema = {"path": {"type": "string", "required": True, "meta": {"help": "the folder, within `work/`"}}}


class Faulty(Fault):
    """``disk.faulty { path = "data" }``: nothing is wrong yet; ``disk.error``, ``disk.slow`` and ``disk.torn`` come."""

    name = "faulty"
    about = "have a folder in the working directory be a disk that can be faulty (FUSE)"
    holds = True
    injects = False
    after_tools = True
    parameters: ClassVar[Schema] = _PATH

    def available(self) -> str | None:
        """mfusepy, libfuse, and the right to mount."""
        return _lacks()

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A folder within the working directory."""
        return leads_out(str(settings["path"]))

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """Where it will be, and what it will be known by."""
        path = str(injection.settings["path"])
        return {**memo_of(injection), "path": path, "source": new_source(injection.workdir, path)}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:  # noqa: ARG002 - armed with it
        """Start its server, and wait until it is mounted."""
        workdir, path, source = undo["workdir"], undo["path"], undo["source"]
        os.close(make_folder(workdir, path))
        write_within(workdir, _rules_of(path), b"{}")
        argv = [sys.executable, "-P", "-m", "campaign_standard._faultfs", f"{workdir}/{path}"]
        server = start_beside([*argv, f"{workdir}/{_rules_of(path)}", source], lambda _: mounted_at(source) is not None)
        remember(undo, [server.pid, server.start_time, server.boot_id])
        return Injected(notes=f"{path}, through FUSE")

    def lapsed(self, undo: Mapping[str, Any]) -> str | None:
        """Whether its server was ended, or it was unmounted, which ends that too."""
        server = recall(undo)
        return None if server is None else ended_early(Process(*server))

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Unmount it, end its server; what had reached the disk is there."""
        while (at := mounted_at(undo["source"])) is not None:
            detach(at)
        if not os.path.isdir(undo["workdir"]):
            return
        if (server := recall(undo)) is not None:
            end_beside(Process(*server))
        remove_within(undo["workdir"], _rules_of(undo["path"]))
        forget(undo)


class Ruled(Fault):
    """What all faults of a faulty disk share: a rule, in force from one instant to another, or as long as held."""

    holds = True
    overlaps = "adds"

    def available(self) -> str | None:
        """What the disk needs."""
        return _lacks()

    def missing(self, settings: Mapping[str, Value]) -> str | None:
        """A folder within the working directory."""
        return leads_out(str(settings["path"]))

    def rule(self, injection: Injection) -> Rule:
        """What is in force."""
        raise NotImplementedError

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        """The name of its rule."""
        path, name = str(injection.settings["path"]), f"{injection.label}-{injection.random:016x}"
        return {"workdir": injection.workdir, "path": path, "rule": name}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        """Put it in force."""
        rule, path = self.rule(injection), undo["path"]
        try:
            put_in(undo["workdir"], _rules_of(path), undo["rule"], rule)
        except GoneError:
            raise UnableError(
                f"{path} is no disk that can be faulty: hold disk.faulty there, before this one"
            ) from None
        often = "" if rule.probability >= 1 else f", {rule.probability:.4g} of them"
        return Injected(notes=f"{path}/{rule.files}: {', '.join(rule.operations)}{often}")

    def clear(self, undo: Mapping[str, Any]) -> None:
        """Take it out; a disk that is gone took it along."""
        try:
            take_out(undo["workdir"], _rules_of(undo["path"]), undo["rule"])
        except GoneError:
            return


_FILES: Schema = {
    "files": {
        "type": "string",
        "default": "*",
        "meta": {"help": "which files in that folder; `*` stands for any characters"},
    },
    "probability": {
        "type": "ratio",
        "default": "100%",
        "min": "0%",
        "max": "100%",
        "meta": {"help": "of each operation, drawn for the n-th of its kind on a file: the same in every attempt"},
    },
}


def _operations(default: list[str]) -> Schema:
    return {
        "operations": {
            "type": "list",
            "default": default,
            "minlength": 1,
            "schema": {"type": "string", "allowed": list(OPERATIONS)},
            "meta": {"help": f"of {', '.join(OPERATIONS)}"},
        }
    }


class Error(Ruled):
    """``disk.error { path = "data"; operations = ["fsync"]; error = "EIO"; probability = 10% }``."""

    name = "error"
    about = "have operations on a faulty disk fail"
    parameters: ClassVar[Schema] = {
        **_PATH,
        **_FILES,
        **_operations(["write"]),
        "error": {"type": "string", "default": "EIO", "allowed": list(_ERRORS), "meta": {"help": "with what"}},
    }

    def rule(self, injection: Injection) -> Rule:
        """They fail."""
        return _rule(injection, errno=getattr(errno, str(injection.settings["error"])))


class Slow(Ruled):
    """``disk.slow { path = "data"; delay = 50ms }``."""

    name = "slow"
    about = "have operations on a faulty disk take longer"
    parameters: ClassVar[Schema] = {
        **_PATH,
        **_FILES,
        **_operations(["read", "write", "fsync"]),
        "delay": {
            "type": "duration",
            "required": True,
            "min": "1us",
            "max": "10m",
            "meta": {"help": "how much longer each takes, until it is over at the latest"},
        },
    }

    def rule(self, injection: Injection) -> Rule:
        """They wait."""
        return _rule(injection, delay_s=seconds(injection.settings["delay"]))


class Torn(Ruled):
    """``disk.torn { path = "data"; files = "*.wal" }``: the tool hears that all was written, and it was not."""

    name = "torn"
    about = "tear writes on a faulty disk at a sector: the rest of them never reaches it, and nobody is told"
    parameters: ClassVar[Schema] = {**_PATH, **_FILES}

    def rule(self, injection: Injection) -> Rule:
        """They are torn."""
        return _rule(injection, operations=("write",), torn=True)


def _rule(injection: Injection, **what: Any) -> Rule:
    settings = injection.settings
    given = {"operations": texts(settings.get("operations", ()))} | what
    ratio = settings["probability"]
    probability = float(ratio.value) if isinstance(ratio, Quantity) else 1.0
    return Rule(files=str(settings["files"]), probability=probability, random=injection.random, **given)


def _rules_of(path: str) -> str:
    """The file in the working directory that holds the rules of the disk there."""
    return f"{OWN}faulty-{path.replace('/', '%')}.json"


def _lacks() -> str | None:
    if find_spec("mfusepy") is None:
        return "mfusepy was not found: pip install 'campaign-engine[fuse]'"
    if not os.path.exists("/dev/fuse"):
        return "this kernel offers no FUSE: modprobe fuse"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened by this user: run as root, or give the user the right to"
    if not may_mount() and shutil.which("fusermount3") is None:
        return "mounting needs root, or fusermount3: apt-get install fuse3"
    try:
        import mfusepy  # noqa: F401 - it looks for libfuse when it is imported
    except OSError:
        return "libfuse was not found: apt-get install fuse3"
    return None
