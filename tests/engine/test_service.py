"""A real daemon's socket: whatever a client sends, it is answered or hung up on, and everybody else goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.waiting import PATIENCE_S, wait_for

from campaign.diagnostics import CampaignError
from campaign.engine import asking, wire
from campaign.engine.asking import Line, Watch, ask_to_go, call
from campaign.engine.service import Service
from campaign.engine.workspace import Workspace, WorkspaceLock
from campaign.ledger.queries import LedgerReader

from .conftest import make_campaign

_NOBODY = 65534


class Daemon:
    """A daemon as a process of its own, in the foreground; ``said`` is what it wrote."""

    def __init__(self, workspace: Path, environ: dict[str, str]) -> None:
        self.workspace = str(workspace)
        self.log = workspace.parent / f"{workspace.name[:40]}.log"
        with open(self.log, "wb") as log:
            command = [sys.executable, "-m", "campaign", "daemon", "--parallel", "1", "--workspace", self.workspace]
            self.process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.until(lambda: "serves" in self.said())

    def said(self) -> str:
        return self.log.read_text()

    def until(self, done: Callable[[], bool]) -> None:
        wait_for(done, story=self.said)

    def call(self) -> Line:
        line = call(self.workspace)
        assert line is not None
        return line

    def raw(self) -> socket.socket:
        sock = wire.connect(self.workspace, PATIENCE_S)
        assert sock is not None
        return sock

    def live(self) -> wire.Live:
        line = self.call()
        try:
            return line.ask("status", None, wire.Live)
        finally:
            line.close()

    def end(self) -> int:
        for number in (signal.SIGCONT, signal.SIGTERM):
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all that it must survive; afterwards it still serves, and leaves in order."""
    folder = tmp_path_factory.mktemp("service")
    made = Daemon(folder / "ws", {**os.environ, "HOME": str(folder)})
    yield made
    assert made.live().queue
    assert made.end() == 0


@pytest.fixture
def own(tmp_path: Path, clean_environ: dict[str, str]) -> Iterator[Daemon]:
    """A daemon that may come to harm."""
    made = Daemon(tmp_path / "ws", {**clean_environ, "HOME": str(tmp_path)})
    yield made
    made.end()


def talk(daemon: Daemon, data: bytes) -> list[dict[str, Any]]:
    """Send it, and hear everything that comes until the daemon hangs up or has answered once."""
    with daemon.raw() as sock:
        with suppress(BrokenPipeError, ConnectionResetError):  # hung up on in mid-sentence
            sock.sendall(data)
        with sock.makefile("rb") as incoming, suppress(ConnectionResetError):
            line = incoming.readline()
            return [json.loads(line)] if line else []
    return []


def for_ever(act: Callable[[], object]) -> None:
    while True:
        act()


def request(verb: str, args: object, v: int = 1) -> bytes:
    return json.dumps({"v": v, "id": 7, "verb": verb, "args": args}).encode() + b"\n"


MALFORMED = [
    b"\n",
    b"not json\n",
    b"\xff\xfe\x00\n",
    b"[]\n",
    b"null\n",
    b'{"v": 1, "id": 7\n',
    b'{"v": 1, "id": "seven", "verb": "status"}\n',
    b'{"v": 1, "id": 7}\n',
    b"[" * 100_000 + b"\n",
    b'{"v": 1, "id": 7, "verb": "status", "args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
]


@pytest.mark.parametrize("line", MALFORMED)
def test_what_is_no_request_is_said_so_and_hung_up_on(daemon: Daemon, line: bytes) -> None:
    with daemon.raw() as sock:
        sock.sendall(line)
        with sock.makefile("rb") as incoming:
            answer = json.loads(incoming.readline())
            assert (answer["id"], answer["error"][0]["code"]) == (0, "CAMP520")
            assert incoming.readline() == b""


