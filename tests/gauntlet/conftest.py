"""Whole-system scenarios: the real command on bad input, and what must hold after every one of them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .yard import Yard

TOOL = Path(__file__).with_name("badtool.py")


class Arena:
    """A folder with a workspace below it, and campaign run there as a process of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder / "arena"
        self.folder.mkdir()
        self.outside = folder
        #: In the arguments of every tool, so that what is left of one is found whatever it did to hide.
        self.token = f"gauntlet{secrets.token_hex(8)}"
        self._environ = {**environ, "HOME": str(self.folder / "home"), "CAMPAIGN_WORKSPACE": str(self.workspace)}

    @property
    def workspace(self) -> Path:
        return self.folder / "ws"

    def spec(self, body: str, name: str = "spec.camp", *, parallel: int = 2) -> Path:
        """A spec with a tool ``bad MODE`` in front of ``body``."""
        path = self.folder / name
        command = f'"{sys.executable}" "{TOOL}" "{self.token}" "{{mode}}"'
        path.write_text(
            f'campaign "gauntlet" {{ parallel {parallel} }}\n'
            f'tool bad {{\n  command {command}\n  param mode: string = "pass"\n}}\n{body}\n'
        )
        return path

    def call(
        self, *arguments: str | Path, wrapper: tuple[str, ...] = (), timeout: float = 90, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """``campaign ARGUMENTS``; afterwards no traceback was printed and no status is one of our own defects."""
        options.setdefault("cwd", self.folder)
        options.setdefault("capture_output", "stdout" not in options)
        done = subprocess.run(
            [*wrapper, sys.executable, "-m", "campaign", *map(str, arguments)],
            env={**self._environ, **options.pop("env", {})},
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )
        said = f"status {done.returncode}\n{(done.stdout or '')[-3000:]}\n{(done.stderr or '')[-3000:]}"
        assert "Traceback" not in said, said
        assert done.returncode in {0, 1, 2, 3, 4, 5, 130}, said
        return done

    def exec(self, spec: Path, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """``campaign exec SPEC``; afterwards no process of it is left."""
        done = self.call("exec", spec, *arguments, **options)
        assert self.left() == []
        return done

    def start(self, spec: Path) -> subprocess.Popen[str]:
        """``campaign exec SPEC``, not waited for; its messages can be read from ``stderr``."""
        return subprocess.Popen(
            [sys.executable, "-m", "campaign", "exec", str(spec)],
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def runs(self) -> dict[str, dict[str, Any]]:
        """The ``run.json`` of every run, by key."""
        found = [json.loads(path.read_bytes()) for path in (self.workspace / "runs").rglob("seed-*/run.json")]
        return {f"{run['cell']}#{run['seed']}": run for run in found}

    def verdicts(self) -> dict[str, str]:
        """The verdict of every run, by key."""
        return {key: run["verdict"] for key, run in self.runs().items()}

    def left(self) -> list[str]:
        """The command lines of living processes that a tool of this arena left behind."""
        mine = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue  # it has just ended
                if self.token in line:
                    mine.append(line)
        return mine


@pytest.fixture
def arena(tmp_path: Path, clean_environ: dict[str, str]) -> Iterator[Arena]:
    """An arena; afterwards nothing was written outside it."""
    made = Arena(tmp_path, clean_environ)
    yield made
    assert [path.name for path in made.outside.iterdir()] == ["arena"]
    assert made.left() == []


@pytest.fixture
def wrong(arena: Arena) -> Callable[..., str]:
    """Run a command that must be refused: its status, and at least one coded diagnostic; gives what was said."""

    def call(status: int, *arguments: str | Path, **options: Any) -> str:
        done = arena.call(*arguments, **options)
        said = done.stdout + done.stderr
        assert done.returncode == status, said[-3000:]
        assert "error[CAMP" in said, said[-3000:]
        return said

    return call


@pytest.fixture
def yard(tmp_path: Path, clean_environ: dict[str, str]) -> Iterator[Yard]:
    """A yard; afterwards its daemons have left, and everything that ran has ended."""
    made = Yard(tmp_path, clean_environ)
    yield made
    made.end()
