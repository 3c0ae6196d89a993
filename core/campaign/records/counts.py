"""Runs counted by what became of them: what win rates, pictures and tables are made of."""

from __future__ import annotations

from msgspec import Struct


class RunCounts(Struct, frozen=True):
    """Runs by verdict, each by the attempt that decides it; ``open`` have none yet."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    canceled: int = 0
    skipped: int = 0
    open: int = 0

    @property
    def trials(self) -> int:
        """The valid ones: an error says nothing of what was tested."""
        return self.passed + self.failed

    @property
    def runs(self) -> int:
        """All of them."""
        return self.trials + self.errors + self.canceled + self.skipped + self.open
