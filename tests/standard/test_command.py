"""The oracle ``command``: real programs judge."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from campaign.plugins.api import Judgement, UnableError
from campaign_standard.command import KEPT_BYTES, Command

from .evidence import evidence, judge


def check(tmp_path: Path, script: str, **settings: Any) -> Judgement:
    return judge(Command(), evidence(tmp_path), argv=("/bin/sh", "-c", script), **settings)


def test_exit_status_and_output_are_kept(tmp_path: Path) -> None:
    found = check(tmp_path, "echo out; echo err >&2; exit 3")
    assert not found.ok
    assert (found.exit_code, found.stdout, found.stderr) == (3, "out\n", "err\n")
    assert found.message == "exit status 3, not 0: err"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", ""),
        ("echo reading; echo row 7 is missing; echo; exit 1", ": row 7 is missing"),
        ("echo done; echo row 7 is missing >&2; exit 1", ": row 7 is missing"),
    ],
)
def test_the_last_thing_that_it_said_is_told(tmp_path: Path, script: str, said: str) -> None:
    assert check(tmp_path, script).message == f"exit status 1, not 0{said}"


@pytest.mark.parametrize(("status", "why"), [(126, "may not be executed"), (127, "does not find: .*nonesuch")])
def test_a_shell_that_could_not_run_the_program_judged_nothing(tmp_path: Path, status: int, why: str) -> None:
    script = "nonesuch" if status == 127 else "exit 126"
    with pytest.raises(UnableError, match=f"exit status {status}, as a shell does for what .*{why}"):
        check(tmp_path, script)
    assert check(tmp_path, f"exit {status}", exits=(status,)).ok
    assert check(tmp_path, f"exit {status}", exits=()).ok


def test_it_runs_in_the_working_directory_with_nothing_to_read(tmp_path: Path) -> None:
    found = check(tmp_path, "pwd; cat")
    assert found.ok
    assert found.stdout == f"{tmp_path}/attempt-1/work\n"


@pytest.mark.parametrize(
    ("script", "settings", "message"),
    [
        ("exit 1", {"exits": (0, 1)}, None),
        ("exit 1", {"exits": ()}, None),
        ("echo ok", {"wanted": "^ok$"}, None),
        ("echo nok", {"wanted": "^ok$"}, "its output lacks /^ok$/"),
        ("echo ok >&2", {"wanted": "ok", "forbidden": "Corruption"}, None),
        (
            "echo ok; echo Corruption: 7; exit 0",
            {"wanted": "ok", "forbidden": "Corr"},
            "its output says: Corruption: 7",
        ),
    ],
)
def test_status_wanted_and_forbidden_together(
    tmp_path: Path, script: str, settings: dict[str, Any], message: str | None
) -> None:
    found = check(tmp_path, script, **settings)
    assert found.ok is (message is None)
    assert message is None or found.message == message


@pytest.mark.parametrize("settings", [{}, {"exits": ()}, {"forbidden": "CORRUPT"}, {"exits": (), "wanted": "fine"}])
def test_a_program_that_a_signal_killed_judged_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UnableError, match="was killed by signal 11: it judged nothing"):
        check(tmp_path, "echo fine; echo CORRUPT; kill -SEGV $$", **settings)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    for argv in (("no-such-checker",), ("/etc/passwd",), ("a\0b",)):
        with pytest.raises(UnableError, match="could not be run"):
            judge(Command(), evidence(tmp_path), argv=argv)


def test_a_flood_is_searched_whole_and_kept_in_part(tmp_path: Path) -> None:
    found = check(tmp_path, "yes | head -n 2000000; echo last", wanted="^last$")
    assert found.ok
    assert len(found.stdout) == KEPT_BYTES


def test_what_it_leaves_behind_does_not_hang_it(tmp_path: Path) -> None:
    begun = time.monotonic()
    found = check(tmp_path, "sleep 1000 & echo done")
    assert found.ok
    assert found.stdout == "done\n"
    assert time.monotonic() - begun < 60


def test_a_pattern_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnableError, match="is not a regular expression"):
        check(tmp_path, "true", wanted="(")


def test_a_program_of_the_spec_stands_in_front_of_its_arguments(tmp_path: Path) -> None:
    program = tmp_path / "judge"
    program.write_text('#!/bin/sh\necho "$@"; exit 4\n')
    program.chmod(0o755)
    found = judge(Command(), evidence(tmp_path), program=str(program), argv=("row", "7"))
    assert found.message == "exit status 4, not 0: row 7"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"argv": ()}, "neither program nor argv says what to run"),
        ({"argv": ("true",), "wanted": "("}, "/(/ is not a regular expression: missing ): ("),
        ({"argv": ("true",), "forbidden": "a{2,1}"}, "is not a regular expression"),
        ({"argv": (), "program": "/nonesuch"}, "/nonesuch does not exist"),
        ({"argv": (), "program": "/bin/true"}, None),
    ],
)
def test_what_it_could_never_do_is_told_before_anything_runs(settings: dict[str, Any], why: str | None) -> None:
    given = {"program": "", "exits": (0,), **settings}
    told = Command().missing(given, {"PATH": "/bin:/usr/bin"})
    assert (told is None) == (why is None)
    assert why is None or why in str(told)
