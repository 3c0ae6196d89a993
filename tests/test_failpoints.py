"""Every change of state and every durable write can be made to fail: the table and the source say which there are."""

from __future__ import annotations

import ast
import errno
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.torture import failpoints as tortured

from campaign import failpoints
from campaign.engine.states import TRANSITIONS, State, Story, path
from campaign.ledger.rows import Admission, Ending, Move
from campaign.ledger.store import Ledger
from campaign.records import Decision, Verdict

from .ledger.conftest import AT, make_campaign, make_order

CORE = Path(__file__).resolve().parent.parent / "core" / "campaign"
#: What makes something durable or visible to another process in one step: the helpers, and what they are made of.
_CALLS = {"os.fsync", "os.fdatasync", "os.rename", "os.replace", "os.link", "os.symlink"}
_DURABLE = _CALLS | {"write_synced", "move", "sync_directory", "sync_file_system"}
_STATEMENTS = re.compile(r"\bCOMMIT\b")


@pytest.fixture
def reached() -> Iterator[list[str]]:
    names: list[str] = []
    failpoints.arm(names.append)
    yield names
    failpoints.arm(None)


# --- every durable write ----------------------------------------------------------------------------------------


def steps(function: ast.AST) -> Iterator[tuple[int, str]]:
    """The durable writes and the failpoints of a function, in the order of the text."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        literal = "".join(str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant))
        if called in {"reach", "failpoints.reach"}:
            yield node.lineno, "reach"
        elif called in _DURABLE or (".execute" in called and _STATEMENTS.search(literal)):
            yield node.lineno, f"{called} in line {node.lineno}"


def uncovered(source: str) -> list[str]:
    """The durable writes without a failpoint just before them, or without one behind the last of a function."""
    found: list[str] = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            covered, last = False, None
            for _, what in sorted(steps(function), key=lambda each: each[0]):
                if what == "reach":
                    covered, last = True, None
                else:
                    found += [] if covered else [f"{function.name}: {what}"]
                    covered, last = False, what
            found += [] if last is None else [f"{function.name}: behind {last}"]
    return found


def test_every_durable_write_stands_between_two_failpoints() -> None:
    found = {str(file.relative_to(CORE)): uncovered(file.read_text(encoding="utf-8")) for file in CORE.rglob("*.py")}
    assert {file: bare for file, bare in found.items() if bare} == {}


def test_the_source_has_durable_writes_to_be_found() -> None:
    durable = sum(
        what != "reach" for file in CORE.rglob("*.py") for _, what in steps(ast.parse(file.read_text(encoding="utf-8")))
    )
    assert durable >= 12


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ("reach('a'); os.fsync(1); reach('b')", 0),
        ("os.fsync(1); reach('b')", 1),
        ("reach('a'); os.fsync(1)", 1),
        ("reach('a')\n    os.fsync(1)\n    os.rename('a', 'b')\n    reach('b')", 1),
        ("db.execute('COMMIT')", 2),
        ("db.execute('SELECT 1')", 0),
    ],
)
def test_a_write_without_one_is_found(body: str, bad: int) -> None:
    assert len(uncovered(f"def f():\n    {body}\n")) == bad


def test_no_name_is_used_twice() -> None:
    names = [
        node.args[0].value
        for file in CORE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "reach" and isinstance(node.args[0], ast.Constant)
    ]
    assert len(names) == len(set(names))


# --- every change of state --------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", TRANSITIONS, ids=lambda edge: f"{edge[0]}-{edge[1]}")
def test_every_change_of_state_has_one_before_and_one_behind_its_commit(
    edge: tuple[State, State], reached: list[str], tmp_path: Path
) -> None:
    source, target = edge
    verdict = next(iter(TRANSITIONS[edge]), None)
    story = Story("x", source)
    story.move(target, verdict)
    assert reached == [f"decided.{source}.{target}"]

    ledger = _ledger_with_an_attempt(tmp_path, source, unless=target)
    reached.clear()
    ledger.commit([_change(source, target, verdict)])
    assert reached == ["ledger.begin", "ledger.commit.before", "ledger.commit.after", f"recorded.{source}.{target}"]


def _ledger_with_an_attempt(folder: Path, state: State, unless: State) -> Ledger:
    """A ledger whose attempt stands at ``state``; a queued one that is to be admitted is none yet."""
    ledger = Ledger(str(folder / "ledger.sqlite"))
    ledger.begin_campaign(make_campaign(), {})
    if state is State.QUEUED and unless is State.ADMITTED:
        return ledger
    way = [State.QUEUED, State.ADMITTED, *path(State.ADMITTED, state)] if state is not State.ADMITTED else None
    for source, target in itertools.pairwise(way or [State.QUEUED, State.ADMITTED]):
        ledger.commit([_change(source, target, None)])
    return ledger


def _change(source: State, target: State, verdict: Verdict | None) -> Admission | Move | Ending:
    order = make_order()
    if target is State.ADMITTED:
        return Admission(order=order, data=msgspec.json.encode(order), cause="plan", at=AT)
    if verdict is None:
        return Move(order=order, source=source, target=target, cause="plan", at=AT)
    return Ending(order=order, source=source, cause="plan", at=AT, decision=Decision(verdict))


# --- what they do -----------------------------------------------------------------------------------------------


def test_nobody_is_told_unless_somebody_asked() -> None:
    assert not failpoints.armed()
    failpoints.reach("anything")


def test_an_error_comes_at_the_time_that_was_asked_for() -> None:
    heed = failpoints.parse("a=error:ENOSPC@2,b=error:EIO")
    heed("a")
    with pytest.raises(OSError, match="No space") as full:
        heed("a")
    assert full.value.errno == errno.ENOSPC
    heed("a")
    with pytest.raises(OSError, match="Input/output"):
        heed("b")


@pytest.mark.parametrize(
    "text", ["a", "a=", "=kill", "a=fly", "a=kill@x", "a=error", "a=error:ENOSUCH", "a=kill:3", ","]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not NAME=ACTION|is none of"):
        failpoints.parse(text)


def _python(code: str, value: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from campaign.failpoints import reach; {code}"],
        env={**os.environ, failpoints.VARIABLE: value},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_is_killed_where_the_environment_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = _python("reach('b'); reach('a'); reach('a'); print('alive')", f"*=log:{log},a=kill@2")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == ""
    assert log.read_text().split() == ["b", "a", "a"]


def test_an_environment_that_cannot_be_read_ends_the_process() -> None:
    done = _python("", "a=fly")
    assert done.returncode == 2
    assert "CAMPAIGN_FAILPOINT: fly is none of kill" in done.stderr


#: One of each kind of process; ``make torture`` kills at each of them in a queue of its own.
_FATAL = ("recorded.admitted.starting", "claim.order.before", "exit.write.after", "client.ask.after", "planner.news")


@pytest.mark.gauntlet
def test_what_is_killed_at_a_failpoint_is_made_good_by_the_next(tmp_path: Path) -> None:
    play = tortured.Play(tmp_path, "requeue")
    assert play.run(",".join(f"{name}=kill@2" for name in _FATAL)) == []
    assert sum(play.reached[name] >= 2 for name in _FATAL) >= 2