class Listener:
    """A client that keeps what it is refused with."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def refuse(self, _request: int, error: CampaignError) -> None:
        self.told += [each.code for each in error.diagnostics]


@pytest.mark.parametrize("changed", [False, True])
def test_what_cannot_be_read_in_the_middle_of_a_change_is_no_fault_of_the_client(changed: bool) -> None:
    service, client = object.__new__(Service), Listener()

    def verb(*_: object) -> None:
        with service._changing() if changed else nullcontext():
            raise msgspec.ValidationError("a row of the ledger")

    service._clients, service._verbs, service._half_changed = {client}, {"change": verb}, False  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError) if changed else nullcontext():
        service.asked(client, request("change", {}))  # type: ignore[arg-type]
    assert client.told == ["CAMP528" if changed else "CAMP520"]


WRONG = [
    request("status", {}, v=2),
    request("fly", {}),
    request("", None),
    request("__class__", {}),
    request("submit", {}),
    request("submit", None),
    request("submit", [1, 2]),
    request("submit", {"campaign": {"id": 5}, "blobs": {}}),
    request("submit", {"campaign": {}, "blobs": {"x": "not base64!"}}),
    request("enqueue", {"campaign": 3, "submission": "s"}),
    request("retry", "all of it"),
    request("pause", {"campaign": ["a"]}),
    request("cancel", {"prefix": 1}),
    request("follow", {}),
    request("follow", {"campaign": None}),
]


@pytest.mark.parametrize("line", WRONG)
def test_a_request_that_is_not_understood_is_refused_under_its_number(daemon: Daemon, line: bytes) -> None:
    (answer,) = talk(daemon, line)
    assert (answer["id"], [each["code"] for each in answer["error"]]) == (7, ["CAMP520"])
    assert "ok" not in answer


@pytest.mark.parametrize("verb", ["enqueue", "retry", "pause", "cancel", "follow"])
@pytest.mark.parametrize("name", ["", "nothing", "\0", "x" * 1_000_000, "'; DROP TABLE campaign"])
def test_a_campaign_that_is_not_there_is_refused(daemon: Daemon, verb: str, name: str) -> None:
    (answer,) = talk(daemon, request(verb, {"campaign": name, "submission": "s"}))
    assert answer["error"][0]["code"] == "CAMP580"


def test_a_line_that_is_too_long_is_hung_up_on(daemon: Daemon) -> None:
    assert talk(daemon, b"x" * (wire.LONGEST + (1 << 20))) == []


def test_the_longest_line_is_read(daemon: Daemon) -> None:
    line = request("pause", {"campaign": "x" * (wire.LONGEST - 200)})
    (answer,) = talk(daemon, line)
    assert answer["error"][0]["code"] == "CAMP580"


def test_half_a_line_and_then_nothing(daemon: Daemon) -> None:
    half, whole = daemon.raw(), request("status", {})
    half.sendall(whole[:10])
    assert daemon.live().queue
    half.sendall(whole[10:])
    with half.makefile("rb") as incoming:
        assert json.loads(incoming.readline())["ok"]["queue"]
    half.sendall(whole[:10])
    half.close()


def test_many_requests_in_one_write_are_answered_in_order(daemon: Daemon) -> None:
    lines = [json.dumps({"v": 1, "id": number, "verb": "status"}).encode() + b"\n" for number in range(300)]
    with daemon.raw() as sock:
        sock.sendall(b"".join(lines))
        with sock.makefile("rb") as incoming:
            assert [json.loads(incoming.readline())["id"] for _ in lines] == list(range(300))


def test_who_never_reads_is_hung_up_on_and_nobody_waits_for_it(daemon: Daemon) -> None:
    sock, line = daemon.raw(), request("fly", {}) * 1000
    sock.settimeout(PATIENCE_S)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for_ever(lambda: sock.sendall(line))
    assert daemon.live().queue
    sock.close()


def test_two_hundred_clients_at_once(daemon: Daemon) -> None:
    lines = [daemon.call() for _ in range(200)]
    try:
        assert all(line.ask("status", None, wire.Live).queue for line in lines)
    finally:
        for line in lines:
            line.close()


def test_more_clients_than_there_is_room_for_wait_for_others_to_leave(tmp_path: Path, clean_environ: Any) -> None:
    folder = tmp_path / "ws"
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); sys.argv[0] = 'campaign'; "
    )
    wrapper = script + "runpy.run_module('campaign', run_name='__main__')"
    log = tmp_path / "log"
    with open(log, "wb") as out:
        command = [sys.executable, "-c", wrapper, "daemon", "--parallel", "1", "--workspace", str(folder)]
        process = subprocess.Popen(command, env=clean_environ, stdout=out, stderr=out)
    wait_for(lambda: b"serves" in log.read_bytes(), story=log.read_text)
    crowd = [wire.connect(str(folder), PATIENCE_S) for _ in range(100)]
    late = call(str(folder))
    assert late is not None
    for sock in crowd:
        assert sock is not None
        sock.close()
    assert late.ask("status", None, wire.Live).queue
    late.close()
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_a_defect_in_one_clients_request_is_that_clients(daemon: Daemon) -> None:
    row = msgspec.structs.replace(make_campaign("huge-1"), seed=1 << 100, submission="s")  # no integer of SQLite's
    args = msgspec.to_builtins(wire.Submit(row, {}))
    line = daemon.call()
    with pytest.raises(CampaignError) as refused:
        line.ask("submit", wire.Submit(row, {}), wire.Done)
    assert [each.code for each in refused.value.diagnostics] == ["CAMP528"]
    assert refused.value.status == 70
    assert line.ask("status", None, wire.Live).queue, "the same connection goes on"
    line.close()
    assert "OverflowError" in daemon.said(), args
    with LedgerReader(Workspace(daemon.workspace).ledger) as ledger:
        assert ledger.campaign("huge-1") is None


def test_a_ledger_that_is_gone_stops_the_daemon(own: Daemon) -> None:
    ledger = Path(own.workspace) / "ledger.sqlite"
    ledger.rename(ledger.with_suffix(".away"))
    (answer,) = talk(own, request("pause", {}))
    assert answer["error"][0]["code"] in {"CAMP500", "CAMP506"}
    assert own.process.wait(PATIENCE_S) == 3
    assert "Traceback" not in own.said()


def test_a_workspace_whose_path_is_longer_than_a_sockets(tmp_path: Path, clean_environ: dict[str, str]) -> None:
    folder = tmp_path / ("a" * 120) / ("b" * 120)
    folder.parent.mkdir()
    made = Daemon(folder, {**clean_environ, "HOME": str(tmp_path)})
    assert made.live().queue
    assert made.end() == 0


def test_a_socket_that_a_dead_daemon_left(own: Daemon, clean_environ: dict[str, str]) -> None:
    own.process.kill()
    own.process.wait()
    assert os.path.lexists(os.path.join(own.workspace, "daemon.sock"))
    assert call(own.workspace) is None
    following = Daemon(Path(own.workspace), clean_environ)
    assert following.live().queue
    assert following.end() == 0
    assert not os.path.lexists(os.path.join(own.workspace, "daemon.sock"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_hung_up_on(own: Daemon) -> None:
    """Even where the permissions of folder and socket let it through."""
    sock = os.path.join(own.workspace, "daemon.sock")
    os.chmod(own.workspace, 0o711)
    os.chmod(sock, 0o666)
    link = f"/tmp/campaign-test-{os.getpid()}.sock"  # where a user without rights in our folders reaches it
    os.link(sock, link)
    script = (
        "import os, socket, sys; os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2])); "
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(10))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, link, str(_NOBODY)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        os.unlink(link)
    assert done.stdout == "b''\n", done.stderr
    assert own.live().queue


def test_who_watches_hears_of_every_change(daemon: Daemon) -> None:
    watch = Watch(daemon.call())
    assert watch.news(PATIENCE_S) is not None
    line = daemon.call()
    line.ask("pause", wire.Control(), wire.Done)
    assert watch.news(PATIENCE_S) is not None
    line.ask("resume", wire.Control(), wire.Done)
    assert watch.news(PATIENCE_S) is not None
    line.close()
    watch.close()


def test_who_watches_a_daemon_that_goes_is_told(own: Daemon) -> None:
    watch = Watch(own.call())
    assert watch.news(PATIENCE_S) is not None
    own.process.kill()
    with pytest.raises(EOFError):
        for_ever(lambda: watch.news(PATIENCE_S))
    watch.close()


def test_a_daemon_that_was_stopped_says_nothing(own: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    own.process.send_signal(signal.SIGSTOP)
    watch = Watch(own.call())
    assert watch.news(0.2) is None
    monkeypatch.setattr(asking, "PATIENCE_S", 0.2)
    with pytest.raises(CampaignError, match="CAMP525"):
        own.live()
    watch.close()


# --- taking the place of a daemon ---------------------------------------------------------------------------------

_HOLDER = """
import os, sys, json, socket
from campaign.engine import wire
from campaign.engine.workspace import Workspace, WorkspaceLock
place = Workspace(sys.argv[1]); place.prepare(); lock = WorkspaceLock(place); assert lock.try_acquire(); lock.sign()
sock = wire.listen(place.path); print("ready", flush=True)
live = {"pid": os.getpid(), "queue": True, "epoch": 1, "places": 1, "running": 0}
caller, _ = sock.accept()
for line in caller.makefile("rb"):
    asked = json.loads(line)
    answer = {"v": 1, "id": asked["id"], "ok": live if asked["verb"] == "status" else {}}
    caller.sendall(json.dumps(answer).encode() + b"\\n")
