"""What the pages about identity and covers say is what happens."""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path

from campaign.plan.counts import count
from campaign.plan.identity import below, draw, run_id
from campaign.plan.plan import Options, make_plan
from campaign.plugins.registry import Registry

from .test_cover import covered, free

IDENTITY, COVER = "docs/explanation/identity.md", "docs/how-to/cover.md"


def test_the_example_of_ids_and_draws(root: Path) -> None:
    page = (root / IDENTITY).read_text()
    hashed, drawn_from = re.findall(r"```text\n(.*)\n```", page)
    assert blake2b(hashed.encode(), digest_size=10, person=b"campaign.run").hexdigest() in page
    key = "crash.wal.full#3"
    assert run_id("sqlite-crash", key) in page
    assert run_id("sqlite-crash", key, 2) in page
    drawn = draw(42, key, "fault.process.kill.at")
    by_hand = blake2b(drawn_from.encode(), digest_size=8, key=b"42", person=b"campaign.draw").digest()
    assert drawn == int.from_bytes(by_hand, "big")
    assert f"`{drawn}`" in page
    assert f"number {below(drawn, 1001)}" in page
    assert f"after {(1000 + below(drawn, 1001)) / 1000} s" in page


def test_the_example_of_a_cover(root: Path) -> None:
    page = (root / COVER).read_text()
    (text,) = re.findall(r"```camp\n(.*?)```", page, re.DOTALL)

    def plan(spec: str) -> int:
        found, wrong = make_plan("a.camp", lambda _: spec.encode(), Options(), Registry)
        assert not wrong
        assert found is not None
        return count(found.selected, found.seed).cells

    assert f"here {plan(text)} instead of {plan(text.replace('  combine cover 2', ''))}" in page


def test_the_sizes_of_covers(root: Path) -> None:
    page = (root / COVER).read_text()
    for values, cells in re.findall(r"\| ([\d^ ]+) \| [\d,]+ \| (\d+) \|", page):
        powers = [tuple(map(int, power.split("^"))) for power in values.split()]
        sizes = [size for size, times in powers for _ in range(times)]
        assert len(covered(free(*sizes), 2)) == int(cells), values
