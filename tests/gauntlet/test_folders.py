"""G6: a run's folder is removed, replaced or made unreadable: that run fails and says why, the others go on."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from .yard import Yard

pytestmark = pytest.mark.gauntlet
#: Root without its right to read everything; for other users nothing changes.
PLAIN = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
HOW = ("removed", "file", "link", "unreadable")
#: A private folder whose claim is free is no proof that the run never began, if it is not the one that was made for it.
HOW_PRIVATE = (*HOW, "empty")


def spoil(path: Path, how: str, elsewhere: Path) -> None:
    if how == "unreadable":
        path.chmod(0)
        return
    shutil.rmtree(path)
    if how == "file":
        path.write_text("in the way")
    elif how == "link":
        elsewhere.mkdir()
        path.symlink_to(elsewhere)
    elif how == "empty":
        path.mkdir(0o700)


def test_g6_public_folders_of_what_runs_and_private_ones_of_what_was_admitted(yard: Yard) -> None:
    yard.wrapper = PLAIN if shutil.which("setpriv") else ()
    yard.daemon(5)
    campaign = yard.submit(yard.gated("a", "instance i { seeds 1..12; run t }", parallel=5))
    attempts = yard.folder / ".campaign" / "attempts"
    yard.until(lambda: yard.started() == 5 and len(list(attempts.iterdir())) == 10)
    public = [yard.folder / ".campaign/runs" / campaign / f"i/i/seed-{seed}/attempt-1" for seed in (1, 2, 3, 4)]
    private = sorted(path for path in attempts.iterdir() if not (path / "claim").exists())
    for path, how in zip(public, HOW, strict=True):
        spoil(path, how, yard.folder / f"public-{how}")
    for path, how in zip(private, HOW_PRIVATE, strict=True):
        spoil(path, how, yard.folder / f"private-{how}")
    (yard.folder / "go").touch()
    yard.call("wait", campaign, status=1)
    public[-1].chmod(0o700)
    private[HOW.index("unreadable")].chmod(0o700)

    runs = {key: yard.run(campaign, key) for key in (f"i#{seed}" for seed in range(1, 13))}
    assert Counter(run["verdict"] for run in runs.values()) == {"error": 9, "pass": 3}
    for key in ("i#1", "i#2", "i#3", "i#4"):
        assert "was removed or replaced while the run was under way" in runs[key]["reason"]
    executed = [line.split()[1] for line in yard.lines()]
    for key in ("i#6", "i#7", "i#8", "i#9", "i#10"):
        assert "could not be set up" in runs[key]["reason"]
        assert runs[key]["id"] not in executed
    for each in ("public-link", "private-link"):
        assert list((yard.folder / each).iterdir()) == [], "nothing was written behind a link"
    assert yard.status()["lost"] == []


def test_g6_after_a_crash_too(yard: Yard) -> None:
    """Whatever became of the private folder of what ran: it is not executed again, and the others go on."""
    yard.wrapper = PLAIN if shutil.which("setpriv") else ()
    first = yard.daemon(5)
    campaign = yard.submit(yard.gated("a", "instance i { seeds 1..7; run t }", parallel=5, clauses="; orphans requeue"))
    yard.until(lambda: yard.started() == 5)
    yard.kill(first)
    started = sorted(path.parent for path in yard.folder.glob(".campaign/attempts/*/claim") if not path.is_symlink())
    for path, how in zip(started, HOW_PRIVATE, strict=True):
        spoil(path, how, yard.folder / "elsewhere")
    (yard.folder / "go").touch()
    yard.daemon(5)
    yard.call("wait", campaign, status=1)
    started[HOW.index("unreadable")].chmod(0o700)
    assert [each["run"].rpartition("/")[2] for each in yard.status()["lost"]] == [f"i#{n}@1" for n in range(1, 6)]
    assert set(Counter(line for line in yard.lines() if line.startswith("start")).values()) == {1}
    assert yard.started() == 7
    assert list((yard.folder / "elsewhere").iterdir()) == []
