"""What the report of many runs costs: a ledger as a night on a hardware lab leaves it, and the page made from it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from math import exp
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bench.measure import CAMPAIGN, Result, run
from campaign.ledger.rows import Admission, CampaignRow, CampaignState, Ending, Move
from campaign.ledger.store import Ledger
from campaign.records import (
    Decision,
    Directories,
    Exit,
    Failure,
    FailureKind,
    FaultExit,
    FaultOrder,
    MetricOrder,
    OracleOrder,
    OracleRecord,
    Order,
    OutputRecord,
    ProcessExit,
    StepExit,
    StepOrder,
    Verdict,
)

_BEGUN = datetime(2026, 11, 20, 18, tzinfo=UTC)
_PARALLEL = 8
_AT_ONCE = 500
_MESSAGES = (
    "memory differs at 0x7f3a10: wrote 0xaaaaaaaa, read 0xaaaaabaa",
    "checksum of the fft method differs",
    "the machine check counter rose from 0 to 3",
)
_ENV = {f"CAMPAIGN_PARAM_{name}": "1" for name in ("VOLTAGE", "FREQUENCY", "SEED", "METHOD", "DURATION", "THREADS")}
_encode = msgspec.json.Encoder().encode


def measure(*, short: bool) -> list[Result]:
    """Seconds, peak memory and size of the HTML report."""
    runs = 10_000 if short else 100_000
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        base = Path(folder)
        fill(base / ".campaign", runs)
        page = base / "report.html"
        cost = run([*CAMPAIGN, "report", "margins", "--as", "html", "-o", str(page)], base)
        if cost.status != 0:
            raise SystemExit(f"reports: campaign report ended with {cost.status}")
        megabytes = page.stat().st_size / 1e6
    name, detail = f"HTML of {runs:,} runs", f"{cost.cpu_s:.1f} s of processor"
    return [
        Result(f"{name}, time", cost.wall_s, "s", None if short else 10, False, detail),
        Result(f"{name}, peak memory", cost.peak_bytes / 2**20, "MiB", 500, False, ""),
        Result(f"{name}, size", megabytes, "MB", 10, False, ""),
    ]


def fill(workspace: Path, runs: int, seed: int = 7, *, apart: bool = False) -> CampaignRow:
    """A finished campaign more in a ledger: voltage x frequency x temperature under two loads, by its ``seed``.

    ``apart``: the worst that can be analyzed; every run is a cell of its own, has a fault, and fails in its own way.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    campaign = f"margins-20261120T180000Z-{seed:04x}"
    row = CampaignRow(
        id=campaign,
        name="margins",
        about="Where does the board fail, and what does it say?",
        spec="/lab/specs/margins.camp",
        run_root=str(workspace / "runs" / campaign),
        plan_hash="5f1d0c6b9a2e47f38c01d2b4a6e8f013",
        seed=42,
        tier="nightly",
        total=runs,
        parallel=_PARALLEL,
        created_at=_text(_BEGUN),
    )
    Path(row.run_root).mkdir(parents=True)
    ledger = Ledger(str(workspace / "ledger.sqlite"))
    ledger.begin_campaign(row, {})
    changes: list[Admission | Move | Ending | CampaignState] = []
    ends = [_BEGUN] * _PARALLEL
    for order, failed, number in _orders(row, runs, random.Random(seed)):
        slot = min(range(_PARALLEL), key=lambda index: ends[index])
        changes += _story(_apart(order) if apart else order, failed or apart, ends, slot, number)
        if len(changes) >= _AT_ONCE:
            ledger.commit(changes)
            changes = []
    at = _text(max(ends))
    ledger.commit([*changes, CampaignState(campaign=campaign, state="finished", at=at, exit_status=1)])
    ledger.close()
    return row


