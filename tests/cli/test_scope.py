"""What ``pause``, ``resume`` and ``cancel`` are about: one campaign, a group of it, or, said plainly, everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
@pytest.mark.parametrize("words", [(), ("x", "--all"), ("--group", "g"), ("--all", "--group", "g")])
def test_one_campaign_or_all_of_them(in_process: Callable[..., Any], verb: str, words: tuple[str, ...]) -> None:
    done = in_process(verb, *words)
    assert done.exit_code == 2
    assert "--all" in done.stderr or "--group is about one CAMPAIGN" in done.stderr
