"""No module of campaign needs itself: imports for typing and those inside functions count too."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def test_imports_have_no_cycle() -> None:
    graph = grimp.build_graph("campaign", "campaign_standard", "campaign_grammar", cache_dir=None)
    needs = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "campaign.plan.program" in needs["campaign.plan.scenario"]
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
