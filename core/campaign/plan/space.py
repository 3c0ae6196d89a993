"""The axes and exclusions of one scenario by point indexes: what counting, sampling and covering work on.

A *choice* is one point index for each axis.  Each exclusion becomes a constraint over the few axes that it depends
on, and remembers its answers, so that a million cells ask it only as often as those axes have combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plan.names import Template, axis_units, point_texts, template
from campaign.plan.scenario import Axis, Exclusion, Scenario
from campaign.units import Value

_REMEMBERED = 1 << 16
#: Up to this many points the texts of an axis are kept; beyond, made anew each time.
SHORT_AXIS = 4096
#: How often exclusions are asked before counting gives up: some ten seconds' work.
BUDGET = 4_000_000


class UncountableError(CampaignError):
    """The exclusions of a scenario tie so many combinations together that they cannot be asked one by one."""

    def __init__(self, exclusion: Exclusion, combinations: int) -> None:
        self.exclusion = exclusion
        self.combinations = combinations
        many = f"{combinations:,}" if combinations < 10**18 else f"about 10^{len(str(combinations)) - 1}"
        summary = f"this exclude would have to be asked of {many} combinations, at most {BUDGET:,} are asked"
        hint = "sweep fewer values, or exclude by fewer axes: what they do not name is never expanded"
        super().__init__([Diagnostic("CAMP204", summary, exclusion.span, hint)])


class Constraint:
    """An exclusion over the axes that it depends on, asked with point indexes.

    For one that reads the seed, the seeds are one more axis behind the others.
    """

    __slots__ = ("_answers", "_columns", "_seeds", "axes", "exclusion")

    def __init__(self, axes: Sequence[Axis], exclusion: Exclusion, seeds: Sequence[int] = (0,)) -> None:
        self.exclusion = exclusion
        own = tuple(i for i, axis in enumerate(axes) if not exclusion.names.isdisjoint(axis.names))
        self._columns = [
            (name, axes[index].points, column, place)
            for column, index in enumerate(own)
            for place, name in enumerate(axes[index].names)
        ]
        self._seeds = seeds if exclusion.uses_seed else None
        self.axes = own if self._seeds is None else (*own, len(axes))
        small = prod(len(axes[index].points) for index in own) * len(self._seeds or (0,)) <= _REMEMBERED
        self._answers: dict[tuple[int, ...], bool] | None = {} if small else None

    @property
    def depth(self) -> int:
        """How many leading axes must be chosen before it can be asked."""
        return self.axes[-1] + 1 if self.axes else 0

    def forbids(self, choice: Sequence[int]) -> bool:
        """Whether it drops the cells of this choice; only its own axes are looked at."""
        return self.holds(tuple([choice[axis] for axis in self.axes]))

    def holds(self, point: tuple[int, ...]) -> bool:
        """Whether it drops the cells with these point indexes, one for each of its axes."""
        if self._answers is None:
            return self._asked(point)
        answer = self._answers.get(point)
        if answer is None:
            answer = self._answers[point] = self._asked(point)
        return answer

    def _asked(self, point: Sequence[int]) -> bool:
        values = {name: points[point[column]][place] for name, points, column, place in self._columns}
        return self.exclusion.test(values, self._seeds[point[-1]] if self._seeds is not None else 0)


class Space:
    """One scenario, prepared: sizes of its axes, texts of their points, the template of its names, its constraints.

    ``constraints`` are its excludes, ``narrowing`` those that a selection adds once ``combine`` has chosen, and
    ``seeded`` the excludes that read the seed.
    """

    def __init__(self, scenario: Scenario, leaves_out: Sequence[Exclusion] = ()) -> None:
        self.scenario = scenario
        self.axes = scenario.axes
        self.sizes = tuple(len(axis.points) for axis in scenario.axes)
        self.template: Template = template(scenario)
        self.constraints = tuple(Constraint(self.axes, e) for e in scenario.exclusions if not e.uses_seed)
        self.narrowing = tuple(Constraint(self.axes, e) for e in leaves_out)
        self.seeded = tuple(Constraint(self.axes, e, scenario.seeds) for e in scenario.exclusions if e.uses_seed)
        self._texts: list[Callable[[int], tuple[str, ...]]] | None = None

    @property
    def texts(self) -> list[Callable[[int], tuple[str, ...]]]:
        """For each axis the texts of a point by its index."""
        if self._texts is None:
            self._texts = [_texts(axis) for axis in self.axes]
        return self._texts

    def by_depth(self) -> list[list[Constraint]]:
        """The constraints by the number of leading axes that decides them, so that whole branches fall at once."""
        depths: list[list[Constraint]] = [[] for _ in range(len(self.axes) + 1)]
        for constraint in (*self.constraints, *self.narrowing):
            depths[constraint.depth].append(constraint)
        return depths

    def values(self, choice: Sequence[int]) -> dict[str, Value]:
        """The values of a choice by axis name, in the order of the axes."""
        values: dict[str, Value] = {}
        for axis, index in zip(self.axes, choice, strict=True):
            values.update(zip(axis.names, axis.points[index], strict=True))
        return values

    def name(self, choice: Sequence[int]) -> str:
        """The name of the cell of a choice."""
        return self.template.fill([texts(index) for texts, index in zip(self.texts, choice, strict=True)])


def _texts(axis: Axis) -> Callable[[int], tuple[str, ...]]:
    """The texts of an axis's points by index; kept where the axis is short."""
    units, points = axis_units(axis), axis.points
    if len(points) > SHORT_AXIS:
        return lambda index: point_texts(points[index], units)
    return [point_texts(point, units) for point in points].__getitem__


