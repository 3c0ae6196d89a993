"""What is evaluated: a program that is to notice that a server is down or hung, and to start it anew.

It knows a server by its port and its folder, and is not its parent: it asks, and acts on what it is told.  What it
noticed and ordered stands in its diary, a line each, beside the folder of the server.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from campaign_redis import health
from campaign_redis.configuration import HOW_TO_GET, PID_FILE, PROGRAM, configuration_file
from campaign_redis.health import State
from campaign_redis.repair import Policy, Repairer, read_policy

DIARY = "watchdog"
#: A killed process that is not gone by then is left to the next repair.
_GONE_WITHIN_S = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until it is stopped, or for ``--duration-s``; 1 where that cannot be, and stderr says why."""
    options = _parser().parse_args(arguments)
    try:
        policy = _policy(options)
        program = shutil.which(PROGRAM)
        if program is None:
            raise FileNotFoundError(f"{PROGRAM} was not found: {HOW_TO_GET}")
        Watchdog(options, policy, program).watch()
    except (OSError, ValueError) as error:
        print(f"redis watchdog: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="campaign_redis.watchdog", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True, help="of the server that is watched")
    parser.add_argument("--duration-s", type=float, help="how long to watch; without it until it is stopped")
    parser.add_argument("--policy", type=Path, help="a TOML file that says what is not said here")
    parser.add_argument("--interval-s", type=float)
    parser.add_argument("--patience-s", type=float)
    parser.add_argument("--notices-hangs", choices=["true", "false"])
    parser.add_argument("--attempts", type=int)
    parser.add_argument("--backoff-s", type=float)
    parser.add_argument("--confirm-s", type=float)
    return parser


def _policy(options: argparse.Namespace) -> Policy:
    """What was said by itself, else in the file; raises like ``read_policy``."""
    policy = Policy() if options.policy is None else read_policy(options.policy)
    given = {name: getattr(options, name) for name in Policy._fields if getattr(options, name) is not None}
    if options.notices_hangs is not None:
        given["notices_hangs"] = options.notices_hangs == "true"
    return policy._replace(**given)


class Watchdog:
    """One watchdog of one server."""

    def __init__(self, options: argparse.Namespace, policy: Policy, program: str) -> None:
        self._port, self._directory, self._duration_s = options.port, options.directory, options.duration_s
        self._policy, self._program = policy, program
        self._repairer = Repairer(policy)
        self._started: list[subprocess.Popen[bytes]] = []
        self._state: State | None = None
        self._diary = os.open(diary(options.directory), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def watch(self) -> None:
        """Ask, repair, sleep, until the time is up."""
        until_s = time.monotonic() + self._duration_s if self._duration_s is not None else float("inf")
        while (asked_s := time.monotonic()) < until_s:
            self._look()
            self._started = [each for each in self._started if each.poll() is None]
            time.sleep(max(0.0, asked_s + self._policy.interval_s - time.monotonic()))

    def _look(self) -> None:
        found = health.ask(self._port, self._policy.patience_s)
        if found.state is not self._state:
            self._note(f"{found.state}: {found.words}")
            self._state = found.state
        detections = self._repairer.detections
        repair = self._repairer.decide(found.state, time.monotonic())
        if self._repairer.detections > detections:
            self._note(f"detection {self._repairer.detections}: {found.state}")
        if repair:
            self._repair()

    def _repair(self) -> None:
        self._note(f"command {self._repairer.commands}: kill what is left, start it anew")
        kill_what_is_left(self._directory)
        argv = [PROGRAM, str(configuration_file(self._directory).absolute())]
        self._started.append(subprocess.Popen(argv, executable=self._program, stdin=subprocess.DEVNULL))

    def _note(self, text: str) -> None:
        """In the diary by one ``write``, so that nobody reads half of it, and where it is printed."""
        line = f"{time.monotonic():.3f} {text}\n"
        os.write(self._diary, line.encode())
        print(line, end="", flush=True)


def diary(directory: Path) -> Path:
    """The diary of the watchdog of the server in ``directory``."""
    return directory.with_name(f"{directory.name}.{DIARY}")


def kill_what_is_left(directory: Path) -> None:
    """Kill the server in ``directory``, if there still is one, and wait until it is gone."""
    try:
        pid = int((directory / PID_FILE).read_text())
        process = os.pidfd_open(pid)
    except (OSError, ValueError):
        return  # it never came so far, or is gone
    try:
        if _killed(pid, process, directory):
            select.select([process], [], [], _GONE_WITHIN_S)
    finally:
        os.close(process)


def _killed(pid: int, process: int, directory: Path) -> bool:
    """Kill a process if it is the server in ``directory``; whether its end has to be waited for."""
    try:
        if not _is_server_of(pid, directory):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except OSError:
        pass  # it is going already: as long as one of its threads is there, so are its files and its port
    return True


def _is_server_of(pid: int, directory: Path) -> bool:
    """Whether a process is a server that works in ``directory``: its number may be somebody else's by now.

    Raises OSError where it is gone; asked after a pidfd was opened, it speaks of the process of that.
    """
    same = os.path.samefile(f"/proc/{pid}/cwd", directory)
    return same and Path(f"/proc/{pid}/comm").read_text().strip() == PROGRAM


if __name__ == "__main__":
    sys.exit(main())
