"""The course of a minimization: bounds, limits, repeats, what is written down; with minimizers that a test can foresee."""

from __future__ import annotations

import random

from campaign.analysis.minimizing import CONFIRMED, Bounds, Stop, minimizing
from campaign.analysis.repeats import FAILURES, FIRST, MOST, Repeats
from campaign.plugins.api import Minimizer, Tunable
from campaign_standard.minimize import DeltaDebugging, Parameters

START = (Tunable(name="n", value=100, low=1),)


class Listed(Minimizer):
    """Candidates as they stand in a list of batches."""

    name, about = "listed", "as listed"

    def __init__(self, *batches) -> None:
        self.batches, self.heard = batches, []

    def size(self, candidate):
        return candidate

    def candidates(self, start, settings, slots):
        for batch in self.batches:
            self.heard.append(list((yield batch)))


def followed(minimizer, fails, start=START, clock=lambda: 0.0, refused=lambda _: None, **bounds):
    """The result and the batches of trials."""
    course = minimizing(
        minimizer, start, {}, bounds=Bounds(**{"attempts": 1000, **bounds}), clock=clock, refused=refused
    )
    asked = []
    try:
        asked.append(next(course))
        while True:
            asked.append(course.send([fails(trial) for trial in asked[-1]]))
    except StopIteration as end:
        return end.value, asked


def from_(least):
    return lambda trial: trial.candidate[0] >= least


def test_the_original_is_repeated_first() -> None:
    result, asked = followed(Parameters(), from_(40))
    assert [trial.candidate for batch in asked[:FIRST] for trial in batch] == [(100,)] * FIRST
    assert [trial.number for batch in asked for trial in batch] == list(range(1, result.attempts + 1))
    assert result.smallest == (40,)
    assert result.stopped is Stop.FOUND
    assert result.found
    assert result.repeats == Repeats(FIRST, FIRST)


def test_a_failure_that_does_not_come_back_is_not_minimized() -> None:
    result, _ = followed(Parameters(), lambda _: False)
    assert result.stopped is Stop.GONE
    assert not result.found
    assert result.attempts == MOST
    assert result.steps == ()


def test_never_more_attempts_than_allowed_and_the_best_so_far_stands() -> None:
    assert followed(Parameters(), lambda _: False, attempts=7)[0].stopped is Stop.GONE
    for attempts in range(1, 20):
        result, asked = followed(Parameters(), from_(40), attempts=attempts, slots=2)
        assert sum(map(len, asked)) == result.attempts <= attempts
        assert result.smallest[0] >= 40
        assert result.smallest == (40,) or result.stopped in {Stop.ATTEMPTS, Stop.GONE}
    assert followed(Parameters(), from_(40), attempts=9)[0].stopped is Stop.ATTEMPTS


def test_where_attempts_are_used_up_it_says_how_many_are_enough() -> None:
    draw = random.Random(3)
    fails = lambda trial: trial.candidate[0] >= 40 and draw.random() < 0.3  # noqa: E731
    short, _ = followed(Parameters(), fails, attempts=60)
    assert short.stopped is Stop.ATTEMPTS
    assert short.needed is not None
    assert 60 < short.needed < 2000
    for _ in range(20):
        result, _ = followed(Parameters(), fails, attempts=short.needed)
        assert result.stopped is Stop.FOUND
        assert result.needed is None


def test_how_many_are_enough_of_a_failure_that_comes_back_every_time() -> None:
    short, _ = followed(Parameters(), from_(40), attempts=9)
    assert short.needed is not None
    result, _ = followed(Parameters(), from_(40), attempts=short.needed)
    assert (result.stopped, result.smallest) == (Stop.FOUND, (40,))


def test_a_minimizer_without_an_end_is_not_followed_to_it() -> None:
    class Endless(Listed):
        def candidates(self, start, settings, slots):
            while True:
                yield [(50,)]

    minimizer = Endless()
    assert followed(minimizer, from_(60), attempts=5)[0].needed is None


def test_nothing_is_begun_after_the_time_allowed() -> None:
    seconds = iter(range(1000))
    result, asked = followed(Parameters(), from_(40), clock=lambda: float(next(seconds)), seconds=8.0)
    assert result.stopped is Stop.TIME
    assert len(asked) == 7  # the clock was read once when it began


def test_never_more_at_a_time_than_there_are_slots() -> None:
    minimizer = Listed([(each,) for each in range(10, 20)], [(3,)])
    _, asked = followed(minimizer, from_(15), slots=4)
    assert max(map(len, asked)) == 4
    assert minimizer.heard[0] == [False] * 5 + [True] * 5


def test_a_candidate_is_not_run_twice() -> None:
    minimizer = Listed([(50,), (50,)], [(50,), (100,), (30,)])
    result, asked = followed(minimizer, from_(40))
    assert [trial.candidate for batch in asked[FIRST:-CONFIRMED] for trial in batch] == [(50,), (30,)]
    assert minimizer.heard == [[True, True], [True, True, False]]
    assert result.smallest == (50,)


def test_what_a_limit_refuses_is_not_run_and_said() -> None:
    refused = lambda candidate: "n must be at least 60" if candidate[0] < 60 else None  # noqa: E731
    result, asked = followed(Parameters(), from_(40), refused=refused)
    assert all(trial.candidate[0] >= 60 for batch in asked for trial in batch)
    assert result.smallest == (60,)
    assert {step.refused for step in result.steps if not step.trials} == {"n must be at least 60"}