def _orders(row: CampaignRow, runs: int, drawn: random.Random) -> Iterator[tuple[Order, bool, float]]:
    """Each run in the order of its plan, whether it fails, and a number for its duration and metric."""
    axes = [("memtest", "fft"), ("25C", "85C"), range(700, 950, 10), range(2000, 4000, 100)]
    seeds = max(1, runs // 2000)
    for index, (load, heat, voltage, clock, seed) in enumerate(product(*axes, range(1, seeds + 1))):  # type: ignore[arg-type]
        if index == runs:
            return
        margin = voltage - (560 + clock * 0.085 + (15 if heat == "85C" else 0) + (10 if load == "fft" else 0))
        failed = drawn.random() < 1 / (1 + exp(max(-50.0, min(50.0, margin / 6))))
        cell = f"margin.{load}[temperature={heat},voltage={voltage}mV,frequency={clock}MHz]"
        where = f"{row.run_root}/margin/{index // seeds}/seed-{seed}/attempt-1"
        settings = {"temperature": heat, "voltage": f"{voltage}mV", "frequency": f"{clock}MHz"}
        step = StepOrder(
            label=load,
            tool="stress",
            argv=("/usr/bin/stress-ng", f"--{load}", "1", "--seed", str(seed), "--metrics"),
            env=_ENV,
            values=settings,
            metrics=(MetricOrder("ops", r"ops: ([\d.]+)"),),
        )
        order = Order(
            token=f"{row.id[-4:]}{index:028x}",
            epoch=1,
            campaign=row.id,
            campaign_name=row.name,
            key=f"{cell}#{seed}",
            id=f"{index:016x}",
            attempt=1,
            instance="margin.{load}",
            cell=cell,
            seed=seed,
            tier="nightly",
            axes={"load": load, **settings},
            settings={**settings, "load": load, "threads": 4, "duration": "10s", "method": load},
            directories=Directories(public=where, private=where, work=f"{where}/work"),
            needs={"board": 1},
            timeout_s=60.0,
            steps=(step,),
            oracles=(OracleOrder(label="memory", oracle="text.matches", settings={"pattern": "ok"}),),
            environment={"PATH": "/usr/bin:/bin", "HOME": "/home/lab", "LANG": "C.UTF-8"},
        )
        yield order, failed, drawn.gauss(10, 0.8) + clock / 1000


def _apart(order: Order) -> Order:
    cell = f"{order.cell[:-1]},seed={order.seed}]"
    return replace(
        order, cell=cell, key=f"{cell}#{order.seed}", faults=(FaultOrder(label="kill", fault="process.kill", at_s=1.0),)
    )


def _injected(fault: FaultOrder, number: float) -> FaultExit:
    """Detected and recovered from at times of its own."""
    detected, recovered = round(1 + number / 50, 6), round(2 + number / 20, 6)
    return FaultExit(fault.label, fault.fault, 1.0, injected_at_s=1.0, detected_at_s=detected, recovered_at_s=recovered)


def _story(
    order: Order, failed: bool, ends: list[datetime], slot: int, number: float
) -> Iterator[Admission | Move | Ending]:
    """An attempt from its admission to its verdict, on the slot that is free first."""
    start, seconds = ends[slot], number / 2 if failed else number
    ends[slot] = start + timedelta(seconds=seconds + 0.05)
    begun, ended = _text(start), _text(start + timedelta(seconds=seconds))
    message = _MESSAGES[int(number * 1000) % len(_MESSAGES)]
    step = StepExit(
        label=order.steps[0].label,
        tool="stress",
        argv=order.steps[0].argv,
        exit=ProcessExit(code=int(failed)),
        duration_s=seconds,
        ok=not failed,
        metrics={"ops": f"{number * 1234:.2f}"},
        output=OutputRecord("output.log", 4000),
    )
    exit_ = Exit(
        token=order.token,
        epoch=1,
        digest="",
        started_at=begun,
        finished_at=ended,
        duration_s=seconds,
        boot_id="8d0e",
        steps=(step,),
        faults=tuple([_injected(fault, number) for fault in order.faults]),
        granted={"board": (slot,)},
        output=OutputRecord("output.log", 4000),
    )
    mark = order.id if order.faults else f"{_MESSAGES.index(message):016x}"
    failure = Failure(FailureKind.ORACLE, message, mark) if failed else None
    verdict = Verdict.FAIL if failed else Verdict.PASS
    yield Admission(order=order, data=_encode(order), cause="plan", at=begun)
    for source, target in (("admitted", "starting"), ("starting", "running"), ("running", "judging")):
        yield Move(order=order, source=source, target=target, cause="plan", at=begun)
    yield Ending(
        order=order,
        source="judging",
        cause="plan",
        at=ended,
        decision=Decision(verdict, message if failed else "", failure),
        exit=_encode(exit_),
        oracles=(OracleRecord("memory", "text.matches", not failed, message if failed else ""),),
        started_at=begun,
        duration_s=seconds,
    )


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
