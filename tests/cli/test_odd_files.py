"""Where a file is wanted and something else is there: told at once, never waited for, never read without end."""

import os
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("kind", ["fifo", "device"])
@pytest.mark.parametrize(
    ("spec", "command"),
    [
        ("", ("check", "odd")),
        ("", ("fmt", "odd")),
        ("", ("plan", "odd")),
        ("", ("exec", "odd")),
        ("", ("rules", "check", "./odd")),
        ('rules "./odd"\ncampaign "c" { }\n', ("check", "spec.camp")),
        ('include "odd"\ncampaign "c" { }\n', ("check", "spec.camp")),
        ('include "odd"\ncampaign "c" { }\n', ("exec", "spec.camp")),
    ],
)
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, in_process: Any, kind: str, spec: str, command: tuple[str, ...]
) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / "odd")
    else:
        (tmp_path / "odd").symlink_to("/dev/zero")
    (tmp_path / "spec.camp").write_text(spec)
    done = in_process(*command)
    assert done.exit_code == 2, done.stdout + done.stderr
    assert "it is no regular file" in done.stdout + done.stderr


def test_a_folder_or_a_pipe_is_no_archive(tmp_path: Path, in_process: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("pipe", "it is no regular file"), (".", "Is a directory")):
        done = in_process("import", name)
        assert done.exit_code == 2, done.stderr
        assert "CAMP586" in done.stderr
        assert f"it cannot be read: {why}" in done.stderr


def test_templates_are_for_reporters_that_have_some(recorded: Any, in_process: Any) -> None:
    recorded([("crash.off", 1, ["pass"])])
    done = in_process("report", "--as", "md", "--template", ".")
    assert done.exit_code == 2
    assert "--template is for reporters that have templates" in done.stderr


def test_a_shmoo_is_not_drawn_as_anything(recorded: Any, in_process: Any, tmp_path: Path) -> None:
    recorded([("crash.off", 1, ["pass"])])
    done = in_process("report", "--as", "shmoo", "-o", "a.jpg")
    assert done.exit_code == 2
    assert ".svg, .png, .txt" in done.stderr
    assert not (tmp_path / "a.jpg").exists()
