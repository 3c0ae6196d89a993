"""Environments: what a tool that was started with them finds."""

from __future__ import annotations

import os
import subprocess

import pytest

from campaign.plugins.api import Fault, Injected
from campaign_standard.env import Set, Unset

from .holds import held, values


def environment(done: Injected, **env: str) -> dict[str, str]:
    """What a tool sees that was started as a supervisor does."""
    path = {"PATH": os.environ["PATH"]}
    command = [*done.wrap, "/usr/bin/env", "--null"]
    said = subprocess.run(command, env={**path, **env, **done.env}, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in said.split("\0") if line)


def test_a_variable_has_another_value() -> None:
    with held(Set(), variable="TZ", value="Asia/Tokyo") as done:
        assert environment(done, TZ="UTC")["TZ"] == "Asia/Tokyo"
        assert "Tokyo" not in (done.notes or ""), "a value may be a secret"
    with held(Set(), variable="TZ", value="") as done:
        assert environment(done, TZ="UTC")["TZ"] == ""


def test_a_variable_is_not_there() -> None:
    with held(Unset(), variable="HOME") as done:
        found = environment(done, HOME="/root", LANG="C")
        assert "HOME" not in found
        assert found["LANG"] == "C"


@pytest.mark.parametrize("fault", [Set(), Unset()])
@pytest.mark.parametrize("name", ["", "A=B", "CAMPAIGN_SEED"])
def test_a_name_that_cannot_be_is_refused(fault: Fault, name: str) -> None:
    given = {"variable": name, "value": ""} if isinstance(fault, Set) else {"variable": name}
    assert fault.missing(values(fault, **given)) is not None
    assert fault.missing(values(fault, **{**given, "variable": "A"})) is None


def test_a_machine_without_env(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Unset().available() is None
    monkeypatch.setenv("PATH", "")
    assert Unset().available() == "env was not found: apt-get install coreutils"
