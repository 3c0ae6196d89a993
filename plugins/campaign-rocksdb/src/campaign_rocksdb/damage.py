"""Damages a database in a way that has a name: an oracle that cannot fail proves nothing.

``at`` says where in the file, from 0 to 1.  Of several files of a kind the newest one that holds anything is taken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign_rocksdb.ondisk import current_manifest, numbered


def main(arguments: Sequence[str] | None = None) -> int:
    """Damage it; 0 where it was done, 1 where there is nothing to damage in that way, which stderr says."""
    parser = argparse.ArgumentParser(prog="campaign_rocksdb.damage", description=__doc__)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--kind", choices=tuple(KINDS), required=True)
    parser.add_argument("--at", type=float, default=0.5)
    options = parser.parse_args(arguments)
    try:
        print(damage(options.database, options.kind, options.at))
    except (OSError, ValueError) as error:
        print(f"rocksdb damage: {error}", file=sys.stderr)
        return 1
    return 0


def damage(database: Path, kind: str, at: float = 0.5) -> str:
    """Damage ``database``; returns what was done.  Raises ValueError where there is nothing to damage in that way."""
    return KINDS[kind](database, at)


def flip(path: Path, at: float) -> str:
    """Change every bit of the byte at this part of a file."""
    data = bytearray(path.read_bytes())
    offset = min(int(len(data) * at), len(data) - 1)
    data[offset] ^= 0xFF
    path.write_bytes(data)
    return f"flipped byte {offset} of {path.name} ({len(data)} bytes)"


def cut(path: Path, at: float) -> str:
    """Cut a file off at this part of it."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * at)])
    return f"cut {path.name} from {len(data)} to {path.stat().st_size} bytes"


def _remove(path: Path, _: float) -> str:
    path.unlink()
    return f"removed {path.name}"


def _add_table(database: Path, at: float) -> str:
    number = max((*numbered(database, ".sst"), *numbered(database, ".log")), default=0) + 7
    path = database / f"{number:06}.sst"
    path.write_bytes(bytes(range(256)) * (1 + int(at * 100)))
    return f"added {path.name} ({path.stat().st_size} bytes of no table)"


def _swap_tables(database: Path, _: float) -> str:
    tables = list(numbered(database, ".sst").values())
    if len(tables) < 2:
        raise ValueError("there are no two tables to swap")
    *_rest, one, other = tables
    between = database / "between"
    one.rename(between)
    other.rename(one)
    between.rename(other)
    return f"swapped {one.name} and {other.name}"


def _newest(suffix: str) -> Callable[[Path], Path]:
    def find(database: Path) -> Path:
        files = [path for path in numbered(database, suffix).values() if path.stat().st_size]
        if not files:
            raise ValueError(f"there is no *{suffix} that holds anything")
        return files[-1]

    return find


def _manifest(database: Path) -> Path:
    return database / current_manifest(database)


def _current(database: Path) -> Path:
    return database / "CURRENT"


def _of(find: Callable[[Path], Path], act: Callable[[Path, float], str]) -> Callable[[Path, float], str]:
    return lambda database, at: act(find(database), at)


_ACTS = {"flip": flip, "cut": cut, "remove": _remove}
_FILES = {"table": _newest(".sst"), "log": _newest(".log"), "manifest": _manifest, "current": _current}
#: What can be done, by name: ``flip-table``.
KINDS: dict[str, Callable[[Path, float], str]] = {
    **{f"{act}-{name}": _of(find, do) for act, do in _ACTS.items() for name, find in _FILES.items()},
    "add-table": _add_table,
    "swap-tables": _swap_tables,
}


if __name__ == "__main__":
    sys.exit(main())
