"""When faults were detected and when recovered from, by what the watches saw; and what they objected to besides.  Pure.

Several watches that judge a fault are taken together: what one of them finds wrong is detected, and all of them must
be ok for it to be recovered.  A sample of an oracle that could not judge is not ok.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from campaign.records import Exit, FaultExit, Order, Sample, WatchExit, WatchOrder


class Trouble(Struct, frozen=True):
    """A time in which some watch was not ok, seconds from the attempt's start; one that lasts ends at infinity.

    ``said`` are the samples of it that were not ok.
    """

    start_s: float
    end_s: float = math.inf
    said: tuple[Sample, ...] = ()

    @property
    def first(self) -> Sample:
        """What was said first by an oracle that judged; where none did, what was said first."""
        return next((each for each in self.said if each.ok is False), self.said[0])


def with_recovery(order: Order, exit: Exit) -> Exit:
    """The exit record with what its watches saw of its faults; without watches as it is."""
    if not exit.watches:
        return exit
    return replace(exit, faults=recovered(order.watches, exit.watches, exit.faults))


def recovered(
    watches: Sequence[WatchOrder], seen: Sequence[WatchExit], faults: Sequence[FaultExit]
) -> tuple[FaultExit, ...]:
    """The faults with the instants at which they were detected and recovered from, missing where they were not."""
    return tuple(_recovered(fault, watches, seen, faults) for fault in faults)


def _recovered(
    fault: FaultExit, watches: Sequence[WatchOrder], seen: Sequence[WatchExit], faults: Sequence[FaultExit]
) -> FaultExit:
    if fault.injected_at_s is None:
        return fault
    judges = [each for each in watches if each.judges(fault.label)]
    labels = {each.label for each in judges}
    troubles = troubles_of(each.changes for each in seen if each.label in labels)
    others = sorted(
        each.injected_at_s
        for each in faults
        if each.injected_at_s is not None and any(watch.judges(each.label) for watch in judges)
    )
    open_ = [each for each in troubles if each.end_s > fault.injected_at_s]
    return replace(
        fault,
        detected_at_s=open_[0].start_s if open_ else None,
        recovered_at_s=_end_that_holds(open_, others),
    )


def _end_that_holds(troubles: Sequence[Trouble], injections: Sequence[float]) -> float | None:
    """The first end of a trouble after which none comes before the next fault or the end of the run."""
    for index, trouble in enumerate(troubles):
        again = troubles[index + 1].start_s if index + 1 < len(troubles) else math.inf
        fault = next((at for at in injections if at >= trouble.end_s), math.inf)
        if trouble.end_s < math.inf and (again == math.inf or fault <= again):
            return trouble.end_s
    return None


def troubles_of(timelines: Iterable[Sequence[Sample]]) -> list[Trouble]:
    """The times in which one watch at least was not ok, in order, each as long as it lasted."""
    merged = sorted(
        ((each, number) for number, timeline in enumerate(timelines) for each in timeline),
        key=lambda pair: pair[0].at_s,
    )
    found: list[Trouble] = []
    wrong: set[int] = set()
    for sample, number in merged:
        if sample.ok:
            wrong.discard(number)
            if not wrong and found and found[-1].end_s == math.inf:
                found[-1] = replace(found[-1], end_s=sample.at_s)
        elif wrong:
            wrong.add(number)
            found[-1] = replace(found[-1], said=(*found[-1].said, sample))
        else:
            wrong.add(number)
            found.append(Trouble(sample.at_s, said=(sample,)))
    return found


# --- outside the time of a fault ----------------------------------------------------------------------------------


def objection_of(watch: WatchOrder, seen: WatchExit, faults: Sequence[FaultExit]) -> Sample | None:
    """What a watch said first that no fault explains; None where there is no such thing.

    It begins to judge with its first ok sample; one that never was ok objects.  A fault explains whatever begins
    between its injection and its recovery.
    """
    troubles = troubles_of([seen.changes])
    if troubles and troubles[-1].end_s == math.inf and not any(each.ok for each in seen.changes):
        return troubles[0].first
    times = list(_times(watch, faults))
    begun = next((each.at_s for each in seen.changes if each.ok), math.inf)
    for trouble in troubles:
        if trouble.start_s > begun and not any(start <= trouble.start_s < end for start, end in times):
            return trouble.first
    return None


def _times(watch: WatchOrder, faults: Iterable[FaultExit]) -> Iterator[tuple[float, float]]:
    """From when to when each fault that a watch judges had not been recovered from."""
    for each in faults:
        if each.injected_at_s is not None and watch.judges(each.label):
            yield each.injected_at_s, math.inf if each.recovered_at_s is None else each.recovered_at_s


def blind(order: Order, exit: Exit, fault: str) -> str | None:
    """Why nobody can tell whether a fault was recovered from, in words; None where the watches that judge it can.

    Under the virtual clock its model has told.
    """
    if exit.clock == "virtual":
        return None
    judges = [each for each in order.watches if each.judges(fault)]
    seen = {each.label: each for each in exit.watches}
    for watch in judges:
        found = seen.get(watch.label)
        if found is not None and found.error is not None:
            return f"watch {watch.label} could not be asked: {found.error}"
    if judges and not any(seen[each.label].samples for each in judges if each.label in seen):
        return "no watch that judges it was asked"
    return None
