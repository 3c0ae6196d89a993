"""Chains in a supervisor: one run after another, none before the first, and what serves them between the runs."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.supervise.conftest import Desk, shell
from tests.waiting import wait_for

from campaign.records import Exit, LinkOrder, Order, ServiceOrder, StepOrder, Stop
from campaign.records.messages import Exited, Refused, Start, Started

#: A server with a worker of its own session, which logs until it is told to go.
SERVER = "sleep 100 & echo $$ > server; echo $! > worker; while test ! -e gone; do echo up; sleep 0.05; done; exit 7"
#: It is there, and was heard in this run.
SERVING = "until test -s {chain}/worker && test -s ../serve/one.log; do sleep 0.01; done; "


def make_chain(desk: Desk, *scripts: str, server: str = SERVER, **rest: object) -> list[Order]:
    """A run for each script, ``{chain}`` in it being the shared folder."""
    service = ServiceOrder(label="one", tool="server", argv=("/bin/sh", "-c", server))
    shared = f"{desk.workspace}/.campaign/runs/c-1/inst/cell/chain-1"
    made = [desk.order(*_steps(shared, script), services=(service,), **rest) for script in scripts]
    return [
        replace(
            order,
            directories=replace(order.directories, chain=shared),
            link=LinkOrder(made[0].token, number, len(made)),
        )
        for number, order in enumerate(made, 1)
    ]


def _steps(shared: str, script: str) -> tuple[StepOrder, ...]:
    return (shell((SERVING + script).replace("{chain}", shared)),)


def shared(chain: list[Order], name: str) -> str:
    return Path(chain[0].directories.served, name).read_text().strip()


def lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_serves_them_stays_and_what_a_run_leaves_behind_does_not(desk: Desk) -> None:
    chain = make_chain(desk, "sleep 99 & echo $! > {chain}/stray", "kill -0 $(cat {chain}/server)", "true")
    for order in chain:
        desk.send(Start(order))
    desk.expect(Started)
    first = desk.exit(chain[0])
    assert not lives(shared(chain, "stray"))
    assert lives(shared(chain, "server"))
    assert lives(shared(chain, "worker"))
    desk.expect(Started)
    second = desk.exit(chain[1])
    assert second.steps[0].ok
    desk.expect(Started)
    last = desk.exit(chain[2])
    assert not desk.tools_left()
    assert [each.tree_empty for each in (first, second, last)] == [True] * 3
    assert first.services[0].exit == second.services[0].exit
    assert last.services[0].exit.signal == signal.SIGTERM
    for order in chain:
        assert "up" in desk.public(order, "serve/one.log").read_text()


def test_what_left_the_session_of_a_served_tool_stays_with_it(desk: Desk) -> None:
    leave = "setsid sh -c 'echo $$ > {0}; exec sleep 100' &"
    stray = (
        f"{leave.format('{chain}/stray')} until test -s {{chain}}/stray && test -s {{chain}}/left; do sleep 0.01; done"
    )
    server = f"export CAMPAIGN_WORKDIR=$PWD; ({leave.format('left')}); {SERVER}"
    first, last = chain = make_chain(desk, stray, "kill -0 $(cat {chain}/left)", server=server)
    desk.send(Start(first))
    desk.expect(Started)
    assert desk.exit(first).tree_empty
    assert lives(shared(chain, "left"))
    assert not lives(shared(chain, "stray"))
    desk.send(Start(last))  # however late it comes, it is waited for
    desk.expect(Started)
    assert desk.exit(last).steps[0].ok
    assert not desk.tools_left()


def test_a_served_tool_that_is_lost_between_two_runs_ends_the_chain(desk: Desk) -> None:
    chain = make_chain(desk, "touch {chain}/gone", "true", "true", cooldown_s=1.0)
    for order in chain:
        desk.send(Start(order))
    desk.expect(Started)
    assert desk.exit(chain[0]).steps[0].ok
    refused = [desk.expect(Refused) for _ in chain[1:]]
    assert [each.token for each in refused] == [order.token for order in chain[1:]]
    assert not desk.tools_left()


@pytest.mark.parametrize("reason", [Stop.CANCEL, Stop.INTERRUPT])
def test_ending_a_run_gives_back_those_that_follow(desk: Desk, reason: Stop) -> None:
    chain = make_chain(desk, "sleep 99", "true", "true")
    for order in chain:
        desk.send(Start(order))
    desk.expect(Started)
    desk.halt(chain[0], reason, 0.0)
    assert desk.exit(chain[0]).stopped is reason
    assert [desk.expect(Refused).token for _ in chain[1:]] == [order.token for order in chain[1:]]
    assert not desk.tools_left()


def test_without_its_first_run_nothing_of_a_chain_starts(desk: Desk) -> None:
    busy, chain = desk.order(shell("sleep 99")), make_chain(desk, "true", "true")
    desk.start(busy)
    for order in chain:
        desk.send(Start(order))
    desk.halt(chain[0])
    assert [desk.expect(Refused).token for _ in chain] == [order.token for order in chain]
    desk.halt(busy, Stop.CANCEL, 0.0)
    desk.expect(Exited)
    desk.carry_out(desk.order(shell("true")))


def test_with_its_engine_gone_the_chain_comes_to_its_end(desk: Desk) -> None:
    chain = make_chain(desk, "until test -e {chain}/go; do sleep 0.01; done", "true", "true")
    for order in chain:
        desk.send(Start(order))
    desk.expect(Started)
    wait_for(Path(chain[0].directories.served, "worker").exists)
    desk.handle.sock.close()
    Path(chain[0].directories.served, "go").touch()
    assert desk.gone()
    records = [Path(order.directories.private, "exit.json").read_bytes() for order in chain]
    assert all(msgspec.json.decode(record, type=Exit).steps[0].ok for record in records)
    assert not desk.tools_left()
