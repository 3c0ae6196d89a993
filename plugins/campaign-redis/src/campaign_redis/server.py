"""Becomes Redis: finds a port, writes the configuration, and is replaced by ``redis-server``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from campaign_redis import configuration
from campaign_redis.configuration import HOW_TO_GET, PROGRAM, Persistence
from campaign_redis.ports import reserve


def main(arguments: Sequence[str] | None = None) -> int:
    """Become a server; returns only where that is not possible: 1, and stderr says why."""
    parser = argparse.ArgumentParser(prog="campaign_redis.server", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--appendonly", choices=["true", "false"], default="true")
    parser.add_argument("--appendfsync", default="everysec")
    parser.add_argument("--save", default="")
    options = parser.parse_args(arguments)
    program = shutil.which(PROGRAM)
    if program is None:
        print(f"redis server: {PROGRAM} was not found: {HOW_TO_GET}", file=sys.stderr)
        return 1
    try:
        _become(program, options)
    except OSError as error:
        print(f"redis server: {error}", file=sys.stderr)
    return 1


def _become(program: str, options: argparse.Namespace) -> None:
    options.directory.mkdir(parents=True, exist_ok=True)
    reservation = reserve()  # stays open in Redis, until it ends
    persistence = Persistence(options.appendonly == "true", options.appendfsync, " ".join(options.save.split()))
    path = configuration.write(options.directory, reservation.getsockname()[1], persistence)
    os.execv(program, [PROGRAM, str(path.absolute())])  # noqa: S606 - there is none wanted


if __name__ == "__main__":
    sys.exit(main())
