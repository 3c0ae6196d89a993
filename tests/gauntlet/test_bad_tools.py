"""Tools that misbehave: the right verdict, nothing left behind, siblings go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Arena

pytestmark = pytest.mark.gauntlet
TWO = 'instance {{mode}} {{ sweep mode = ["{mode}", "pass"]; timeout {timeout}; run bad }}'


def attempt(arena: Arena, mode: str) -> dict[str, object]:
    run: dict[str, object] = arena.runs()[f"{mode}#0"]
    return run


def record(arena: Arena, path: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(path.read_bytes())
    return loaded


@pytest.mark.parametrize(
    ("mode", "verdict", "kind"),
    [
        ("fail", "fail", "exit"),
        ("signal", "fail", "signal"),
        ("slow", "fail", "timeout"),
        ("stop", "fail", "timeout"),
        ("ignore-term", "fail", "timeout"),
        ("daemonise", "pass", None),
        ("hold-output", "pass", None),
        ("close-output", "pass", None),
        ("fork-bomb", "pass", None),
        ("garbage", "pass", None),
        ("long-line", "pass", None),
    ],
)
def test_one_misbehaves_and_its_sibling_passes(arena: Arena, mode: str, verdict: str, kind: str | None) -> None:
    timeout = "2s" if kind == "timeout" else "60s"
    done = arena.exec(arena.spec(TWO.format(mode=mode, timeout=timeout)))
    assert arena.verdicts() == {f"{mode}#0": verdict, "pass#0": "pass"}
    assert done.returncode == (1 if verdict == "fail" else 0)
    failure = attempt(arena, mode).get("failure")
    assert (failure["kind"] if isinstance(failure, dict) else None) == kind


def test_a_flood_is_kept_at_head_and_tail_and_the_rest_counted(arena: Arena) -> None:
    done = arena.exec(arena.spec('instance i { mode = "flood"; run bad; expect output contains "the end" }'))
    assert done.returncode == 0
    [log] = (arena.workspace / "runs").rglob("output.log")
    [exit_file] = (arena.workspace / "attempts").rglob("exit.json")
    kept = record(arena, exit_file)["output"]
    assert isinstance(kept, dict)
    assert kept["total_bytes"] == 128 * 2**20 + 9
    assert kept["dropped_bytes"] > 0
    assert log.stat().st_size < 64 * 2**20
    assert b"the end" in log.read_bytes()[-4096:]


def test_escape_sequences_do_not_reach_the_terminal(arena: Arena) -> None:
    arena.exec(arena.spec('instance i { mode = "garbage"; run bad; expect output contains "never" }'))
    for arguments in (["show"], ["list"], ["failures"]):
        assert "\x1b" not in arena.call(*arguments).stdout


MISSING = {
    "not there": "no/such/tool",
    "not in the path": "no-such-tool-anywhere",
    "not executable": "data.txt/../data.txt",
    "a folder": "/etc",
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_tool_that_cannot_be_started_stops_before_anything_runs(arena: Arena, kind: str) -> None:
    (arena.folder / "data.txt").write_text("not a program\n")
    path = arena.folder / "x.camp"
    path.write_text(
        'campaign "c" { }\ntool good { command "/usr/bin/touch" "' + str(arena.folder / "ran") + '" }\n'
        f'tool gone {{ command "{MISSING[kind]}" }}\ninstance a {{ run good }}\ninstance b {{ run gone }}\n'
    )
    done = arena.exec(path)
    assert done.returncode == 3
    assert "error[CAMP" in done.stderr
    assert not (arena.folder / "ran").exists()


def test_a_script_without_an_interpreter_is_an_error_and_its_sibling_passes(arena: Arena) -> None:
    script = arena.folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    path = arena.folder / "x.camp"
    path.write_text(
        'campaign "c" { }\ntool good { command "/bin/true" }\ntool odd { command "./script" }\n'
        "instance a { run odd }\ninstance b { run good }\n"
    )
    done = arena.exec(path)
    assert done.returncode == 1
    assert arena.verdicts() == {"a#0": "error", "b#0": "pass"}


def test_a_run_directory_that_vanishes(arena: Arena) -> None:
    done = arena.exec(arena.spec(TWO.format(mode="vanish", timeout="60s")))
    assert done.returncode in {0, 1}
    assert arena.verdicts()["pass#0"] == "pass"
