"""A selection of nothing is told with what could be asked for."""

from __future__ import annotations

import pytest
from tests.rules.made import reader

from campaign.plan.nothing import nothing_selected
from campaign.plan.plan import Options, make_plan
from campaign.plugins.registry import Registry

TOOL = '\ntool t {\n  command "true"\n}\n'
SPEC = """campaign "demo" { }
tier long { only b }
group a { tags quick; instance {mode} { sweep mode = ["wal", "off"]; sweep n = 1..4; exclude n == 3; run t } }
group b { instance c { tags slow; tiers long; run t } }
"""


def told(spec: str = SPEC, rules: str = "", **options: object) -> tuple[str, str | None] | None:
    files = reader({"x.camp": spec + TOOL, "z.yaml": rules})
    plan, found = make_plan("x.camp", files, Options(**options), Registry)  # type: ignore[arg-type]
    assert plan is not None, found
    wrong = nothing_selected(plan)
    return None if wrong is None else (wrong.summary, wrong.hint)


@pytest.mark.parametrize(
    ("options", "summary", "hint"),
    [
        ({"filter": "mode=rcy"}, "--filter mode=rcy selects no run", "mode is one of wal, off"),
        ({"filter": "mode=wal,n=3"}, "--filter n=3 selects no run", "n is one of 1, 2, 3, 4"),
        ({"filter": "tag=db"}, "--filter tag=db selects no run", "tag is one of quick"),
        ({"filter": "fault=x"}, "--filter fault=x selects no run", "nothing here has a fault"),
        ({"filter": "cell=x"}, "--filter cell=x selects no run", "campaign plan SPEC --list shows the cells there are"),
        ({"tier": "long", "filter": "tag=quick"}, "--filter tag=quick selects no run", "tag is one of slow"),
        (
            {"filter": "mode=wal", "group": "a.off"},
            "--group a.off and --filter mode=wal select no run together",
            "campaign plan SPEC --list shows the runs there are",
        ),
    ],
)
def test_what_selects_nothing_is_told_with_the_values_there_are(
    options: dict[str, object], summary: str, hint: str
) -> None:
    assert told(**options) == (summary, hint)


def test_a_campaign_without_instance_of_another_tier_and_without_cells() -> None:
    assert told('campaign "demo" { }\n') == (
        "the campaign has no instance, so there is nothing to run",
        "write `instance NAME { run TOOL }`",
    )
    elsewhere = 'campaign "demo" { }\ntier long { }\ninstance a { tiers long; run t }\n'
    assert told(elsewhere) == ("there is no instance without a tier, so there is nothing to run", "give --tier long")
    excluded = told('campaign "demo" { }\ninstance a { sweep n = 1..2; exclude n > 0; run t }\n')
    assert excluded is not None
    assert excluded[0] == "there is no run: every cell is excluded"


def test_where_something_or_nothing_is_meant_nothing_is_told() -> None:
    assert told() is None
    assert told(limit=0) is None
    assert told(filter="mode=off") is None
    rules = 'rules "z.yaml"\n'
    skipping = "name: z\nskip:\n  - {instance: 'a.*', why: not on this board}\n"
    assert told(rules + SPEC, skipping) is None
    assert told(rules + SPEC, skipping, filter="mode=wal") is None
    assert told(rules + SPEC, skipping, filter="mode=rcy") is not None