def test_an_empty_list_that_fails_is_no_success() -> None:
    result, _ = followed(DeltaDebugging(), lambda _: True, start=("put", "get"))
    assert result.stopped is Stop.EMPTY
    assert result.smallest == ()
    assert not result.found


def test_a_run_that_could_not_be_judged_does_not_count_as_failing() -> None:
    result, _ = followed(Parameters(), lambda trial: None if trial.candidate[0] < 70 else True)
    assert result.smallest == (70,)


def test_of_candidates_that_fail_the_smallest_is_kept_whatever_the_order() -> None:
    result, _ = followed(Listed([(60,), (80,)], [(70,)]), from_(40), slots=2)
    assert result.smallest == (60,)
    assert [(step.candidate, step.before, step.kept) for step in result.steps] == [
        ((60,), (100,), True),
        ((80,), (100,), False),
        ((70,), (60,), False),
    ]


def test_a_course_is_taken_up_again_by_the_answers_it_had() -> None:
    whole, asked = followed(Parameters(), from_(37), slots=2)
    answers = [[trial.candidate[0] >= 37 for trial in batch] for batch in asked]
    again = minimizing(Parameters(), START, {}, bounds=Bounds(attempts=1000, slots=2), clock=lambda: 0.0)
    batch = next(again)
    for before, answer in zip(asked[1:], answers, strict=False):
        batch = again.send(answer)
        assert batch == before
    assert whole.attempts == sum(map(len, asked))


# --- confirmed --------------------------------------------------------------------------------------------------------


def test_the_smallest_is_repeated_and_what_does_not_hold_is_given_up() -> None:
    tried: set[int] = set()

    def once(trial):
        (value,) = trial.candidate
        fresh = value not in tried
        tried.add(value)
        return value >= 45 or (value >= 20 and fresh)  # between 20 and 45 it fails a single time

    result, asked = followed(Parameters(), once)
    assert result.smallest[0] >= 45
    assert result.found
    assert result.confirmed == Repeats(CONFIRMED, CONFIRMED)
    assert asked[-1][0].candidate == result.smallest
    given_up = [step for step in result.steps if not step.fails and step.candidate < result.smallest]
    assert any(20 <= step.candidate[0] < 45 for step in given_up)


def test_the_repeats_at_the_end_are_within_the_attempts() -> None:
    for attempts in range(8, 30):
        result, asked = followed(Parameters(), from_(40), attempts=attempts)
        assert sum(map(len, asked)) == result.attempts <= attempts
        assert result.confirmed.runs > 0 or not result.found or attempts <= FIRST + 2


def test_where_nothing_that_was_kept_holds_there_is_nothing_smaller() -> None:
    tried: set[int] = set()

    def once(trial):
        (value,) = trial.candidate
        fresh = value not in tried
        tried.add(value)
        return value == 100 or fresh

    result, _ = followed(Parameters(), once)
    assert (result.smallest, result.found) == ((100,), False)


def test_repeats_of_the_original_without_an_answer_do_not_make_it_flaky() -> None:
    result, _ = followed(Parameters(), lambda trial: None if trial.number in {2, 4} else trial.candidate[0] >= 40)
    assert result.repeats == Repeats(FIRST, FIRST)
    assert result.smallest == (40,)


# --- flaky ------------------------------------------------------------------------------------------------------------


def sometimes(least, rate, seed=0):
    rng = random.Random(seed)
    return lambda trial: trial.candidate[0] >= least and rng.random() < rate


def test_a_flaky_failure_is_repeated_until_its_rate_is_known() -> None:
    result, _ = followed(Parameters(), sometimes(40, 0.3))
    assert result.repeats.failed == FAILURES or result.repeats.runs == MOST
    assert result.smallest == (40,)
    assert all(len(step.trials) >= result.repeats.fails_after for step in result.steps if step.fails)
    assert all(len(step.trials) >= result.repeats.passes_after for step in result.steps if not step.fails)


def test_repeats_of_one_candidate_run_side_by_side() -> None:
    result, asked = followed(Parameters(), sometimes(40, 0.5), slots=4)
    assert result.repeats.failed < result.repeats.runs
    assert all(len({trial.candidate for trial in batch}) == 1 for batch in asked)
    assert all(len(batch) == 4 for batch in asked)


def test_what_fails_a_tenth_as_often_is_seldom_taken_and_what_fails_as_often_hardly_ever_missed() -> None:
    repeats = Repeats(10, 30)
    rng = random.Random(1)

    def taken(rate) -> bool:
        failed = runs = 0
        while (decided := repeats.decided(failed, runs)) is None:
            failed, runs = failed + (rng.random() < rate), runs + 1
        return decided

    assert sum(taken(repeats.rate / 10) for _ in range(1000)) <= 50 + 3 * 7
    assert sum(not taken(repeats.rate) for _ in range(1000)) <= 1 + 4
    assert not any(taken(0.0) for _ in range(10))


def test_runs_on_end_decide_when_it_says_so() -> None:
    repeats = Repeats(10, 30)
    assert repeats.decided(repeats.fails_after - 1, repeats.fails_after - 1) is None
    assert repeats.decided(repeats.fails_after, repeats.fails_after) is True
    assert repeats.decided(0, repeats.passes_after - 1) is None
    assert repeats.decided(0, repeats.passes_after) is False
    assert (Repeats(5, 5).fails_after, Repeats(5, 5).passes_after) == (1, 1)
