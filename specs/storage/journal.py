#!/usr/bin/env python3
"""A journal that is appended to, and a check of it: what a campaign about storage has for a subject.

    journal.py write --seconds 2    append records to data/journal, each synced before it is acknowledged
    journal.py wait --seconds 1     do nothing: something may happen to the files meanwhile
    journal.py verify               say whether all that was acknowledged is there, and whole

What was acknowledged stands in ``acked``, outside of ``data``, a line for each record.  A record that could not be
written or synced is cut off again and tried once more, for as long as there is time; how often is printed.  A record is
a line: its number, the time of day, the checksum of both and of its payload, and the payload, whose length is read from
``journal.conf`` each time.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import zlib

JOURNAL, ACKED, CONF = "data/journal", "acked", "journal.conf"
PAUSE_S = 0.002


def record(number: int, size: int) -> bytes:
    """One line."""
    stamp, payload = f"{time.time():.3f}", "x" * size
    crc = zlib.crc32(f"{number} {stamp} {payload}".encode())
    return f"{number} {stamp} {crc:08x} {payload}\n".encode()


def append(number: int) -> None:
    """Raises OSError, and ValueError where the configuration makes no sense; the journal is then as it was before."""
    with open(CONF) as conf:
        size = int(conf.read().split()[1])
    fd = os.open(JOURNAL, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        end = os.lseek(fd, 0, os.SEEK_END)
        try:
            line = record(number, size)
            if os.write(fd, line) != len(line):
                raise OSError("a short write")
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, end)
            raise
    finally:
        os.close(fd)


def tried(number: int, acked: int) -> str | None:
    """Append and acknowledge one record; what went wrong."""
    try:
        append(number)
    except (OSError, ValueError) as error:
        return str(error)
    while True:  # it is there: it only has to be said
        try:
            os.write(acked, f"{number}\n".encode())
        except OSError:
            time.sleep(PAUSE_S)
        else:
            return None


def write(seconds: float, meet: bool) -> int:
    """Append until it is over; the exit status."""
    os.makedirs("data", exist_ok=True)
    with open(CONF, "w") as conf:
        conf.write("payload 400\n")
    acked = os.open(ACKED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    number, problems, good, began = 0, list[str](), False, time.monotonic()
    while not over(time.monotonic() - began, seconds, meet, bool(problems) and good):
        found = tried(number, acked)
        good = found is None
        number += good
        problems += [] if found is None else [found]
        time.sleep(PAUSE_S)
    for found in dict.fromkeys(problems):
        print(found)
    print(f"acknowledged {number}, failed {len(problems)}")
    return 0 if number else 1


def over(elapsed: float, seconds: float, meet: bool, met: bool) -> bool:
    """Whether there was time enough, and with ``meet`` for what was to be met, for ten seconds at most."""
    return elapsed >= seconds and (met or not meet or elapsed >= 10)


def problem(acknowledged: int) -> str | None:
    """What is wrong with the journal."""
    try:
        with open(JOURNAL, "rb") as journal:
            lines = journal.read().split(b"\n")
    except FileNotFoundError:
        return "there is no journal"
    last = 0.0
    for number in range(acknowledged):
        if number >= len(lines):
            return f"record {number} of {acknowledged} is missing"
        try:
            found, stamp, crc, payload = lines[number].decode("ascii").split(" ")
            whole = int(found) == number and int(crc, 16) == zlib.crc32(f"{found} {stamp} {payload}".encode())
        except ValueError:
            whole = False
        if not whole:
            return f"record {number} of {acknowledged} is damaged"
        if float(stamp) < last:
            return f"record {number} is older than the one before"
        last = float(stamp)
    return None


def main() -> int:
    """Do what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["write", "wait", "verify"])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--meet", action="store_true", help="write on until something has failed and works again")
    given = parser.parse_args()
    if given.what == "write":
        return write(given.seconds, given.meet)
    if given.what == "wait":
        time.sleep(given.seconds)
        return 0
    with open(ACKED) as acked:
        acknowledged = len(acked.read().split())
    found = problem(acknowledged)
    print(found or f"{acknowledged} records are there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
