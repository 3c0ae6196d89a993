"""Start a tool: an argument vector, an environment exactly as ordered, a session of its own, and nothing inherited.

``posix_spawn`` (in glibc a ``vfork``) costs the same however large the supervisor is, and reports why the program could
not be executed.  It cannot change the folder, so the single-threaded supervisor stands in it for that moment.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Mapping, Sequence

_DEFAULTED = tuple(sorted(set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}))
_TREE_LOCK_FD = 3
_FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"


class StartError(Exception):
    """A tool could not be started; the text is a sentence for the user."""


def spawn(argv: tuple[str, ...], env: Mapping[str, str], folder: int, output: int, tree_lock: int) -> int:
    """Start a program in the open ``folder``, its stdout and stderr to ``output``; returns its pid.

    It leads a session of its own, reads ``/dev/null``, has no signal ignored or blocked, and inherits ``tree_lock`` as
    descriptor 3.  Raises StartError.
    """
    program = find_program(argv, env)
    try:
        os.fchdir(folder)
        return os.posix_spawn(
            program,
            argv,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                (os.POSIX_SPAWN_DUP2, tree_lock, _TREE_LOCK_FD),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULTED,
        )
    except OSError as error:
        raise StartError(_why(program, error)) from None
    except ValueError as error:
        raise StartError(f"{argv[0]} cannot be started with these arguments: {error}") from None
    finally:
        os.chdir("/")


def find_program(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """The program that ``argv`` names: with a slash as it stands, else looked up in the tool's own PATH."""
    name = argv[0] if argv else ""
    if not name or "\0" in name:
        raise StartError("the command is empty")
    if "/" in name:
        return name
    found_file = False
    for folder in env.get("PATH", _FALLBACK_PATH).split(":"):
        candidate = f"{folder or '.'}/{name}"
        try:
            is_file = stat.S_ISREG(os.stat(candidate).st_mode)
        except (OSError, ValueError):
            continue
        if is_file and os.access(candidate, os.X_OK):
            return candidate
        found_file = found_file or is_file
    raise StartError(f"{name} is not executable" if found_file else f"{name} was not found in PATH")


def _why(program: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT if os.path.exists(program):
            return f"{program} names an interpreter in its first line that does not exist"
        case errno.ENOENT | errno.ENOTDIR:
            return f"{program} does not exist"
        case errno.EACCES if os.path.isdir(program):
            return f"{program} is a folder"
        case errno.EACCES | errno.EPERM:
            return f"{program} is not executable"
        case errno.ENOEXEC:
            return f"{program} is not a program: neither a binary of this machine nor a script with a #! line"
        case errno.E2BIG:
            return f"{program} has too many or too long arguments and variables for this system"
        case errno.EAGAIN | errno.ENOMEM | errno.EMFILE | errno.ENFILE:
            return f"{program} could not be started: the system is out of processes, memory or descriptors"
    return f"{program} could not be started: {error.strerror}"
