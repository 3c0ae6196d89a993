"""A served tool that a fault has started again: by the supervisor, in its place, excused for that death alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from campaign.records import FaultOrder, ServiceOrder, Stop

from .conftest import Desk, shell

#: Notes each start, and serves until it is killed; with a child, which must go too.
SERVED = ("/bin/sh", "-c", "echo $$ >> starts; echo up; sleep 100 & wait")


def service(label: str = "srv", argv: tuple[str, ...] = SERVED) -> ServiceOrder:
    return ServiceOrder(label, "tool", argv)


def restart(at_s: float = 0.1, label: str = "again", **rest: object) -> FaultOrder:
    return FaultOrder(label, "process.restart", at_s, target="srv", restarts=True, **rest)  # type: ignore[arg-type]


def until(starts: int, then: str = "true") -> str:
    return f"until test $(wc -l < starts) -ge {starts}; do sleep 0.05; done; {then}"


def test_it_is_started_again_in_its_place(desk: Desk) -> None:
    order = desk.order(shell(until(2)), services=(service(),), faults=(restart(),))
    exit = desk.carry_out(order)
    first, second = exit.services
    assert first.excused
    assert first.exit.signal == signal.SIGKILL
    assert not second.excused
    assert second.argv == first.argv
    assert exit.stopped is None
    assert exit.steps[0].ok
    (fault,) = exit.faults
    assert fault.error is fault.undo_failed is None
    assert (fault.notes or "").startswith("SIGKILL to 2 processes, ready again after ")
    assert desk.public(order, "serve/srv.log").read_text() == "up\nup\n", "the second one writes on in the same log"
    assert not os.listdir(f"{order.directories.private}/undo")


def test_it_stays_away_for_as_long_as_it_should(desk: Desk) -> None:
    exit = desk.run(shell(until(2)), services=(service(),), faults=(restart(for_s=0.5),))
    first, second = exit.services
    assert second.started_at_s - (first.started_at_s + first.duration_s) >= 0.4
    assert (exit.faults[0].cleared_at_s or 0) - (exit.faults[0].injected_at_s or 0) >= 0.5


def test_it_may_end_by_itself_and_what_does_not_is_killed(desk: Desk) -> None:
    for script, status in (("trap 'exit 3' TERM", 3), ("test $(wc -l < starts) -gt 1 || trap '' TERM", None)):
        argv = ("/bin/sh", "-c", f"echo $$ >> starts; {script}; while :; do sleep 0.05; done")
        fault = restart(for_s=0.5, settings={"signal": "TERM"})
        exit = desk.run(shell(until(2)), services=(service(argv=argv),), faults=(fault,))
        assert exit.services[0].exit.code == status
        assert exit.services[0].excused


def test_one_after_the_other(desk: Desk) -> None:
    faults = tuple(restart(0.1 + 0.2 * number, f"again[{number}]") for number in range(3))
    exit = desk.run(shell(until(4)), services=(service(),), faults=faults)
    assert [each.excused for each in exit.services] == [True, True, True, False]
    assert [each.error for each in exit.faults] == [None] * 3


def test_a_fault_that_comes_while_it_is_away_waits_for_it(desk: Desk) -> None:
    kill = FaultOrder("kill", "process.kill", 0.2, target="srv")
    exit = desk.run(shell(until(2, "sleep 0.3")), services=(service(),), faults=(restart(for_s=0.6), kill))
    assert [each.excused for each in exit.services] == [True, True]
    assert exit.faults[1].error is None
    assert (exit.faults[1].injected_at_s or 0) >= exit.services[1].started_at_s


def test_its_second_death_is_its_own(desk: Desk) -> None:
    argv = ("/bin/sh", "-c", "echo $$ >> starts; test $(wc -l < starts) -lt 2 || exit 7; sleep 100")
    exit = desk.run(shell("sleep 100"), services=(service(argv=argv),), faults=(restart(),))
    assert exit.stopped is Stop.SERVICE
    assert [each.excused for each in exit.services] == [True, False]
    assert exit.services[1].exit.code == 7


def test_at_the_end_of_a_run_nothing_is_started_again(desk: Desk) -> None:
    order = desk.order(shell("sleep 0.4"), services=(service(),), faults=(restart(for_s=60.0),))
    exit = desk.carry_out(order)
    assert len(exit.services) == 1
    assert exit.faults[0].undo_failed is None
    assert exit.tree_empty


def test_a_program_that_is_gone_meanwhile(desk: Desk, tmp_path: Path) -> None:
    program = tmp_path / "served"
    program.write_text("#!/bin/sh\nrm $0; sleep 100")
    program.chmod(0o755)
    exit = desk.run(shell("sleep 100"), services=(service(argv=(str(program),)),), faults=(restart(),))
    assert exit.setup_error == f"srv could not be started again: {program} does not exist"
