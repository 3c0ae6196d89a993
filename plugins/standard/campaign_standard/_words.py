"""What stands above and below a shmoo, however it is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from campaign.plugins.results import Panel, Shmoo
from campaign_standard._plain import one_line


def title_of(panel: Panel) -> str:
    """What a panel shows: the instance and the values of the further axes."""
    fixed = ", ".join(f"{name}={value}" for name, value in panel.axes.items())
    return one_line(f"{panel.instance} · {fixed}" if fixed else panel.instance, 200)


def notes_of(shmoo: Shmoo) -> Iterator[str]:
    """What a reader must know: what was added up and what is not shown."""
    if shmoo.summed:
        yield f"added up over {', '.join(one_line(name, 80) for name in shmoo.summed)}"
    if shmoo.left_out:
        yield f"{shmoo.left_out:,} more panels are not shown"
