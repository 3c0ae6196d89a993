"""Limits that bind nothing are told: misspelt ones with what was meant, ones that nothing knows at all."""

from __future__ import annotations

import pytest
from tests.rules.made import TOOL, reader

from campaign.cli.planned import limits_note, rules_view
from campaign.diagnostics import Diagnostic
from campaign.language.resolve import check
from campaign.plan.examine import examine
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plugins.registry import Registry

SPEC = f"""
campaign "x" {{ }}
tier long {{ }}
rules "z.yaml"
{TOOL}
tool other {{ command "true" "{{{{rate}}}}"; param rate: int = 1 }}
instance a {{ sweep voltage = [900mV, 1V]; run diag }}
instance b {{ tiers long; pages = 3; n = pages; run diag; hold rails.sysfs {{ path = "/tmp/x"; value = "900" }} }}
"""


def made(limits: str, tier: str | None = None) -> tuple[Plan, list[Diagnostic], list[Diagnostic]]:
    """A plan, what is told of it, and what a check tells."""
    files = reader({"x.camp": SPEC, "z.yaml": f"name: z\nlimits: {{{limits}}}\n"})
    plan, told = make_plan("x.camp", files, Options(tier=tier), Registry)
    assert plan is not None, told
    checked, _ = check("x.camp", files, Registry())
    assert checked is not None
    return plan, told, examine(checked, Registry(), files)


@pytest.mark.parametrize(
    ("limit", "severity", "hint"),
    [
        ("volatge: {max: 2V}", "warning", "did you mean voltage?"),
        ("pagse: {max: 9}", "warning", "did you mean pages?"),
        ("rails.sysfs.valeu: {max: 1100}", "warning", "did you mean rails.sysfs.value?"),
        ("queue-depth: {max: 9}", "note", "no value here is called so, nor that of a provider that this spec can name"),
    ],
)
def test_what_binds_nothing_is_told(limit: str, severity: str, hint: str) -> None:
    plan, told, checked = made(limit)
    for found in (told, checked):
        assert [(each.code, each.severity, each.hint) for each in found] == [("CAMP328", severity, hint)]
        assert found[0].span is not None
        assert found[0].span.file == "z.yaml"
    assert "every value keeps 0 limits\nno value here is bound by the limits of" in limits_note(plan)


@pytest.mark.parametrize(
    "limit",
    [
        "Voltage: {max: 2V}",
        "diag.voltage: {max: 2V}",
        "type.voltage: {max: 2V}",
        "rate: {max: 9}",  # of a tool that no instance runs
        "other.rate: {max: 9}",
        "signal: {in: [KILL]}",  # of a provider that this spec could name
        "pages: {max: 9}",  # in another tier
        "rails.sysfs.value: {max: 1100}",
    ],
)
def test_of_what_the_spec_or_a_provider_has_nothing_is_told(limit: str) -> None:
    _, told, checked = made(limit)
    assert (told, checked) == ([], [])


def test_a_plan_counts_what_binds() -> None:
    plan, _, _ = made("voltage: {max: 2V}, volatge: {max: 2V}, rate: {max: 9}")
    assert limits_note(plan).splitlines()[:2] == [
        "bound by z: every value keeps 1 limit",
        "no value here is bound by the limits of volatge, rate",
    ]
    view = rules_view(plan)
    assert view is not None
    assert (view["limits"], view["idle"]) == (3, ["volatge", "rate"])
