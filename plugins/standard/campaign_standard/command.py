"""The oracle ``command``: any program judges, by its exit status and what it prints.

Exit statuses of checkers lie often enough (SQLite's ``quick_check`` prints errors and exits 0, so does ``ldb
checkconsistency`` on a flipped byte) that the status, a pattern that must be there and one that must not be belong
together.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import IO, ClassVar

from campaign.plugins.api import Evidence, Judgement, Oracle, Schema, UnableError, Value, hookimpl
from campaign_standard._patterns import matcher, wrong_pattern
from campaign_standard._reading import LINE_BYTES, quoted, readable

api = 1

#: Of each output this much is kept; all of it is searched.
KEPT_BYTES = 1 << 20
#: What shells, ``env`` and the like say of a program that they could not run (POSIX, 2.8.2).
_NOT_RUN = {126: "as a shell does for what may not be executed", 127: "as a shell does for what it does not find"}
#: How long what the program left behind may hold its output open.
_LINGER_S = 1.0


class Command(Oracle):
    """Runs a program in the attempt's ``work/`` once its tools are gone."""

    name = "command"
    about = "a program judges: exit status, a pattern it must print, a pattern it must not print"
    parameters: ClassVar[Schema] = {
        "argv": {
            "type": "list",
            "schema": {"type": "string"},
            "required": True,
            "meta": {
                "help": "the program (by PATH, or below work/ with a slash) and its arguments; no shell is involved"
            },
        },
        "program": {
            "type": "path",
            "default": "",
            "meta": {"help": "a program that belongs to the spec, beside which it lies; argv are its arguments then"},
        },
        "exits": {
            "type": "list",
            "schema": {"type": "int"},
            "default": [0],
            "meta": {"help": "the exit statuses that are good; an empty list: any"},
        },
        "wanted": {"type": "string", "meta": {"help": "a regular expression that some line of its output matches"}},
        "forbidden": {"type": "string", "meta": {"help": "a regular expression that no line of its output matches"}},
    }

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:
        """Look for the program, unless it is a path in ``work/``, where a run may make it; and at the patterns."""
        argv = _argv(settings)
        if not argv:
            return "neither program nor argv says what to run"
        wrong = wrong_pattern(*(str(settings.get(name, "")) for name in ("wanted", "forbidden")))
        return wrong or self._missing(argv[0], env)

    @staticmethod
    def _missing(name: str, env: Mapping[str, str]) -> str | None:
        own = env.get("CAMPAIGN_WORKDIR")
        if "\0" in name or ("/" in name and not name.startswith("/")) or (own and name.startswith(f"{own}/")):
            return None
        if shutil.which(name, path=_search_path(env)) is not None:
            return None
        if "/" not in name:
            return f"{name} was not found in PATH"
        return f"{name} is not executable" if os.path.exists(name) else f"{name} does not exist"

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Run it; the engine's ``timeout`` limits how long it takes."""
        argv = _argv(settings)
        outputs = Outputs(_matcher(settings, "wanted"), _matcher(settings, "forbidden"))
        code = _run(argv, evidence, outputs)
        if code < 0:
            raise UnableError(f"{argv[0]} was {_how(code)}: it judged nothing")
        good = _tuple(settings["exits"])
        if good and code in _NOT_RUN and code not in good:
            raise UnableError(f"{argv[0]} ended with {_how(code)}, {_NOT_RUN[code]}{_said(outputs)}")
        return Judgement(
            ok=(wrong := _wrong(code, settings, outputs)) is None,
            message=wrong or _how(code),
            exit_code=code,
            stdout=outputs.stdout.text,
            stderr=outputs.stderr.text,
        )


class Output:
    """One output of a program: its beginning is kept, every line is searched; ``last`` says something."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self.lines = 0
        self.last = b""

    def keep(self, data: bytes) -> None:
        """Keep it while there is room."""
        self.lines += 1
        self._kept += data[: KEPT_BYTES - len(self._kept)]
        if line := readable(data).strip():
            self.last = line

    @property
    def text(self) -> str:
        """What was kept."""
        return self._kept.decode("utf-8", "replace")


class Outputs:
    """Both outputs of a program, and what was found in them."""

    def __init__(self, wanted: Callable[[bytes], bool] | None, forbidden: Callable[[bytes], bool] | None) -> None:
        self._wanted, self._forbidden = wanted, forbidden
        self.stdout, self.stderr = Output(), Output()
        self.found_wanted = False
        self.found_forbidden: bytes | None = None

    def read(self, pipe: IO[bytes], output: Output) -> None:
        """Read a pipe to its end."""
        while line := pipe.readline(LINE_BYTES):
            output.keep(line)
            self._look(readable(line))

    def _look(self, line: bytes) -> None:
        if self._wanted is not None and not self.found_wanted:
            self.found_wanted = self._wanted(line)
        if self._forbidden is not None and self.found_forbidden is None and self._forbidden(line):
            self.found_forbidden = line


def _run(argv: list[str], evidence: Evidence, outputs: Outputs) -> int:
    """Run the program to its end; returns its status, negative for a signal."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=evidence.work,
            env=evidence.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise UnableError(f"{argv[0]} could not be run: {error.strerror}") from None
    except ValueError as error:
        raise UnableError(f"{argv[0]} could not be run: {error}") from None
    pipes = ((process.stdout, outputs.stdout), (process.stderr, outputs.stderr))
    readers = [threading.Thread(target=outputs.read, args=pair, daemon=True) for pair in pipes]
    for reader in readers:
        reader.start()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # not reaped, so its number stays its own
    for reader in readers:
        reader.join(_LINGER_S)
    os.killpg(process.pid, signal.SIGKILL)  # what it left behind in its session may hold the pipes
    for reader, (_, output) in zip(readers, pipes, strict=True):
        _drain(reader, output)
    return process.wait()


def _drain(reader: threading.Thread, output: Output) -> None:
    """Wait while something is still read: what a busy machine has not looked at yet is not what is not there."""
    read = -1
    while reader.is_alive() and output.lines > read:
        read = output.lines
        reader.join(_LINGER_S)


def _search_path(env: Mapping[str, str]) -> str:
    return os.pathsep.join(os.get_exec_path(dict(env)))


def _wrong(code: int, settings: Mapping[str, Value], outputs: Outputs) -> str | None:
    """The first thing wrong: what was printed says more than a status."""
    good = _tuple(settings["exits"])
    if outputs.found_forbidden is not None:
        return f"its output says: {quoted(outputs.found_forbidden)}"
    if good and code not in good:
        return f"{_how(code)}, not {' or '.join(str(each) for each in good)}{_said(outputs)}"
    if "wanted" in settings and not outputs.found_wanted:
        return f"its output lacks /{settings['wanted']}/"
    return None


def _said(outputs: Outputs) -> str:
    """The last thing that it complained of, or printed: most checkers say there what is wrong."""
    line = outputs.stderr.last or outputs.stdout.last
    return f": {quoted(line)}" if line else ""


def _argv(settings: Mapping[str, Value]) -> list[str]:
    program = str(settings["program"])
    return [*([program] if program else []), *(str(each) for each in _tuple(settings["argv"]))]


def _how(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"killed by signal {-code}"


def _matcher(settings: Mapping[str, Value], name: str) -> Callable[[bytes], bool] | None:
    return matcher(str(settings[name])) if name in settings else None


def _tuple(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


@hookimpl
def campaign_oracles() -> list[Oracle]:
    """The oracles of this plugin."""
    return [Command()]
