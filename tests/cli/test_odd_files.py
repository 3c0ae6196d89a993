"""Where a file is wanted and something else is there: told at once, never waited for, never read without end."""

import os
import subprocess
import sys
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


def test_a_guard_whose_sensor_says_nothing_is_not_waited_for(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    os.mkfifo(tmp_path / "temp")
    (tmp_path / "board.yaml").write_text(
        "name: board\nguard:\n  - {oracle: host.temperature, path: temp, max: 95C, every: 1s}\n"
    )
    (tmp_path / "spec.camp").write_text(
        'rules "board.yaml"\ncampaign "c" { }\ntool t { command "/bin/true" }\ninstance i { run t }\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "campaign", "exec", "spec.camp"],
        cwd=tmp_path,
        env=clean_environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "host.temperature cannot be used here: whether it can did not come out" in done.stdout + done.stderr
