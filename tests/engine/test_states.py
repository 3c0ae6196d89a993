"""The transition table: every edge, nothing else, and a story for what is not in it."""

from __future__ import annotations

import re
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.engine.states import TRANSITIONS, IllegalTransitionError, State, Story, path
from campaign.records import Verdict


def test_every_pair_of_states_is_either_an_edge_or_raises() -> None:
    for source, target, verdict in product(State, State, (None, *Verdict)):
        story = Story("c#0 attempt 1", source)
        allowed = TRANSITIONS.get((source, target))
        legal = allowed is not None and (verdict in allowed if target is State.DONE else verdict is None)
        if legal:
            assert story.move(target, verdict) is source
            assert story.state is target
        else:
            with pytest.raises(IllegalTransitionError):
                story.move(target, verdict)
            assert story.state is source


def test_an_illegal_transition_tells_the_story_so_far() -> None:
    story = Story("crash.off#3 attempt 1")
    story.move(State.ADMITTED)
    story.move(State.STARTING)
    with pytest.raises(
        IllegalTransitionError, match=r"crash.off#3 attempt 1: queued → admitted → starting, and then"
    ) as e:
        story.move(State.DONE, Verdict.PASS)
    assert "done(pass)" in str(e.value)


def test_a_pass_comes_from_judging_only() -> None:
    assert [edge for edge, verdicts in TRANSITIONS.items() if Verdict.PASS in verdicts] == [(State.JUDGING, State.DONE)]


def test_nothing_leaves_done() -> None:
    assert not [edge for edge in TRANSITIONS if edge[0] is State.DONE]


@given(st.sampled_from(list(State)), st.sampled_from(list(State)))
def test_catching_up_takes_only_edges(source: State, target: State) -> None:
    try:
        way = path(source, target)
    except ValueError:
        return
    steps = [source, *way]
    assert steps[-1] is target
    assert all(edge in TRANSITIONS for edge in pairwise(steps))


def test_an_exit_record_found_after_a_crash_is_caught_up_with() -> None:
    assert path(State.ADMITTED, State.JUDGING) == (State.STARTING, State.RUNNING, State.JUDGING)


def test_the_published_table_is_the_one_in_force(root: Path) -> None:
    text = (root / "docs" / "explanation" / "engine.md").read_text()
    rows = re.findall(r"^\| (\w+) → (\w+) \|([\w ,]*)\|", text, re.MULTILINE)
    published = {(a, b): frozenset(re.findall(r"\w+", verdicts)) for a, b, verdicts in rows}
    assert published == {edge: frozenset(map(str, verdicts)) for edge, verdicts in TRANSITIONS.items()}
