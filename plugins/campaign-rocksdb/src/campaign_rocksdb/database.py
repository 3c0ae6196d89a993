"""The database under test, opened through the binding ``rocksdict`` (RocksDB 9.8).

What it writes must be readable by the tools that judge it: those of Debian 12 are of RocksDB 7.8, which knows tables up
to format 5.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, DBCompressionType, Options, Rdict, WriteOptions

#: The newest table format that RocksDB 7.8 reads.
TABLE_FORMAT = 5
_COMPRESSIONS = {
    "none": DBCompressionType.none,
    "snappy": DBCompressionType.snappy,
    "lz4": DBCompressionType.lz4,
    "zstd": DBCompressionType.zstd,
}
COMPRESSIONS = tuple(_COMPRESSIONS)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what database is under test."""
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--memtable-bytes", type=int, default=1 << 18)
    parser.add_argument("--compression", choices=COMPRESSIONS, default="none")
    parser.add_argument("--wal", choices=("true", "false"), default="true")
    parser.add_argument("--sync", choices=("true", "false"), default="false")


def open_database(options: argparse.Namespace) -> Rdict:
    """Open or create the database; raises Exception, the binding has no narrower one, where RocksDB refuses."""
    database = Rdict(str(options.database), _settings(options.memtable_bytes, options.compression))
    writing = WriteOptions()
    writing.sync = options.sync == "true"
    setattr(writing, "disable_wal", options.wal == "false")  # noqa: B010 - a property, whatever its stub says
    database.set_write_options(writing)
    return database


def open_to_read(path: Path) -> Rdict:
    """Open the database without changing it; raises Exception where RocksDB refuses."""
    return Rdict(str(path), _settings(1 << 18, "none"), access_type=AccessType.read_only())


def _settings(memtable_bytes: int, compression: str) -> Options:
    options, table = Options(raw_mode=True), BlockBasedOptions()
    table.set_format_version(TABLE_FORMAT)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(memtable_bytes)
    options.set_compression_type(_COMPRESSIONS[compression]())
    return options


def pairs(database: Rdict) -> Iterator[tuple[bytes, bytes]]:
    """Every key with its value; raises Exception at the first block that is damaged."""
    for key, value in database.items():
        assert isinstance(key, bytes)
        yield key, value
