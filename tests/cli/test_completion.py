"""Completion as a user has it: the printed script, loaded by a real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SPEC = """
include "more.camp"
campaign "c" { }
tier quick { seeds 1..3 }
tier nightly { seeds 1..9 }
tool t { command "/bin/true" }
group stress.read {
  instance status.1in7 { run t }
  instance {engine}.x { sweep engine = ["a", "b"]; run t }
}
"""
Complete = Callable[[str], list[str]]


@pytest.fixture
def bash(tmp_path: Path, clean_environ: dict[str, str]) -> Complete:
    """What bash offers for a line, its last word being typed."""
    (tmp_path / "spec.camp").write_text(SPEC)
    (tmp_path / "more.camp").write_text("tier weekly { }\n")
    script = """
    eval "$(campaign completion bash)"
    read -r -a COMP_WORDS <<< "$1"
    case "$1" in *" ") COMP_WORDS+=("") ;; esac
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    _campaign_completion campaign "${COMP_WORDS[COMP_CWORD]}" ""
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = os.path.dirname(sys.executable) + os.pathsep + clean_environ["PATH"]

    def complete(line: str) -> list[str]:
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash", line],
            cwd=tmp_path,
            env={**clean_environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.replace("bash: compopt: not currently executing completion function\n", "") == ""
        return done.stdout.split()

    return complete


def test_verbs_and_options(bash: Complete) -> None:
    assert bash("campaign ch") == ["check"]
    assert "--version" in bash("campaign --v")
    assert bash("campaign check --form") == ["--format"]
    assert bash("campaign check --format s") == ["sarif"]


def test_the_tiers_and_groups_of_the_spec_on_the_line(bash: Complete) -> None:
    assert bash("campaign plan spec.camp --tier ") == ["weekly", "quick", "nightly"]
    assert bash("campaign plan spec.camp --tier n") == ["nightly"]
    assert bash("campaign plan spec.camp --group stress.read.") == ["stress.read.status.1in7"]


def test_a_spec_that_is_broken_or_missing_offers_nothing(bash: Complete, tmp_path: Path) -> None:
    assert bash("campaign plan missing.camp --tier ") == []
    (tmp_path / "spec.camp").write_bytes(bytes(range(256)))
    assert bash("campaign plan spec.camp --tier ") == []


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_script_is_good_to_its_shell(shell: str, check: list[str], in_process, tmp_path: Path) -> None:
    done = in_process("completion", shell)
    assert done.exit_code == 0
    assert "_CAMPAIGN_COMPLETE" in done.stdout
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(done.stdout)
    subprocess.run([shell, *check, str(tmp_path / "script")], check=True)
