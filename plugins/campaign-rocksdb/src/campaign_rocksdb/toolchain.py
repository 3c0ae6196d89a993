"""RocksDB's own tools, ``ldb`` and ``sst_dump``: where they are, and what they say.

Their exit statuses lie (a flipped byte passes ``checkconsistency`` and ``sst_dump`` with 0), so that of each run three
things are looked at: its status, what it must print, and that nothing it prints speaks of ``Corruption``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from campaign.plugins.api import UnableError

PROGRAMS = ("ldb", "sst_dump")
HOW_TO_GET = "apt-get install rocksdb-tools, or say where RocksDB's tools are: ROCKSDB_PATH"
#: What no tool prints of a sound database.
_FORBIDDEN = ("Corruption", "corrupted", "checksum mismatch")
#: So much of what a tool says is kept.
_KEPT = 1 << 16


class Said(NamedTuple):
    """What a tool printed, and how it ended."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def complaint(self, wanted: str | None = None) -> str | None:
        """What is wrong by its status and its output, in one line; None where all is well."""
        lines = [line.strip() for line in (*self.stderr.splitlines(), *self.stdout.splitlines())]
        spoken = next((line for line in lines if any(word in line for word in _FORBIDDEN)), None)
        failed = next((line for line in lines if line.startswith("Failed: ")), None)
        if spoken or failed:
            return _short(spoken or failed or "")
        if self.status != 0:
            how = f"exit status {self.status}"
            reason = next((_short(line) for line in self.stderr.splitlines() if line.strip()), None)
            return f"{how}: {reason}" if reason else how
        if wanted is not None and wanted not in lines:
            return f"it does not say «{wanted}»"
        return None

    def transcript(self, stdout: bool = True) -> str:
        """For the evidence: the command, what it said, its status."""
        text = self.stderr + (self.stdout if stdout else f"({self.stdout.count(chr(10))} lines)\n")
        return f"$ {' '.join(self.argv)}\n{text[:_KEPT]}{'' if text.endswith(chr(10)) else chr(10)}exit {self.status}\n"


def _short(line: str) -> str:
    """The status of RocksDB that a line ends with, without the words and paths before it."""
    return line[max(line.rfind("Corruption: "), 0) :].removeprefix("Failed: ")[:300]


class Toolchain:
    """The two tools; ``env`` is the environment that they get.

    Each run raises UnableError where a signal ended the tool.
    """

    def __init__(self, paths: Mapping[str, str], env: Mapping[str, str]) -> None:
        self._paths, self._env = paths, env

    def ldb(self, *arguments: str) -> Said:
        """Run ``ldb``."""
        return self._run(self._paths["ldb"], *arguments)

    def sst_dump(self, *arguments: str) -> Said:
        """Run ``sst_dump``."""
        return self._run(self._paths["sst_dump"], *arguments)

    def _run(self, *argv: str) -> Said:
        ended = subprocess.run(argv, env=self._env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if ended.returncode < 0:
            raise UnableError(f"{argv[0]} was killed by signal {-ended.returncode}: it judged nothing")
        return Said(
            argv, ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace")
        )


def locate(program: str, explicit: str | None, env: Mapping[str, str]) -> str | None:
    """Where a tool is: the explicit path, else in ``ROCKSDB_PATH`` (or its ``bin``), else in ``PATH``; None: nowhere.

    What was said explicitly is never replaced by something found elsewhere.
    """
    if explicit:
        return shutil.which(os.path.abspath(explicit))
    if root := env.get("ROCKSDB_PATH"):
        return shutil.which(
            program, path=os.pathsep.join((root, os.path.join(root, "bin"), os.path.join(root, "tools")))
        )
    return shutil.which(program, path=os.pathsep.join(os.get_exec_path(dict(env))))


def absence(program: str, explicit: str | None, env: Mapping[str, str]) -> str | None:
    """Why a tool is not there, in one sentence that says how to get it; None where it is."""
    if locate(program, explicit, env) is not None:
        return None
    if explicit:
        return f"{explicit} is no program that can be run; {HOW_TO_GET}"
    where = f"ROCKSDB_PATH={env['ROCKSDB_PATH']}" if env.get("ROCKSDB_PATH") else "PATH"
    return f"{program} was not found in {where}; {HOW_TO_GET}"
