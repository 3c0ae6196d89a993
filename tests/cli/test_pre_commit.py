"""The hooks as another repository uses them: real pre-commit, real git, an environment that it installs itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PRE_COMMIT = os.path.join(os.path.dirname(sys.executable), "pre-commit")
pytestmark = pytest.mark.skipif(not os.path.exists(PRE_COMMIT), reason="pre-commit is not installed")
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def published(tmp_path: Path, root: Path) -> Path:
    """A repository with the tree as it is now, committed."""
    if not (root / ".git").exists():
        pytest.skip("not a git work tree")
    target = tmp_path / "campaign"
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    git(target, "init", "-q")
    git(target, "add", "-A")
    git(target, "commit", "-q", "-m", "all of it")
    return target


@pytest.mark.timeout(600)
def test_the_hooks_check_and_format(tmp_path: Path, published: Path, clean_environ: dict[str, str]) -> None:
    user = tmp_path / "user"
    user.mkdir()
    git(user, "init", "-q")
    (user / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {published}\n    rev: {git(published, 'rev-parse', 'HEAD').strip()}\n"
        "    hooks: [{id: campaign-fmt}, {id: campaign-check}]\n"
    )
    (user / "good.camp").write_text('campaign "c" { }\ntool t {command "/bin/true"}\ninstance i {run t}\n')
    (user / "notes.txt").write_text("not a spec {{{\n")
    environ = {**clean_environ, "PRE_COMMIT_HOME": str(tmp_path / "cache")}

    def commit_hooks() -> subprocess.CompletedProcess[str]:
        git(user, "add", "-A")
        command = [PRE_COMMIT, "run", "--all-files", "--color=never"]
        return subprocess.run(command, cwd=user, env=environ, capture_output=True, text=True, check=False)

    first = commit_hooks()
    assert first.returncode == 1, first.stdout + first.stderr
    assert "files were modified by this hook" in first.stdout
    second = commit_hooks()
    assert second.returncode == 0, second.stdout + second.stderr
    (user / "bad.camp").write_text('campaign "d" { }\n\ninstance i {\n  run nothing\n}\n')
    third = commit_hooks()
    assert third.returncode == 1
    assert "bad.camp:4:" in third.stdout
