"""Opens the database that a writer left, to recover it or only to read it, and compares it with the expected values."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from campaign_rocksdb.database import add_options, open_to_read, pairs
from campaign_rocksdb.history import Recorder, history_file, read_history
from campaign_rocksdb.judging import collect, wrong_with
from campaign_rocksdb.stress import begin_session


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 where every value is as it must be, 1 where it is not, or RocksDB refused, which stderr names."""
    parser = argparse.ArgumentParser(prog="campaign_rocksdb.verify", description=__doc__)
    add_options(parser)
    parser.add_argument(
        "--reopen", action="store_true", help="open to write, so that RocksDB recovers it, and close it"
    )
    parser.add_argument("--promise", choices=("settings", "acknowledged"), default="settings")
    options = parser.parse_args(arguments)
    try:
        if not history_file(options.database).exists():
            raise FileNotFoundError(f"nobody wrote {options.database.name}: there is nothing to compare it with")
        (_reopen if options.reopen else _verify)(options)
    except Exception as error:  # the binding raises nothing narrower
        print(f"rocksdb verify: {error}", file=sys.stderr)
        return 1
    return 0


def _reopen(options: argparse.Namespace) -> None:
    recorder = Recorder(options.database)
    database, history = begin_session(options, recorder)
    recorder.begin("close", history.sessions + 1)
    database.close()
    recorder.end("close", history.sessions + 1)
    print(f"recovered {history.acknowledged}")


def _verify(options: argparse.Namespace) -> None:
    found = collect(pairs(open_to_read(options.database)))
    wrong = wrong_with(read_history(options.database, options.promise == "acknowledged"), found)
    print(f"keys {len(found.numbers)}")
    if wrong:
        raise ValueError(wrong)


if __name__ == "__main__":
    sys.exit(main())
