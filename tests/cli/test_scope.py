"""What ``pause``, ``resume`` and ``cancel`` are about: one campaign, a group of it, or, said plainly, everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
@pytest.mark.parametrize("words", [(), ("x", "--all"), ("--group", "g"), ("--all", "--group", "g")])
def test_one_campaign_or_all_of_them(in_process: Callable[..., Any], verb: str, words: tuple[str, ...]) -> None:
    done = in_process(verb, *words)
    assert done.exit_code == 2
    assert "--all" in done.stderr or "--group is about one CAMPAIGN" in done.stderr


@pytest.fixture
def queued(in_process: Callable[..., Any], tmp_path: Path) -> str:
    """A campaign of three runs that nobody carries out."""
    spec = tmp_path / "g.camp"
    spec.write_text(
        'campaign "g" {}\ntool t { command "true" }\n'
        "group sweep { instance a { seeds 1..2; run t } }\ninstance b { run t }\n"
    )
    done = in_process("submit", spec, "--yes")
    assert done.exit_code == 0, done.stderr
    return str(done.stdout.strip())


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_an_empty_group_is_not_the_whole_campaign(in_process: Callable[..., Any], queued: str, verb: str) -> None:
    done = in_process(verb, queued, "--group", "")
    assert done.exit_code == 2
    assert "--group is empty" in done.stderr
    assert '"paused":[],"canceled":[]' in json_of(in_process)


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
@pytest.mark.parametrize("group", ["swee", "nope..x", "sweep.b", "b.c"])
def test_a_group_that_the_campaign_does_not_have(
    in_process: Callable[..., Any], queued: str, verb: str, group: str
) -> None:
    done = in_process(verb, queued, "--group", group)
    assert done.exit_code == 2
    assert "CAMP211" in done.stderr
    assert "sweep.a, b" in done.stderr
    assert '"paused":[],"canceled":[]' in json_of(in_process)


@pytest.mark.parametrize("group", ["sweep", "sweep.a", "b"])
def test_a_group_that_it_has(in_process: Callable[..., Any], queued: str, group: str) -> None:
    assert in_process("pause", queued, "--group", group).exit_code == 0
    assert f'"paused":["{group}"]' in json_of(in_process)


def test_what_was_canceled_is_said_to_be_and_is_retried_as_a_whole(in_process: Callable[..., Any], queued: str) -> None:
    assert in_process("cancel", queued).exit_code == 0
    assert "3 runs were not carried out: canceled" in in_process("show", queued).stdout
    assert f"{queued}: 3 runs to be carried out again" in in_process("retry", queued).stdout


def test_nothing_to_cancel_is_said(in_process: Callable[..., Any], queued: str) -> None:
    assert queued in in_process("cancel", "--all").stdout
    done = in_process("cancel", "--all")
    assert done.exit_code == 0
    assert "no campaign is unfinished" in done.stderr


def json_of(in_process: Callable[..., Any]) -> str:
    """What the queue looks like, without spaces."""
    return "".join(str(in_process("status", "--format", "json").stdout).split())