class Component:
    """Axes tied together by constraints: what they allow does not depend on any other axis."""

    def __init__(self, sizes: Sequence[int], axes: tuple[int, ...], constraints: tuple[Constraint, ...]) -> None:
        self.axes = axes
        self.constraints = constraints
        self.sizes = tuple(sizes[axis] for axis in axes)
        self._width = len(sizes)

    def choices(self) -> Iterator[list[int]]:
        """Every allowed choice of its axes, in order; the one list, changed in place (other axes stay 0).

        Raises UncountableError where there are too many to ask; the search drops a branch as soon as it can.
        """
        ready = self.begin()
        choice, asked = [0] * self._width, 0
        depth, last = 0, len(self.axes) - 1
        following = [0] * len(self.axes)
        while depth >= 0:
            if following[depth] == self.sizes[depth]:
                following[depth] = 0
                depth -= 1
                continue
            choice[self.axes[depth]] = following[depth]
            following[depth] += 1
            asked += 1
            if asked > BUDGET:
                raise self.uncountable()
            if any(constraint.forbids(choice) for constraint in ready[depth]):
                continue
            if depth == last:
                yield choice
            else:
                depth += 1

    def begin(self) -> list[list[Constraint]]:
        """For each axis the constraints that are decided with it.

        Raises UncountableError where nothing can be dropped before there are too many to ask.
        """
        ready = [[c for c in self.constraints if c.axes[-1] == axis] for axis in self.axes]
        first = next(depth for depth, constraints in enumerate(ready, 1) if constraints)
        if prod(self.sizes[:first]) > BUDGET:
            raise self.uncountable()
        return ready

    def uncountable(self) -> UncountableError:
        """What to say of a component of too many combinations: it names the exclude of the largest axes."""
        sizes = dict(zip(self.axes, self.sizes, strict=True))
        largest = max(self.constraints, key=lambda constraint: prod(sizes[axis] for axis in constraint.axes))
        return UncountableError(largest.exclusion, prod(self.sizes))


def components(sizes: Sequence[int], constraints: Sequence[Constraint]) -> list[Component]:
    """The groups of axes that ``constraints`` tie together; free axes are in none, nor are constraints of no axis."""
    groups: list[tuple[set[int], list[Constraint]]] = []
    for constraint in constraints:
        axes, members, apart = set(constraint.axes), [constraint], []
        for group in groups if axes else ():
            if axes.isdisjoint(group[0]):
                apart.append(group)
            else:
                axes |= group[0]
                members += group[1]
        groups = [*apart, (axes, members)] if axes else groups
    return [Component(sizes, tuple(sorted(axes)), tuple(members)) for axes, members in groups]


def nothing_allowed(constraints: Iterable[Constraint]) -> bool:
    """Whether a constraint of no axis drops every cell."""
    return any(constraint.holds(()) for constraint in constraints if not constraint.axes)
