"""When a watchdog repairs: the machine without a clock, and the policies that people write."""

import pytest

from campaign_redis.health import State
from campaign_redis.repair import LONGEST_PAUSE_S, Policy, Repairer, read_policy

WEAK = Policy(interval_s=0.5, notices_hangs=False, attempts=1)


def _repairs(policy: Policy, *seen: tuple[float, State]) -> list[float]:
    """The instants at which it repairs."""
    repairer = Repairer(policy)
    return [at_s for at_s, state in seen if repairer.decide(state, at_s)]


@pytest.mark.parametrize("state", [State.DOWN, State.HUNG])
def test_it_repairs_what_is_down_and_what_hangs(state):
    assert _repairs(Policy(), (0, State.WELL), (1, state), (1.3, State.WELL), (2, state)) == [1, 2]


def test_the_weak_one_sees_no_hang():
    repairer = Repairer(WEAK)
    assert not repairer.decide(State.HUNG, 1)
    assert (repairer.detections, repairer.commands) == (0, 0)


def test_the_weak_one_gives_up_after_its_first_repair():
    assert _repairs(WEAK, (1, State.DOWN), (2, State.WELL), (3, State.DOWN), (9, State.DOWN)) == [1]


@pytest.mark.parametrize("state", [State.WELL, State.LOADING, State.REFUSING])
def test_a_server_that_answers_is_left_alone(state):
    assert _repairs(Policy(), *((at / 10, state) for at in range(100))) == []


def test_the_pause_doubles_up_to_its_longest_and_starts_again_once_it_is_well():
    policy = Policy(backoff_s=1)
    down = [(float(at), State.DOWN) for at in range(20)]
    assert _repairs(policy, *down) == [0, 1, 3, 7, 12, 17]
    assert LONGEST_PAUSE_S == 5
    assert _repairs(policy, (0, State.DOWN), (1, State.DOWN), (3, State.WELL), (4, State.DOWN), (5, State.DOWN))[
        2:
    ] == [4, 5]


def test_it_may_wait_whether_trouble_goes_by_itself():
    policy = Policy(confirm_s=1)
    assert _repairs(policy, (0, State.DOWN), (0.5, State.WELL), (0.9, State.DOWN), (1.8, State.DOWN)) == []
    assert _repairs(policy, (0, State.DOWN), (0.5, State.DOWN), (1, State.DOWN), (1.2, State.DOWN)) == [1]


def test_one_outage_is_one_detection_however_many_repairs_it_takes():
    repairer = Repairer(Policy(backoff_s=1))
    for at, state in enumerate([State.DOWN, State.DOWN, State.DOWN, State.HUNG, State.WELL, State.DOWN]):
        repairer.decide(state, at)
    assert (repairer.detections, repairer.commands) == (2, 4)


def test_a_policy_file_changes_what_it_says(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("attempts = 2\ninterval_s = 1\n")
    assert read_policy(path) == Policy(interval_s=1, attempts=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hang = true", "hang = True is nothing that a watchdog knows; it knows interval_s, "),
        ("attempts = -1", "attempts = -1 is nothing"),
        ("attempts = 1.5", "attempts = 1.5 is nothing"),
        ("attempts = true", "attempts = True is nothing"),
        ("notices_hangs = 1", "notices_hangs = 1 is nothing"),
        ('interval_s = "1s"', "interval_s = '1s' is nothing"),
        ("interval_s = ", "Invalid value"),
        ("count = 1", "count = 1 is nothing"),
    ],
)
def test_a_policy_that_is_none_is_named(tmp_path, text, said):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"p\.toml: ") as raised:
        read_policy(path)
    assert said in str(raised.value)
