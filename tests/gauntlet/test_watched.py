"""Watches while whoever carries them out is killed: they look on without a daemon, and go with their supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from .processes import children, command_lines, ended, kill, left
from .yard import Yard

pytestmark = pytest.mark.gauntlet
BODY = """instance i {
  seeds 1..2
  watch w: command { argv = ["/bin/sh", "-c", "echo >> looks; test ! -e broken"]; every = 50ms; timeout = 30s }
  run t
}"""


def looks(work: Path) -> int:
    found = work / "looks"
    return found.stat().st_size if found.exists() else 0


def test_a_watch_outlives_the_daemon_and_not_its_supervisor(yard: Yard) -> None:
    first = yard.daemon()
    campaign = yard.submit(yard.gated("a", BODY))
    pattern = ".campaign/runs/*/i/i/seed-*/attempt-1/work"
    yard.until(lambda: [looks(work) > 1 for work in yard.folder.glob(pattern)] == [True, True])
    works = sorted(yard.folder.glob(pattern))
    lines = dict(command_lines())
    below = (each for nursery in children(first) for each in children(nursery))
    orphaned, *_ = [pid for pid in below if "campaign.engine.resident" in lines.get(pid, "")]
    kill(first, orphaned)

    yard.until(lambda: ended(first) and ended(orphaned))
    for work in works:
        (work / "broken").touch()
    before = [looks(work) for work in works]
    yard.until(lambda: any(looks(work) > size + 2 for work, size in zip(works, before, strict=True)))
    grown = [looks(work) > size + 1 for work, size in zip(works, before, strict=True)]
    assert sorted(grown) == [False, True], "the other watch went with its supervisor, but for a look under way"
    yard.release()

    yard.daemon()
    yard.call("wait", campaign, status=1)
    runs = yard.run_files(campaign)
    seen = runs[f"i#{grown.index(True) + 1}"]
    assert (seen["verdict"], seen["failure"]["kind"]) == ("fail", "oracle")
    assert seen["reason"].startswith("watch w at ")
    assert seen["watches"][0]["ok"] is False
    lost = runs[f"i#{grown.index(False) + 1}"]
    assert (lost["verdict"], lost["failure"]["kind"]) == ("error", "lost")
    yard.until(lambda: not [line for line in left(str(yard.folder)) if "supervise.host" in line])
