"""Which program a declared tool was: looked at, never executed."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from campaign.engine.tools import program_of
from campaign.records import PlanTool


def test_a_program_is_told_by_its_file(tmp_path: Path) -> None:
    program = tmp_path / "real"
    program.write_bytes(b"#!/bin/false\n")
    os.utime(program, (1_000_000_000, 1_000_000_000))
    (tmp_path / "link").symlink_to("real")
    assert program_of("t", str(tmp_path / "link")) == PlanTool(
        tool="t",
        path=str(program),
        size_bytes=13,
        modified_at="2001-09-09T01:46:40.000Z",
        digest=blake2b(b"#!/bin/false\n", digest_size=16).hexdigest(),
    )


def test_a_large_program_is_not_read(tmp_path: Path) -> None:
    program = tmp_path / "large"
    with program.open("wb") as file:
        file.truncate(1 << 30)
    found = program_of("t", str(program))
    assert (found.size_bytes, found.digest) == (1 << 30, None)


def test_what_is_no_file_is_told_by_its_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert program_of("t", str(tmp_path / "pipe")).digest is None
    assert program_of("t", str(tmp_path / "none")) == PlanTool(tool="t", path=str(tmp_path / "none"))
