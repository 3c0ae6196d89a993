"""What every test can use: the command line in process and as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# A busy machine may stop any example for a second: how long one takes says nothing.
settings.register_profile("campaign", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("campaign")
# A runner in the background may have been started with interrupts ignored, and so would be whatever a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # what is started from here is to hear it, this process is not
    signal.signal(signal.SIGHUP, lambda *_: None)
#: Nothing of the developer's own settings reaches a test.
_OURS = ("CAMPAIGN_", "CUDA_", "PYTHONDONTWRITEBYTECODE", "XDG_STATE_HOME", "NO_COLOR", "CI", "GITHUB_")


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture
def clean_environ() -> dict[str, str]:
    """The environment without what would change campaign's behaviour."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


@pytest.fixture
def campaign(tmp_path: Path, clean_environ: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``campaign ARGS`` as a real process in ``tmp_path``; give ``env={…}`` to add variables, ``cwd``, ``input``."""

    def call(
        *arguments: str | Path, env: dict[str, str] | None = None, timeout: float = 120, **kwargs: Any
    ) -> subprocess.CompletedProcess[str]:
        kwargs.setdefault("cwd", tmp_path)
        kwargs.setdefault("capture_output", True)
        return subprocess.run(
            [sys.executable, "-m", "campaign", *map(str, arguments)],
            env={**clean_environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), **(env or {})},
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            **kwargs,
        )

    return call


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run ``campaign ARGS`` in this process, quicker: gives ``exit_code``, ``stdout``, ``stderr``."""
    from campaign.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)

    class Whole(main.Verbs):
        def main(self, args: Any = None, *_: Any, **__: Any) -> Any:
            sys.exit(main.run(list(args or ())))

    runner = CliRunner()

    def call(*arguments: str | Path, input: str | bytes | None = None) -> Any:
        return runner.invoke(Whole("campaign"), [str(argument) for argument in arguments], input=input)

    return call


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Any]:
    """Record a campaign in a real ledger under ``tmp_path/.campaign``, with its evidence; gives its row.

    ``runs`` are ``(cell, seed, [outcome of each attempt])``; an outcome is ``pass``, ``fail: message``,
    ``error: message``, ``orphaned: message``, ``canceled`` or ``running``.  ``axes`` names the parts of a cell's name, as its axes.
    """
    from campaign.ledger.rows import Admission, CampaignRow, CampaignState, Move
    from campaign.ledger.store import Ledger
    from campaign.plan.identity import run_id

    workspace = tmp_path / ".campaign"
    at = "2026-11-20T10:00:0{}Z".format

    def record(
        runs: list[tuple[str, int, list[str]]],
        name: str = "crash",
        number: int = 0,
        axes: tuple[str, ...] = (),
        **changes: Any,
    ) -> Any:
        campaign = f"{name}-20261120T10000{number}Z-ab12"
        row = CampaignRow(
            **{
                "id": campaign,
                "name": name,
                "spec": f"/specs/{name}.camp",
                "plan_hash": "0" * 32,
                "seed": 42,
                "run_root": str(workspace / "runs" / campaign),
                "parallel": 2,
                "created_at": at(number),
                "total": len(runs),
                "finished_at": at(number + 1),
                "state": "finished",
                "exit_status": 1,
                **changes,
            }
        )
        workspace.mkdir(exist_ok=True)
        ledger = Ledger(str(workspace / "ledger.sqlite"))
        ledger.begin_campaign(row, {})
        for cell, seed, outcomes in runs:
            for attempt, outcome in enumerate(outcomes, start=1):
                order = _an_order(row, cell, seed, attempt, run_id(name, f"{cell}#{seed}", attempt))
                if axes:
                    order = msgspec.structs.replace(order, axes=dict(zip(axes, cell.split("."), strict=True)))
                cause = "plan" if attempt == 1 else "policy"
                ledger.commit([Admission(order=order, data=msgspec.json.encode(order), cause=cause, at=at(number))])
                for source, target in (("admitted", "starting"), ("starting", "running"), ("running", "judging")):
                    if (outcome, target) != ("running", "judging"):
                        ledger.commit([Move(order=order, source=source, target=target, cause=cause, at=at(number))])
                again = "policy" if attempt < len(outcomes) else None
                ending = _an_ending(order, outcome, cause, at(number + 1), again)
                ledger.commit([] if ending is None else [ending])
        ledger.commit(
            [CampaignState(campaign=campaign, state=row.state, at=row.finished_at, exit_status=row.exit_status)]
        )
        ledger.close()
        return row

    return record


def _an_order(campaign: Any, cell: str, seed: int, attempt: int, run: str) -> Any:
    from campaign.records import Directories, Order, StepOrder

    public = Path(campaign.run_root) / cell / f"seed-{seed}" / f"attempt-{attempt}"
    public.mkdir(parents=True)
    step = StepOrder(label="writer", tool="sqlite.writer", argv=("writer", "--db=x"), env={"HOME": "/home/me"})
    return Order(
        token=f"{campaign.id}-{cell}-{seed}-{attempt}".replace("/", "_"),
        epoch=1,
        campaign=campaign.id,
        campaign_name=campaign.name,
        key=f"{cell}#{seed}",
        id=run,
        attempt=attempt,
        instance="crash.{journal}",
        cell=cell,
        seed=seed,
        axes={"journal": cell.rpartition(".")[2]},
        directories=Directories(public=str(public), private=str(public), work=str(public / "work")),
        timeout_s=20.0,
        steps=(step,),
    )


def _an_ending(order: Any, outcome: str, cause: str, at: str, again: str | None) -> Any:
    from campaign.ledger.rows import Ending
    from campaign.records import Decision, Exit, Failure, FailureKind, OutputRecord, ProcessExit, StepExit, Verdict

    word, _, message = outcome.partition(": ")
    failure = None
    if message:
        failure = Failure(FailureKind.ORACLE, message, blake2b(message.encode(), digest_size=8).hexdigest())
    output = Path(order.directories.public) / "output.log"
    output.write_text(f"output of {order.key}@{order.attempt}\n", encoding="utf-8")
    if word == "running":
        return None
    log = OutputRecord(path="output.log", total_bytes=output.stat().st_size)
    exited = ProcessExit(code=0)
    step = StepExit(label="writer", tool="sqlite.writer", argv=("writer",), exit=exited, ok=True, duration_s=0.5)
    record = Exit(
        token=order.token,
        epoch=1,
        digest="",
        started_at="2026-11-20T10:00:00Z",
        finished_at=at,
        duration_s=0.75,
        boot_id="boot",
        steps=(step,),
        output=log,
    )
    reason = word if word in {"canceled", "orphaned"} else message
    return Ending(
        order=order,
        source="judging",
        cause=cause,
        at=at,
        decision=Decision(Verdict("error" if word == "orphaned" else word), reason, failure),
        exit=msgspec.json.encode(record),
        again=again,
        started_at=at,
        duration_s=0.75,
    )
