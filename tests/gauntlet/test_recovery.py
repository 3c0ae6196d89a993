"""A server that hangs, dies or takes no harm: what its watch measures, and what the verdicts make of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .yard import Yard

pytestmark = pytest.mark.gauntlet

#: Answers who connects, on a port that it leaves in a file.
SERVER = """
import os, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with open("draft", "w") as file:
        file.write(str(server.getsockname()[1]))
    os.rename("draft", "port")
    while True:
        server.accept()[0].sendall(b"pong\\n")
"""
PING = "exec 3<>/dev/tcp/127.0.0.1/$(cat port) && read -t 0.5 said <&3 && test $said = pong"
SPEC = """
campaign "recovery" {{ parallel 4; timeout 60s }}
tool server {{ command "{python}" "{server}" }}
tool up {{ command "/bin/sh" "-c" "until test -e port; do sleep 0.02; done" }}
tool nap {{ command "/bin/sleep" "0.9" }}
group db {{
  serve db: server
  run up
  run nap
  watch ping: command {{ argv = ["/bin/bash", "-c", "{ping}"]; every = 50ms }}

  instance hangs {{
    fault stop: process.stop {{ after = nap; at = 600ms; for = 1500ms; sla = {sla}; target = db }}
    expect fault.stop.detected and fault.stop.recovery_time > 1500ms
  }}
  instance dies {{ fault kill: process.kill {{ after = nap; at = 600ms; sla = 50s; target = db }} }}
  instance shrugs {{ fault hup: process.signal {{ signal = "CONT"; after = nap; at = 600ms; sla = 1s; target = db }} }}
  instance returns {{ fault back: process.restart {{ after = nap; at = 600ms; for = 700ms; sla = 50s; target = db }} }}
  instance rests {{ }}
}}
"""


def write(yard: Yard, sla: str) -> str:
    server, spec = yard.folder / "server.py", yard.folder / "spec.camp"
    server.write_text(SERVER)
    spec.write_text(SPEC.format(python=sys.executable, server=server, ping=PING, sla=sla))
    return str(spec)


def in_order(*instants: float | None) -> bool:
    known = [each for each in instants if each is not None]
    return len(known) == len(instants) and known == sorted(known)


def test_a_server_that_hangs_is_found_again_and_one_that_is_dead_is_not(yard: Yard) -> None:
    yard.call("exec", write(yard, "30s"), status=1)
    runs = {run["instance"]: run for run in yard.run_files().values()}
    assert {name: run["verdict"] for name, run in runs.items()} == {
        "db.hangs": "pass",
        "db.dies": "fail",
        "db.shrugs": "fail",
        "db.returns": "pass",
        "db.rests": "pass",
    }, {name: run["reason"] for name, run in runs.items()}
    (stop,) = runs["db.hangs"]["faults"]
    assert in_order(*(stop[f"{what}_at_s"] for what in ("planned", "injected", "detected", "recovered"))), stop
    assert stop["within_sla"]
    (back,) = runs["db.returns"]["faults"]
    assert back["recovered_at_s"] >= back["injected_at_s"] + 0.7, "it was waited for beyond the last step"
    assert runs["db.dies"]["reason"] == "fault kill never recovered: its sla is 50 s"
    assert "was never detected" in runs["db.shrugs"]["reason"]
    assert runs["db.shrugs"]["faults"][0]["notes"].endswith("it broke nothing that a watch saw")
    _the_timeline_is_kept(yard, runs["db.hangs"])
    _judged_again(yard)


def _the_timeline_is_kept(yard: Yard, run: dict[str, Any]) -> None:
    (watch,) = run["watches"]
    path = next(Path(yard.folder).glob(f".campaign/runs/*/db.hangs/*/seed-0/attempt-1/{watch['path']}"))
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [[line["at_s"], line["ok"], line["message"]] for line in lines][: watch["changes"]] == watch["timeline"]
    said = yard.call("show", run["campaign"], run["key"])
    assert "stop recovered from" in said
    assert "30 s, kept" in said


def _judged_again(yard: Yard) -> None:
    """With less patience the same timeline is a failure."""
    write(yard, "1501ms")
    assert "recovered too late" in yard.call("recheck", status=1)
