"""Looking on while a daemon works: what is in the way is said, and so is what goes on without us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.waiting import PATIENCE_S, wait_for

from campaign.engine.workspace import STALE_S

SPEC = """campaign "looked-on" { parallel 4 }
tool t { command "sh" "-c" "{script}"; param script: string = "true" }
group g {
  needs gpu = 1
  instance good { seeds 1..2; run t }
}
instance bad { prefer gpu = 2; script = "exit 3"; retry { attempts = 2 }; run t }
"""


class Yard:
    """A workspace with a daemon of two places, and who looks on."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = {**environ, "HOME": str(folder), "CAMPAIGN_SLOTS": "gpu=1"}
        self.lock = folder / ".campaign/daemon.lock"
        self.pid = 0
        self._started = 0

    def start(self) -> None:
        """A daemon; its supervisors and its log outlive the command, so nothing waits for their end of a pipe."""
        command = [sys.executable, "-m", "campaign", "daemon", "--detach", "--parallel", "2"]
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, cwd=self.folder, env=self.environ, check=True, timeout=PATIENCE_S, **quiet)
        self.pid = json.loads(self.call("status", "--format", "json").stdout)["holder"]["pid"]

    def stop(self) -> None:
        """The daemon goes, in order."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while json.loads(self.call("status", "--format", "json").stdout)["holder"] is not None:
            assert time.monotonic() < deadline

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command to its end; the client's own slots are not the daemon's."""
        command = [sys.executable, "-m", "campaign", *arguments]
        environ = {**self.environ, "CAMPAIGN_SLOTS": "gpu=7"}
        return subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    def begin(self, *arguments: str) -> Onlooker:
        """A command that goes on."""
        self._started += 1
        return Onlooker(self, self.folder / f"said-{self._started}", arguments)

    def submit(self, text: str) -> str:
        """Queue a campaign; its id."""
        spec = self.folder / "looked-on.camp"
        spec.write_text(text)
        return self.call("submit", str(spec)).stdout.strip()


class Onlooker:
    """A command that looks on; ``said`` is what it has written to standard error."""

    def __init__(self, yard: Yard, path: Path, arguments: tuple[str, ...]) -> None:
        self._path = path
        with open(path, "wb") as said:
            command = [sys.executable, "-m", "campaign", *arguments]
            self.process = subprocess.Popen(
                command, cwd=yard.folder, env=yard.environ, stdout=subprocess.DEVNULL, stderr=said
            )

    def said(self) -> str:
        return self._path.read_text()

    def until(self, text: str) -> None:
        wait_for(lambda: text in self.said(), story=self.said)

    def end(self) -> int:
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def yard(tmp_path: Path, clean_environ: dict[str, str]) -> Iterator[Yard]:
    made = Yard(tmp_path, clean_environ)
    made.start()
    yield made
    os.kill(made.pid, signal.SIGCONT)
    os.kill(made.pid, signal.SIGTERM)


def tokens(text: str) -> list[dict[str, str]]:
    """The tokens of ``text``, as the reference describes them."""
    pairs = [[pair.partition("=") for pair in line.split(" ")[1:]] for line in text.splitlines()]
    return [{name: unquote(value) for name, _, value in each} for each in pairs]


def test_tokens_tell_the_same_where_a_daemon_carries_it_out(yard: Yard) -> None:
    (yard.folder / "t.camp").write_text(SPEC)
    done = yard.call("exec", "t.camp", "--tokens")
    assert done.returncode == 1, done.stderr
    told = tokens(done.stdout)
    assert [each["stage"] for each in told if "stage" in each] == ["plan", "run", "report", "end"]
    assert {"device": "gpu", "count": "1", "origin": "environment"} in told
    (run,) = [each for each in told if each.get("stage") == "run"]
    assert (run["runs"], run["parallel"]) == ("3", "2")
    states = [each["queue"] for each in told if "queue" in each and each["run"] == "g.good#2"]
    assert states == ["admitted", "starting", "running", "judging", "done"]
    results = [each for each in told if "result" in each]
    assert {each["granted"] for each in results if each["run"].startswith("g.")} == {"gpu=0"}
    assert {each.get("fallback") for each in results if each["run"] == "bad#0"} == {"too_few_gpu"}
    assert [(each["attempt"], each["final"], each["failure"]) for each in results if each["run"] == "bad#0"] == [
        ("1", "false", "exit"),
        ("2", "true", "exit"),
    ]
    progress = [each for each in told if "progress" in each]
    assert progress[0] == {"progress": "0", "total": "3"}
    assert progress[-1] == {"progress": "3", "total": "3", "pass": "2", "fail": "1"}
    end = told[-1]
    assert (end["status"], end["state"], end["pass"], end["fail"]) == ("1", "finished", "2", "1")


