"""Matchers: what rule sets ask of a host."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.engine.host import describe_host
from campaign.plugins.api import Matcher, parse_quantity
from campaign.plugins.registry import Registry
from campaign_standard.host import campaign_matchers

MATCHERS: dict[str, Matcher] = {each.name: each for each in campaign_matchers()}
FACTS = {
    "cpu_model": "AMD EPYC 9654 96-Core Processor",
    "architecture": "x86_64",
    "kernel": "6.10.3-rc1+deb13",
    "cores": 192,
    "memory": 394 << 30,
    "gpus": ["NVIDIA H200", "NVIDIA H100 PCIe"],
    "dmi": {"board_vendor": "Supermicro", "board_name": "H13SSL-N", "bios_version": "1.8"},
}


@pytest.mark.parametrize(
    ("matcher", "wanted", "expected"),
    [
        ("cpu_model_contains", "EPYC 9", True),
        ("cpu_model_contains", "epyc 9", True),
        ("cpu_model_contains", ["Ryzen", "EPYC"], True),
        ("cpu_model_contains", ["Ryzen", "Xeon"], False),
        ("architecture_contains", "x86", True),
        ("architecture_contains", ["aarch64"], False),
        ("min_cores", 192, True),
        ("min_cores", 193, False),
        ("max_cores", 192, True),
        ("max_cores", 191, False),
        ("min_memory", "394GiB", True),
        ("min_memory", parse_quantity("395GiB"), False),
        ("min_memory", "423054278656B", True),
        ("min_memory", "423054278657B", False),
        ("kernel_at_least", "6", True),
        ("kernel_at_least", "6.9", True),
        ("kernel_at_least", "6.10.3", True),
        ("kernel_at_least", "6.10.3.0", True),
        ("kernel_at_least", "6.10.4", False),
        ("kernel_at_least", "6.11", False),
        ("gpu_contains", "H100", True),
        ("gpu_contains", ["A100", "MI300"], False),
        ("dmi_contains", "h13ssl", True),
        ("dmi_contains", {"board_vendor": "Supermicro", "board_name": ["H12", "H13"]}, True),
        ("dmi_contains", {"board_vendor": "Supermicro", "board_name": "H12"}, False),
        ("dmi_contains", {"sys_vendor": "Supermicro"}, False),
    ],
)
def test_a_board_and_what_is_asked_of_it(matcher: str, wanted: Any, expected: bool) -> None:
    assert MATCHERS[matcher].objection(wanted) is None
    assert MATCHERS[matcher].matches(FACTS, wanted) is expected


ASKED: dict[str, Any] = {
    "cpu_model_contains": "a",
    "architecture_contains": "a",
    "min_cores": 1,
    "max_cores": 1,
    "min_memory": "1B",
    "kernel_at_least": "0",
    "gpu_contains": "a",
    "dmi_contains": "a",
}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("matcher", MATCHERS)
def test_what_is_not_known_never_matches(matcher: str) -> None:
    assert not MATCHERS[matcher].matches({}, ASKED[matcher])
    assert MATCHERS[matcher].found({}) is None


@pytest.mark.parametrize("matcher", MATCHERS)
@given(wanted=JUNK, fact=JUNK)
def test_every_value_is_judged_or_objected_to(matcher: str, wanted: Any, fact: Any) -> None:
    """Whatever stands in a rule set or comes from a machine, nothing raises; an objection is the end of a sentence."""
    one = MATCHERS[matcher]
    objection = one.objection(wanted)
    assert objection is None or objection.startswith(("is ", "has ", "holds "))
    facts = dict.fromkeys(FACTS, fact)
    assert one.found(facts) is None or isinstance(one.found(facts), str)
    if objection is None:
        assert one.matches(facts, wanted) in (True, False)
        assert one.matches(FACTS, wanted) in (True, False)


@pytest.mark.parametrize(
    ("matcher", "wanted", "why"),
    [
        ("cpu_model_contains", "", "empty"),
        ("cpu_model_contains", [], "is not a text"),
        ("cpu_model_contains", 9, "is not a text"),
        ("gpu_contains", ["a", " "], "empty"),
        ("min_cores", 0, "whole number of at least 1"),
        ("min_cores", True, "whole number"),
        ("max_cores", "16", "whole number"),
        ("min_memory", 64, "unit"),
        ("min_memory", "64V", "unit"),
        ("min_memory", parse_quantity("64V"), "unit"),
        ("kernel_at_least", 5.1, "quotes"),
        ("kernel_at_least", "six", "numbers and dots"),
        ("kernel_at_least", "6..1", "numbers and dots"),
        ("kernel_at_least", "6.1-rc1", "numbers and dots"),
        ("dmi_contains", {}, "empty"),
        ("dmi_contains", {"board_name": 3}, "board_name"),
    ],
)
def test_what_no_host_can_be_asked_for(matcher: str, wanted: Any, why: str) -> None:
    assert why in (MATCHERS[matcher].objection(wanted) or "")


VERSIONS = st.lists(st.integers(0, 99), min_size=1, max_size=4)


@given(VERSIONS, VERSIONS)
def test_versions_are_compared_number_by_number(have: list[int], wanted: list[int]) -> None:
    release = ".".join(map(str, have)) + "-generic"
    expected = have + [0] * (4 - len(have)) >= wanted + [0] * (4 - len(wanted))
    matched = MATCHERS["kernel_at_least"].matches({"kernel": release}, ".".join(map(str, wanted)))
    assert matched is (expected and any(have))


def test_this_machine_is_itself() -> None:
    facts = describe_host().facts
    wanted = {
        "architecture_contains": facts["architecture"],
        "min_cores": facts["cores"],
        "max_cores": facts["cores"],
        "min_memory": f"{facts['memory']}B",
        "kernel_at_least": facts["kernel"].split("-")[0],
    }
    assert {name for name, value in wanted.items() if MATCHERS[name].matches(facts, value)} == wanted.keys()
    assert not MATCHERS["min_cores"].matches(facts, facts["cores"] + 1)


def test_what_was_found_is_told_in_words() -> None:
    assert MATCHERS["min_memory"].found(FACTS) == "394.0 GiB of memory"
    assert MATCHERS["kernel_at_least"].found(FACTS) == "Linux 6.10.3-rc1+deb13"
    assert MATCHERS["dmi_contains"].found({"dmi": {"board_name": "X"}}) == "board_name X"


def test_a_rule_set_may_leave_the_plugin_s_name_out() -> None:
    registry = Registry()
    assert registry.matching("matcher", "min_cores") == ["host.min_cores"]
    assert registry.matching("matcher", "host.min_cores") == ["host.min_cores"]
    assert registry.matching("matcher", "min_core") == []
