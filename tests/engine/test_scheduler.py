"""The choice of the next run: never too many, never a slot twice, every group in its turn, the plan's order kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.growth import steps

from campaign.engine.protocol import Lane
from campaign.engine.scheduler import WINDOW, Scheduler
from campaign.engine.scheduling import (
    Adopted,
    Awaited,
    Busy,
    Event,
    Free,
    Held,
    Instruction,
    Laned,
    Left,
    Offered,
    Paused,
    Placed,
    Released,
    Resized,
    Returned,
    Stopped,
    Wanted,
    Yielded,
)


class World:
    """A planner that answers at once, and places where runs end when the test says so."""

    def __init__(self, lanes: Iterable[tuple[Lane, int]], places: int, slots: dict[str, int] | None = None) -> None:
        pairs = list(lanes)
        self.scheduler = Scheduler(places, slots or {})
        self.left = {lane.number: count for lane, count in pairs}
        self.made: Counter[int] = Counter()
        self.placed: list[Placed] = []
        self.running: list[str] = []
        self.wanted: list[Wanted] = []
        self.do(Laned(tuple(lane for lane, _ in pairs)))

    def do(self, event: Event) -> None:
        self.obey(self.scheduler.handle(event))

    def obey(self, instructions: Iterable[Instruction]) -> None:
        for each in instructions:
            if isinstance(each, Placed):
                self.placed.append(each)
                self.running.append(each.token)
            else:
                self.wanted.append(each)
        while self.wanted:
            wanted = self.wanted.pop(0)
            count = min(wanted.count, self.left[wanted.lane])
            self.left[wanted.lane] -= count
            first = self.made[wanted.lane]
            self.made[wanted.lane] += count
            tokens = tuple(f"{wanted.lane}/{n}" for n in range(first, first + count))
            self.do(Offered(wanted.lane, tokens, not self.left[wanted.lane]))

    def end(self, token: str | None = None) -> str:
        token = token if token is not None else self.running[0]
        self.running.remove(token)
        self.do(Yielded(token))
        self.do(Left(token))
        return token

    def order(self) -> list[str]:
        return [each.token for each in self.placed]


def placements(found: Iterable[Instruction]) -> list[Placed]:
    return [each for each in found if isinstance(each, Placed)]


def lane(number: int, group: str = "g", **what: object) -> Lane:
    return Lane(number=number, group=group, **what)  # type: ignore[arg-type]


def test_one_order_more_than_places_is_placed_ahead_for_each() -> None:
    world = World([(lane(0), 10)], places=2)
    assert world.order() == ["0/0", "0/1", "0/2", "0/3"]
    world.end()
    assert world.order()[4:] == ["0/4"]


def test_the_order_of_the_plan_is_kept() -> None:
    world = World([(lane(0), 3), (lane(1), 3)], places=1)
    while world.running:
        world.end()
    assert world.order() == ["0/0", "0/1", "0/2", "1/0", "1/1", "1/2"]
    assert world.scheduler.idle()
    assert world.scheduler.drained()


def test_priority_counts_within_a_group_and_not_between_groups() -> None:
    lanes = [(lane(0, "a"), 2), (lane(1, "a", priority=5), 2), (lane(2, "b", priority=9), 2)]
    world = World(lanes, places=1)
    while world.running:
        world.end()
    assert world.order() == ["1/0", "2/0", "1/1", "2/1", "0/0", "0/1"]


def test_a_small_group_beside_a_big_sweep_is_served_in_its_turn() -> None:
    world = World([(lane(0, "big"), 1000), (lane(1, "small"), 2)], places=1)
    assert "1/0" in world.order()[:2]
    assert world.order()[:1] == ["0/0"]


def test_a_run_that_waits_for_a_slot_does_not_hold_up_what_fits() -> None:
    lanes = [(lane(0, needs={"gpu": 1}), 3), (lane(1), 3)]
    world = World(lanes, places=2, slots={"gpu": 1})
    assert world.order() == ["0/0", "1/0"]
    world.end("1/0")
    assert world.running == ["0/0", "1/1"]
    world.end("0/0")
    assert world.running == ["1/1", "0/1"]


def test_nothing_is_placed_ahead_while_a_lane_needs_slots() -> None:
    world = World([(lane(0), 9), (lane(1, needs={"gpu": 1}), 1)], places=2, slots={"gpu": 1})
    assert len(world.running) == 2


def test_a_judging_run_frees_its_slots_and_keeps_its_place() -> None:
    world = World([(lane(0, needs={"gpu": 1}), 5)], places=2, slots={"gpu": 1})
    assert world.running == ["0/0"]
    world.do(Yielded("0/0"))
    assert world.running == ["0/0", "0/1"]
    world.do(Yielded("0/1"))
    assert len(world.running) == 2  # both places are taken


def test_slots_are_granted_by_index_and_returned() -> None:
    world = World([(lane(0, needs={"gpu": 2}), 3)], places=4, slots={"gpu": 5})
    assert [dict(each.granted) for each in world.placed] == [{"gpu": (0, 1)}, {"gpu": (2, 3)}]
    world.end("0/0")
    assert dict(world.placed[2].granted) == {"gpu": (0, 1)}


def test_slots_of_a_run_that_could_not_be_cleared_stay_held() -> None:
    world = World([(lane(0, needs={"gpu": 1}), 2)], places=2, slots={"gpu": 1})
    world.do(Left("0/0", holding=True))
    world.running.remove("0/0")
    assert world.running == []
    assert not world.scheduler.drained()


def test_what_a_person_gives_back_is_granted_again() -> None:
    world = World([(lane(0, needs={"gpu": 1}), 3)], places=2, slots={"gpu": 1})
    world.do(Left("0/0", holding=True))
    world.running.remove("0/0")
    world.do(Released({"gpu": (0,)}))
    assert world.running == ["0/1"]
    world.do(Released({"gpu": (0,)}))
    assert world.running == ["0/1"], "given back twice is no second one"


def test_what_is_busy_elsewhere_is_not_granted_and_holds_up_nobody() -> None:
    lanes = [(lane(0, needs={"gpu": 1}), 3), (lane(1), 3)]
    world = World(lanes, places=2, slots={"gpu": 2})
    assert world.running == ["0/0", "0/1"]
    world.do(Busy({"gpu": (0,)}))  # its supervisor found it so
    world.end("0/0")
    assert world.running == ["0/1", "1/0"]
    assert (world.scheduler.waits_for(), dict(world.scheduler.busy)) == (("gpu",), {"gpu": 1})
    world.do(Free({"gpu": (0,)}))
    world.end("1/0")
    assert world.running[:2] == ["0/1", "0/2"]
    assert (world.scheduler.waits_for(), dict(world.scheduler.busy)) == ((), {})


def test_what_is_held_and_busy_is_free_when_it_is_neither() -> None:
    world = World([], places=1, slots={"gpu": 1})
    world.do(Held({"gpu": (0,)}))
    world.do(Busy({"gpu": (0,)}))
    world.do(Released({"gpu": (0,)}))
    assert world.scheduler.free == {"gpu": 0}
    world.do(Free({"gpu": (0,)}))
    assert world.scheduler.free == {"gpu": 1}


def test_what_an_earlier_owner_left_held_is_not_granted() -> None:
    scheduler = Scheduler(2, {}, believe=True)
    scheduler.handle(Held({"gpu": (0,)}))
    scheduler.handle(Laned((lane(0, needs={"gpu": 1}),), slots={"gpu": 2}))
    (placed,) = placements(scheduler.handle(Offered(0, ("a", "b"), True)))
    assert dict(placed.granted) == {"gpu": (1,)}
    (placed,) = placements(scheduler.handle(Released({"gpu": (0,)})))
    assert dict(placed.granted) == {"gpu": (0,)}


@pytest.mark.parametrize(
    ("slots", "granted", "fallback"),
    [({}, {}, "no_gpu_detected"), ({"gpu": 1}, {"gpu": (0,)}, None)],
)
def test_a_preferred_slot_is_done_without_only_where_the_host_has_none(
    slots: dict[str, int], granted: dict[str, tuple[int, ...]], fallback: str | None
) -> None:
    world = World([(lane(0, prefers={"gpu": 1}), 2)], places=1, slots=slots)
    assert (dict(world.placed[0].granted), world.placed[0].fallback) == (granted, fallback)


def test_a_preferred_slot_that_is_busy_is_waited_for() -> None:
    world = World([(lane(0, prefers={"gpu": 1}), 2)], places=2, slots={"gpu": 1})
    assert world.running == ["0/0"]


def test_a_retry_goes_first_in_its_lane_and_keeps_the_campaign_awake() -> None:
    world = World([(lane(0), 1)], places=1)
    world.do(Awaited(1))
    world.end()
    assert not world.scheduler.idle()
    world.do(Returned(0, "retry"))
    assert world.running == ["retry"]
    world.end()
    assert world.scheduler.idle()


def test_a_retry_that_never_comes_does_not_keep_it_awake() -> None:
    world = World([(lane(0), 1)], places=1)
    world.do(Awaited(1))
    world.end()
    world.do(Awaited(-1))
    assert world.scheduler.idle()


def test_stopped_places_nothing_more_and_is_idle_when_the_last_one_ends() -> None:
    world = World([(lane(0), 100)], places=1)
    world.do(Stopped())
    world.end()
    assert not world.scheduler.idle()
    world.end()
    assert world.scheduler.idle()
    assert not world.scheduler.drained()
    assert len(world.placed) == 2


def test_what_an_earlier_owner_left_running_takes_its_place_and_its_slots() -> None:
    scheduler = Scheduler(1, {"gpu": 1})
    scheduler.handle(Adopted("old", {"gpu": (0,)}))
    scheduler.handle(Laned((lane(0, needs={"gpu": 1}),)))
    assert scheduler.handle(Offered(0, ("new",), True)) == []
    assert scheduler.handle(Left("old")) == [Placed("new", 0, {"gpu": (0,)})]


def test_fewer_places_place_fewer() -> None:
    world = World([(lane(0), 100)], places=2)
    world.do(Resized(1))
    for _ in range(4):
        world.end()
    assert len(world.running) == 2


def test_a_million_runs_are_asked_for_in_small_windows() -> None:
    world = World([(lane(number, f"g{number}"), 10**6) for number in range(3)], places=2)
    assert sum(world.made.values()) <= WINDOW
    for _ in range(100):
        world.end()
    assert sum(world.made.values()) <= len(world.placed) + WINDOW


def test_what_waits_for_slots_does_not_hide_what_is_behind_it() -> None:
    lanes = [(lane(n, needs={"gpu": 1}), 100) for n in range(5)] + [(lane(9), 100)]
    world = World(lanes, places=3, slots={"gpu": 1})
    assert sorted(token.partition("/")[0] for token in world.running) == ["0", "9", "9"]


LANES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 2),
        st.dictionaries(st.sampled_from(["gpu", "disk"]), st.integers(1, 2), max_size=2),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=6,
)


@given(LANES, st.integers(1, 4), st.data())
def test_laws(shapes: list[tuple[str, int, dict[str, int], int]], places: int, data: st.DataObject) -> None:
    slots = {"gpu": 2, "disk": 3}
    lanes = [(lane(n, g, priority=p, needs=needs), count) for n, (g, p, needs, count) in enumerate(shapes)]
    world = World(lanes, places=places, slots=slots)
    while world.running:
        _check_never_too_many(world, places, slots)
        world.end(data.draw(st.sampled_from(world.running)))
    order = world.order()
    assert len(order) == len(set(order)) == sum(count for _, count in lanes)
    for number in range(len(lanes)):
        own = [token for token in order if token.startswith(f"{number}/")]
        assert own == sorted(own, key=lambda token: int(token.partition("/")[2]))
    assert world.scheduler.idle()


def _check_never_too_many(world: World, places: int, slots: dict[str, int]) -> None:
    held: Counter[tuple[str, int]] = Counter()
    for each in world.placed:
        if each.token in world.running:
            held.update((name, index) for name, indexes in each.granted.items() for index in indexes)
    assert all(count == 1 for count in held.values())
    assert all(index < slots[name] for name, index in held)
    assert len(world.running) <= 2 * places
    if held:
        assert len(world.running) <= 2 * places


SHAPES: dict[str, Callable[[int], Lane]] = {
    "one group": lane,
    "groups of their own": lambda number: lane(number, f"g{number}"),
    "one slot for all": lambda number: lane(number, needs={"gpu": 1}),
    "groups of which half wait": lambda number: lane(number, f"g{number}", needs={"gpu": number % 2}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_lanes_are_no_more_than_twice_the_work(shape: str) -> None:
    def campaign(lanes: int) -> None:
        world = World([(SHAPES[shape](number), 1) for number in range(lanes)], places=2, slots={"gpu": 1})
        while world.running:
            world.end()
        assert len(world.placed) == lanes

    # The window, which is full sooner or later, costs most where there are few; all lanes looked at again: 3 and more.
    assert steps(lambda: campaign(200)) < 2.5 * steps(lambda: campaign(100))


# --- several campaigns ------------------------------------------------------------------------------------------------


class Fair:
    """Campaigns with a lane each, whose runs are all here; each placed run holds its place until it is ended."""

    def __init__(self, counts: dict[str, int], places: int, parallel: dict[str, int | None]) -> None:
        self.scheduler = Scheduler(places, {})
        self.waiting = dict(counts)
        self.parallel = parallel
        self.placed: list[tuple[str, dict[str, int]]] = []  # whom, and who was backlogged just before
        self.running: list[tuple[str, str]] = []
        for name, count in counts.items():
            self.obey(self.scheduler.handle(Laned((lane(0),), name, parallel[name])))
            tokens = tuple(f"{name}{n}" for n in range(count))
            self.obey(self.scheduler.handle(Offered(0, tokens, True, name)))

    def obey(self, instructions: Iterable[Instruction]) -> None:
        for each in instructions:
            if isinstance(each, Placed):
                self.placed.append((each.campaign, dict(self.waiting)))
                self.waiting[each.campaign] -= 1
                self.running.append((each.campaign, each.token))

    def end(self, which: tuple[str, str]) -> None:
        self.running.remove(which)
        self.obey(self.scheduler.handle(Left(which[1])))


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 12), min_size=2), st.integers(1, 4), st.data())
def test_every_backlogged_campaign_is_served_before_any_is_served_twice(
    counts: dict[str, int], places: int, data: st.DataObject
) -> None:
    world = Fair(counts, places, dict.fromkeys(counts))
    first = len(world.placed)  # what was placed before all had arrived
    while world.running:
        world.end(data.draw(st.sampled_from(world.running)))
    assert len(world.placed) == sum(counts.values())
    turns = world.placed[first:]
    for index, (name, _) in enumerate(turns):
        later = next((n for n in range(index + 1, len(turns)) if turns[n][0] == name), None)
        if later is not None:
            between = {each for each, _ in turns[index:later]}
            assert {each for each, count in turns[later][1].items() if count} <= between


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 12), min_size=2), st.integers(1, 4), st.data())
def test_no_campaign_has_more_than_its_limit_and_nobody_starves(
    counts: dict[str, int], places: int, data: st.DataObject
) -> None:
    parallel = {name: data.draw(st.integers(1, 3)) for name in counts}
    world = Fair(counts, places, dict(parallel))
    while world.running:
        begun = Counter(name for name, _ in world.running)
        for name, count in begun.items():
            assert count <= (parallel[name] if parallel[name] < places else 2 * places)
        world.end(data.draw(st.sampled_from(world.running)))
    assert len(world.placed) == sum(counts.values())


def test_what_is_paused_does_not_hold_up_the_others() -> None:
    scheduler = Scheduler(1, {})
    scheduler.handle(Paused(frozenset({("a", "")})))
    for name in "ab":
        scheduler.handle(Laned((lane(0),), name))
    assert scheduler.handle(Offered(0, ("a1",), True, "a")) == []
    assert scheduler.handle(Offered(0, ("b1",), True, "b")) == [Placed("b1", 0, {}, None, "b")]
    scheduler.handle(Left("b1"))
    assert scheduler.handle(Paused(frozenset())) == [Placed("a1", 0, {}, None, "a")]


def test_what_was_placed_ahead_is_crowded_once_another_campaign_wants_a_place() -> None:
    scheduler = Scheduler(1, {})
    scheduler.handle(Laned((lane(0),), "a"))
    assert len(scheduler.handle(Offered(0, ("a1", "a2", "a3"), True, "a"))) == 2
    assert not scheduler.crowded
    scheduler.handle(Laned((lane(0),), "b"))
    assert scheduler.crowded


def test_a_campaigns_own_slots_only_cap_the_workspaces() -> None:
    scheduler = Scheduler(4, {"gpu": 2})
    scheduler.handle(Laned((lane(0, needs={"gpu": 1}),), "a", None, {"gpu": 1}))
    assert len(scheduler.handle(Offered(0, ("a1", "a2"), True, "a"))) == 1
    scheduler.handle(Laned((lane(0, needs={"gpu": 1}),), "b", None, {"gpu": 2}))
    assert len(scheduler.handle(Offered(0, ("b1", "b2"), True, "b"))) == 1


# --- several campaigns that compete for named slots -----------------------------------------------------------------

_SLOTS = {"gpu": 2, "board": 3}
_NEEDS = st.dictionaries(st.sampled_from(sorted(_SLOTS)), st.integers(1, 2), max_size=2)
_UNITS = st.sampled_from([(name, index) for name, count in _SLOTS.items() for index in range(count)])
_WITHHOLD = {"busy": (Busy, Free), "held": (Held, Released)}


class Contest:
    """Campaigns of one lane each; no unit is granted twice, nor while it is withheld."""

    def __init__(self, campaigns: list[tuple[dict[str, int], int]], places: int) -> None:
        self.scheduler, self.places = Scheduler(places, _SLOTS), places
        self.running: dict[str, set[tuple[str, int]]] = {}
        self.withheld: dict[str, set[tuple[str, int]]] = {kind: set() for kind in _WITHHOLD}
        self.ended = 0
        for number, (needs, count) in enumerate(campaigns):
            self.do(Laned((lane(0, needs=needs),), str(number)))
            self.do(Offered(0, tuple(f"{number}/{n}" for n in range(count)), True, str(number)))

    def do(self, event: Event) -> None:
        for each in placements(self.scheduler.handle(event)):
            granted = {(name, index) for name, indexes in each.granted.items() for index in indexes}
            assert not granted & set().union(*self.running.values(), *self.withheld.values())
            self.running[each.token] = granted
        assert len(self.running) <= 2 * self.places

    def end(self, token: str) -> None:
        del self.running[token]
        self.ended += 1
        self.do(Left(token))

    def withhold(self, kind: str, unit: tuple[str, int]) -> None:
        self.withheld[kind].add(unit)
        self.do(_WITHHOLD[kind][0]({unit[0]: (unit[1],)}))

    def give_back(self, kind: str, unit: tuple[str, int]) -> None:
        self.withheld[kind].discard(unit)
        self.do(_WITHHOLD[kind][1]({unit[0]: (unit[1],)}))


@given(
    st.lists(st.tuples(_NEEDS, st.integers(0, 8)), min_size=2, max_size=4),
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["end", "withhold", "give back"]), st.sampled_from(sorted(_WITHHOLD)), _UNITS)),
    st.randoms(use_true_random=False),
)
def test_no_unit_is_granted_twice_nor_while_it_is_withheld_and_nobody_is_forgotten(
    campaigns: list[tuple[dict[str, int], int]],
    places: int,
    acts: list[tuple[str, str, tuple[str, int]]],
    chance: Random,
) -> None:
    contest = Contest(campaigns, places)
    for act, kind, unit in acts:
        if act == "withhold":
            contest.withhold(kind, unit)
        elif act == "give back":
            contest.give_back(kind, unit)
        elif contest.running:
            contest.end(chance.choice(sorted(contest.running)))
    for kind, units in contest.withheld.items():
        for unit in sorted(units):
            contest.give_back(kind, unit)
    while contest.running:
        contest.end(chance.choice(sorted(contest.running)))
    assert contest.ended == sum(count for _, count in campaigns)
    assert dict(contest.scheduler.free) == _SLOTS
