"""The folder of a server: its configuration, which is all that it is told, and what is in there.

The configuration is read again by whoever starts the server anew, and by the oracle: what was promised stands in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CONFIGURATION = "redis.conf"
#: The file in which a server writes its process id; it stays behind where the server was killed.
PID_FILE = "redis.pid"
PROGRAM = "redis-server"
HOW_TO_GET = "apt-get install redis-server redis-tools"


class Persistence(NamedTuple):
    """What is kept on disk, and when: the directives of Redis of the same names."""

    appendonly: bool = True
    appendfsync: str = "everysec"
    save: str = ""


class Configuration(NamedTuple):
    """What was read of a configuration."""

    port: int
    persistence: Persistence


def configuration_file(directory: Path) -> Path:
    """Where the configuration of a server in ``directory`` is."""
    return directory / CONFIGURATION


def render(directory: Path, persistence: Persistence, listen: tuple[str, ...]) -> str:
    """A configuration for a server in ``directory``; ``listen`` are the lines that say where.

    What is not in it is Redis's own default: no file of the machine is read.
    """
    lines = [
        *listen,
        f"dir {_quoted(str(directory.absolute()))}",
        "daemonize no",
        'logfile ""',
        "databases 1",
        f"appendonly {'yes' if persistence.appendonly else 'no'}",
        f"appendfsync {persistence.appendfsync}",
        f"save {persistence.save or _quoted('')}",
    ]
    return "\n".join(lines) + "\n"


def write(directory: Path, port: int, persistence: Persistence) -> Path:
    """Write the configuration whole or not at all; raises OSError."""
    listen = ("bind 127.0.0.1", f"port {port}", f"pidfile {PID_FILE}")
    path = configuration_file(directory)
    draft = path.with_name(path.name + ".draft")
    draft.write_text(render(directory, persistence, listen))
    draft.replace(path)
    return path


def read(directory: Path) -> Configuration:
    """What a server in ``directory`` is told; raises FileNotFoundError where there is none, ValueError for others'."""
    lines = (line.partition(" ") for line in configuration_file(directory).read_text().splitlines())
    told = {name: value for name, _, value in lines}
    try:
        return Configuration(
            port=int(told["port"]),
            persistence=Persistence(
                appendonly=told["appendonly"] == "yes",
                appendfsync=told["appendfsync"],
                save=told["save"].strip('"'),
            ),
        )
    except KeyError as error:
        raise ValueError(f"{configuration_file(directory)} does not say {error.args[0]}") from None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
