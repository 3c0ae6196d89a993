"""``chain seeds`` with real processes: one served tool for all seeds of a cell, and what becomes of them in a crash."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import kill, left
from .yard import Yard

pytestmark = pytest.mark.gauntlet

#: A server that counts, and says its number and its folder; what asks for ``die`` has it end.
SERVER = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
open("address.new", "w").write(str(listening.getsockname()[1]))
os.rename("address.new", "address")
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
count = 0
while True:
    client, _ = listening.accept()
    word, count = client.recv(99).decode(), count + 1
    print("served", word, flush=True)
    if word == "die":
        os._exit(3)
    client.sendall(f"{count} {os.getpid()}".encode())
    client.close()
"""
CLIENT = """
import os, socket, sys, time
folder, seed, mode, gate = sys.argv[1:]
while not os.path.exists(f"{folder}/address"):
    time.sleep(0.01)
asking = socket.create_connection(("127.0.0.1", int(open(f"{folder}/address").read())))
asking.sendall(b"die" if (mode, seed) == ("die", "2") else seed.encode())
print("answer", asking.recv(99).decode())
while seed == "2" and mode == "gated" and not os.path.exists(gate):
    time.sleep(0.01)
sys.exit((mode, seed) == ("fail", "2"))
"""
SPEC = """
campaign "chained" {{ parallel 2; seeds 1..4; timeout 60s }}
tool server {{ command "{python}" "{folder}/server.py" "{folder}/servers" }}
tool client {{
  command "{python}" "{folder}/client.py" "{{chaindir}}" "{{seed}}" "{{mode}}" "{folder}/go"
  param mode: string
  metric count = /answer (\\d+)/
  metric pid = /answer \\d+ (\\d+)/
}}
instance {{mode}} {{ chain seeds; serve one: server; run client; sweep mode = {modes}; expect exit.ok }}
"""


@pytest.fixture
def chained(yard: Yard) -> Yard:
    (yard.folder / "server.py").write_text(SERVER)
    (yard.folder / "client.py").write_text(CLIENT)
    return yard


def spec(yard: Yard, *modes: str) -> str:
    path = yard.folder / "chained.camp"
    words = ", ".join(f'"{mode}"' for mode in modes)
    path.write_text(SPEC.format(python=sys.executable, folder=yard.folder, modes=f"[{words}]"))
    return str(path)


def servers(yard: Yard) -> list[int]:
    """Those that were ever started."""
    path = yard.folder / "servers"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def verdicts(yard: Yard) -> dict[str, tuple[str, int]]:
    """Verdict and number of the attempt, by seed and mode."""
    return {key: (run["verdict"], run["attempt"]) for key, run in sorted(yard.run_files().items())}


def serving(yard: Yard) -> list[str]:
    return left(f"{yard.folder}/server.py")


def under_way(yard: Yard) -> subprocess.Popen[bytes]:
    """An ``exec`` whose second of four runs waits for the gate."""
    command = [sys.executable, "-m", "campaign", "exec", spec(yard, "gated")]
    with open(yard.folder / "said", "wb") as out:
        process = subprocess.Popen(command, cwd=yard.folder, env=yard.environ, stdout=out, stderr=out)
    logs = ".campaign/runs/*/*/*/seed-2/attempt-1/serve/one.log"
    yard.until(lambda: any("served 2" in path.read_text() for path in yard.folder.glob(logs)))
    return process


def supervisor_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_seeds_of_a_cell_share_what_serves_them(chained: Yard) -> None:
    chained.call("exec", spec(chained, "ok", "fail", "die"), status=1)
    runs = chained.run_files()
    assert verdicts(chained) == {
        **{f"ok#{seed}": ("pass", 1) for seed in (1, 2, 3, 4)},
        **{f"fail#{seed}": ("fail" if seed == 2 else "pass", 1) for seed in (1, 2, 3, 4)},
        "die#1": ("pass", 1),
        "die#2": ("fail", 1),
        "die#3": ("skipped", 1),
        "die#4": ("skipped", 1),
    }
    assert runs["die#3"]["reason"] == "an earlier link of its chain broke"
    assert len(servers(chained)) == 3
    for mode in ("ok", "fail"):
        steps = [runs[f"{mode}#{seed}"]["steps"][-1]["metrics"] for seed in (1, 2, 3, 4)]
        assert [int(each["count"]) for each in steps] == [1, 2, 3, 4], "in order, one after the other"
        assert len({int(each["pid"]) for each in steps}) == 1
        for seed in (1, 2, 3, 4):
            [log] = chained.folder.glob(f".campaign/runs/*/*/{mode}/seed-{seed}/attempt-1/serve/one.log")
            assert log.read_text() == f"served {seed}\n", "what it says belongs to the run that it says it in"
    assert not serving(chained)


def test_a_chain_outlives_its_engine_and_is_carried_to_its_end(chained: Yard) -> None:
    process = under_way(chained)
    process.kill()
    process.wait()
    [server] = servers(chained)
    (chained.folder / "go").touch()
    chained.call("exec", "--resume")
    assert verdicts(chained) == {f"gated#{seed}": ("pass", 1) for seed in (1, 2, 3, 4)}
    assert servers(chained) == [server]
    assert not serving(chained)


def test_a_chain_whose_supervisor_is_killed_leaves_nothing_and_is_retried_whole(chained: Yard) -> None:
    process = under_way(chained)
    [server] = servers(chained)
    kill(supervisor_of(server))
    assert process.wait(90) == 1
    assert not serving(chained)
    ends = {key: verdict for key, (verdict, _) in verdicts(chained).items()}
    assert ends == {"gated#1": "pass", "gated#2": "error", "gated#3": "skipped", "gated#4": "skipped"}
    (chained.folder / "go").touch()
    chained.call("retry", str(json.loads(chained.call("list", "--format", "json"))[0]["campaign"]))
    chained.daemon()
    chained.until(lambda: set(verdicts(chained).values()) == {("pass", 2)})
    assert verdicts(chained) == {f"gated#{seed}": ("pass", 2) for seed in (1, 2, 3, 4)}
    assert len(servers(chained)) == 2


def test_an_interrupted_chain_is_gone_on_with_from_its_beginning(chained: Yard) -> None:
    process = under_way(chained)
    process.send_signal(signal.SIGINT)
    chained.until(lambda: "winding down" in (chained.folder / "said").read_text())
    assert serving(chained), "what is under way is a whole chain"
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    assert not serving(chained)
    (chained.folder / "go").touch()
    chained.call("exec", "--resume")
    assert verdicts(chained) == {f"gated#{seed}": ("pass", 2) for seed in (1, 2, 3, 4)}
