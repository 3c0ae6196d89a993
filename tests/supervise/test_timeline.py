"""The timeline of a watch: what was new, in bounded room, and nothing left out in silence."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from campaign.supervise import timeline
from campaign.supervise.timeline import Timeline


def filled(samples: list[tuple[bool | None, str]]) -> Timeline:
    found = Timeline()
    for number, (ok, message) in enumerate(samples):
        found.add(number * 0.1, ok, message)
    return found


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from(["a", "b"])), max_size=60))
def test_every_change_is_kept_while_they_are_few(samples: list[tuple[bool | None, str]]) -> None:
    found = filled(samples)
    assert [(each.ok, each.message) for each in found.changes] == [key for key, _ in itertools.groupby(samples)]
    assert (found.samples, found.left_out) == (len(samples), 0)


def test_hours_without_news_are_one_line() -> None:
    found = filled([(True, "pong")] * 100_000)
    assert len(found.changes) == 1
    assert (found.samples, found.first_at_s, found.last_at_s) == (100_000, 0.0, 9999.9)
    assert 0.09 < found.longest_s < 0.11


def test_a_message_that_always_changes_is_told_for_a_while() -> None:
    found = filled([(True, f"{number} ms") for number in range(10_000)])
    assert len(found.changes) == 1 + timeline.WORDS
    assert found.left_out == 10_000 - 1 - timeline.WORDS


def test_of_endless_flapping_head_and_tail_are_kept_and_what_is_between_is_not_ok() -> None:
    count = 3 * (timeline.HEAD + timeline.TAIL)
    found = filled([(number % 2 == 0, "") for number in range(count)])
    changes = found.changes
    assert len(changes) == timeline.HEAD + 1 + timeline.TAIL
    gap = changes[timeline.HEAD]
    assert gap.ok is None
    assert gap.message == f"{count - timeline.HEAD - timeline.TAIL:,} changes are left out here"
    assert [each.at_s for each in changes] == sorted(each.at_s for each in changes)
    assert changes[-1].at_s == found.last_at_s


def test_a_long_message_is_cut() -> None:
    (change,) = filled([(False, "x" * 10_000)]).changes
    assert len(change.message) == timeline.LONGEST