SLOW = """campaign "looked-on" { }
tool t { command "sleep" "1000" }
group b { instance i { run t } }
"""


def test_a_pause_is_said_and_an_interrupted_onlooker_says_what_goes_on(yard: Yard) -> None:
    yard.call("pause", "--all")
    name = yard.submit(SLOW)
    yard.call("pause", name, "--group", "b")
    onlooker = yard.begin("wait", name)
    onlooker.until("campaign: everything is paused: campaign resume --all\n")
    onlooker.until(f"campaign: b of {name} is paused: campaign resume {name} --group b\n")
    onlooker.process.send_signal(signal.SIGINT)
    assert onlooker.end() == 130
    said = onlooker.said()
    assert said.count("is paused") == 2
    assert f"{name} goes on, carried out by process {yard.pid}" in said
    assert f"campaign wait {name}" in said
    assert f"campaign cancel {name}" in said


def test_an_attached_exec_says_what_is_paused_and_what_goes_on(yard: Yard) -> None:
    yard.call("pause", "--all")
    (yard.folder / "slow.camp").write_text(SLOW)
    onlooker = yard.begin("exec", "slow.camp")
    onlooker.until("everything is paused")
    onlooker.process.send_signal(signal.SIGINT)
    assert onlooker.end() == 130
    assert "goes on, carried out by" in onlooker.said()


def test_a_daemon_that_gives_no_sign_is_said(yard: Yard) -> None:
    name = yard.submit(SLOW)
    os.kill(yard.pid, signal.SIGSTOP)
    long_ago = time.time() - STALE_S - 1
    os.utime(yard.lock, (long_ago, long_ago))
    onlooker = yard.begin("wait", name)
    onlooker.until("has given no sign for 15 s")
    onlooker.process.send_signal(signal.SIGINT)
    assert onlooker.end() == 130


@pytest.mark.parametrize("served", [True, False])
def test_a_retried_campaign_is_not_held_by_a_pause_of_its_former_life(yard: Yard, served: bool) -> None:
    name = yard.submit(SLOW.replace('"sleep" "1000"', f'"sh" "-c" "test -e {yard.folder}/quick || exec sleep 1000"'))
    assert yard.call("pause", name, "--group", "b").returncode == 0
    assert yard.call("cancel", name).returncode == 0
    assert yard.call("wait", name).returncode == 5
    (yard.folder / "quick").touch()
    if not served:
        yard.stop()
        assert yard.call("retry", name).returncode == 0
        yard.start()
    done = yard.call(*(("retry", name, "--wait") if served else ("wait", name)))
    assert done.returncode == 0, done.stderr
    assert "paused" not in done.stderr


def test_who_waits_for_an_exec_ends_with_its_status(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    """An exec goes as soon as its campaign is over, with or before the last word of it."""
    held = f"until test -e {tmp_path}/go; do sleep 0.05; done; sleep 0.5; exit 3"
    spec = (
        f'tool t {{ command "sh" "-c" "{held}" }}\ncampaign "c" {{ parallel 1 }}\ninstance i {{ seeds 1..3; run t }}\n'
    )
    (tmp_path / "c.camp").write_text(spec)
    command = [sys.executable, "-m", "campaign"]
    given: Any = {
        "cwd": tmp_path,
        "env": {**clean_environ, "HOME": str(tmp_path)},
        "stderr": subprocess.PIPE,
        "text": True,
    }
    with subprocess.Popen([*command, "exec", "c.camp"], stdout=subprocess.DEVNULL, **given) as executing:
        listing = [*command, "list", "--format", "json"]
        wait_for(lambda: "running" in subprocess.run(listing, stdout=subprocess.PIPE, check=False, **given).stdout)
        with subprocess.Popen([*command, "wait", "c"], stdout=subprocess.PIPE, **given) as waited:
            (tmp_path / "go").touch()
            told = waited.communicate(timeout=PATIENCE_S)
        executing.communicate(timeout=PATIENCE_S)
    assert (executing.returncode, waited.returncode) == (1, 1), told
