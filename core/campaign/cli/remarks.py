"""Notes and marks as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaign.cli.tables import table, when
from campaign.cli.terminal import visible
from campaign.records import Remark


def subject_text(campaign: str, key: str) -> str:
    """What a remark is about: a campaign, or a run with its campaign."""
    return visible(f"{campaign}/{key}" if key else campaign)


def remarks_text(remarks: Sequence[Remark], now: datetime) -> str:
    """A table of remarks, marks with a star; nothing where there are none."""
    rows = [["*" if each.mark else "", each.key, " ".join(each.text.split()), when(each.at, now)] for each in remarks]
    return table(["mark", "run", "remark", "made"], rows) if rows else ""