sys.stdin.read()
"""


def test_a_daemon_that_says_that_it_goes_and_stays_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """As one that is stopped between its answer and its end."""
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "ws")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        place = Workspace(str(tmp_path / "ws"))
        lock = WorkspaceLock(place)
        with pytest.raises(CampaignError) as raised:
            ask_to_go(place, lock, patience_s=0.3)
        assert raised.value.status == 3
        assert f"process {holder.pid} said that it goes" in str(raised.value)
        holder.communicate()
        ask_to_go(place, lock)  # nobody answers any more, and the lock is free
        lock.release()


def test_a_client_waits_for_its_turn_and_nothing_is_lost(tmp_path: Path) -> None:
    place = Workspace(str(tmp_path / "ws"))
    place.prepare()
    other = WorkspaceLock(place)
    assert other.try_acquire()  # another client, or a daemon that is not there for clients yet
    done = wire.Done(("c-1",), 1)
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(asking.ask, place.path, "pause", wire.Control(None), lambda _: done) for _ in range(3)]
        finished, _ = wait(asked, timeout=0.3)
        assert not finished, [each.exception() for each in finished]
        other.release()
        assert [each.result() for each in asked] == [(done, False)] * 3


def test_whoever_does_not_let_go_is_named_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workspace(str(tmp_path / "ws"))
    place.prepare()
    other = WorkspaceLock(place)
    assert other.try_acquire()
    monkeypatch.setattr(asking, "TURNS_S", 0.1)
    with pytest.raises(CampaignError, match="CAMP524"):
        asking.ask(place.path, "pause", wire.Control(None), lambda _: wire.Done((), 1))
    other.release()


def test_an_exec_is_not_asked_to_go(tmp_path: Path) -> None:
    place = Workspace(str(tmp_path / "ws"))
    place.prepare()
    lock, other = WorkspaceLock(place), WorkspaceLock(place)
    assert lock.try_acquire()
    with pytest.raises(CampaignError, match="CAMP524"):
        ask_to_go(place, other, patience_s=0.1)
    lock.release()
    other.release()
