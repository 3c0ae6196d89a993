"""Says what the watchdog of a server has done so far, by its diary: a step, because only steps have metrics."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from campaign_redis.watchdog import diary


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the diary and what it adds up to; 1 where no watchdog wrote one."""
    parser = argparse.ArgumentParser(prog="campaign_redis.repairs", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="of the server that was watched")
    options = parser.parse_args(arguments)
    try:
        text = diary(options.directory).read_text()
    except OSError as error:
        print(f"redis repairs: no watchdog was here: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    print(summary(text))
    return 0


def summary(text: str) -> str:
    """What a diary adds up to: ``detections 1, commands 1``."""
    kinds = [line.split()[1] for line in text.splitlines() if len(line.split()) > 1]
    return f"detections {kinds.count('detection')}, commands {kinds.count('command')}"


if __name__ == "__main__":
    sys.exit(main())
