"""How far a campaign is that another process carries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from campaign.cli.progress import watcher
from campaign.engine.wire import Progress
from campaign.records import Verdict


class Follower:
    """Shows what the daemon tells: a live bar on a terminal, now and then a line elsewhere."""

    def __init__(self, total: int | None, stream: TextIO | None, environ: Mapping[str, str], *, live: bool) -> None:
        self._watcher = watcher(stream, environ, live=live)
        self._total = total
        self._begun = False

    def show(self, progress: Progress) -> None:
        """It is that far."""
        done = sum(progress.verdicts.values())
        if not self._begun:
            self._begun = True
            self._watcher.begin(self._total, done)
        self._watcher.stands(done, {name: n for name, n in progress.verdicts.items() if name != Verdict.PASS})
        self._watcher.flush()

    def end(self) -> None:
        """Nothing more comes."""
        if self._begun:
            self._watcher.end()
