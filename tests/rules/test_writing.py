"""Changing a rule set in place: what is not changed stays byte for byte, and nothing is ever widened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.made import loaded

from campaign.diagnostics import CampaignError
from campaign.rules.limits import limit_text
from campaign.rules.writing import quarantined, quoted, tightened

WHOLE = """\
# first
name:   z        # aligned
limits:
  # measured twice
  voltage:   {min: 800mV,   max: 1100mV}   # table 4
  power:
    max: 100W
    # nobody asks for less

quarantine:
  # an old friend
  - {fingerprint: 0123456789abcdef, issue: A-1, until: 2027-01-31}  # see A-1
  - fingerprint: fedcba9876543210
    issue: A-2
    until: 2027-01-31
# last
"""
ENTRY = {"fingerprint": "00000000000000aa", "issue": "B: 1", "until": "2028-02-29"}


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        "name: z\n",
        "name: z",
        "name: z\nquarantine: []\n",
        "name: z\nquarantine: [{fingerprint: 0123456789abcdef, issue: A, until: 2027-01-31}]\nlimits: {v: {max: 1}}\n",
        "name: z\nquarantine:\n- {fingerprint: 0123456789abcdef, issue: A, until: 2027-01-31}\nlimits:\n  v: {max: 1}\n",
    ],
)
def test_a_quarantine_is_added_and_the_rest_stays(text: str) -> None:
    before = loaded(text)
    after = loaded(quarantined("z.yaml", text.encode(), ENTRY).decode())
    assert [each.fingerprint for each in after.quarantine][:-1] == [each.fingerprint for each in before.quarantine]
    last = after.quarantine[-1]
    assert (last.fingerprint, last.issue, last.until) == ("00000000000000aa", "B: 1", "2028-02-29")
    assert set(after.limits) == set(before.limits)
    left = iter(quarantined("z.yaml", text.encode(), ENTRY).decode().splitlines())
    assert all(any(line.startswith(old.rstrip("]")) for line in left) for old in text.splitlines())


def test_a_known_fingerprint_is_replaced_where_it_stands() -> None:
    for mark in ("0123456789abcdef", "fedcba9876543210"):
        text = quarantined("z.yaml", WHOLE.encode(), {**ENTRY, "fingerprint": mark}).decode()
        assert {each.fingerprint: each.until for each in loaded(text).quarantine}[mark] == "2028-02-29"
        assert len(loaded(text).quarantine) == 2
        for comment in (
            "# first",
            "# aligned",
            "# measured twice",
            "# table 4",
            "# an old friend",
            "# see A-1",
            "# last",
        ):
            assert comment in text


@pytest.mark.parametrize(
    ("name", "ends", "allows"),
    [
        ("voltage", {"max": "1V"}, "800mV..1V"),
        ("VOLTAGE", {"min": "0.9V", "max": "1V", "why": "so"}, "0.9V..1V"),
        ("power", {"max": "90W"}, "at most 90W"),
        ("power", {"min": "1W"}, "1W..100W"),
        ("current", {"max": "3A"}, "at most 3A"),
    ],
)
def test_a_limit_is_tightened_in_place(name: str, ends: dict[str, str], allows: str) -> None:
    text = tightened("z.yaml", WHOLE.encode(), name, ends).decode()
    assert limit_text(loaded(text).limits[name.casefold()]) == allows
    assert text.count("#") == WHOLE.count("#")


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("voltage", {"max": "2V"}),
        ("voltage", {"min": "700mV"}),
        ("voltage", {"min": "2V"}),
        ("voltage", {"max": "5s"}),
        ("voltage", {"max": "900"}),
        ("voltage", {"max": "0x10"}),
        ("voltage", {"max": "1V}, other: {max: 9V"}),
        ("not a name", {"max": "1V"}),
    ],
)
def test_what_would_widen_or_break_a_limit_is_refused(name: str, ends: dict[str, str]) -> None:
    with pytest.raises(CampaignError):
        tightened("z.yaml", WHOLE.encode(), name, ends)


@pytest.mark.parametrize("entry", [{"fingerprint": "x"}, {"until": "soon"}, {"until": "2027-02-30"}, {"issue": ""}])
def test_a_quarantine_that_makes_no_sense_is_refused(entry: dict[str, str]) -> None:
    if entry == {"issue": ""}:
        assert loaded(quarantined("z.yaml", WHOLE.encode(), {**ENTRY, **entry}).decode())
        return
    with pytest.raises(CampaignError):
        quarantined("z.yaml", WHOLE.encode(), {**ENTRY, **entry})


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=40)
)
def test_any_text_is_written_as_that_text(text: str) -> None:
    written = loaded(f"name: z\nabout: {quoted(text)}\n")
    assert written.about == text
