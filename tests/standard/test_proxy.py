"""The proxy and its faults over real sockets: a real proxy in a process of its own, a server behind it, clients."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from campaign.plugins.api import Injection, Service, Step, UnableError
from campaign.plugins.parameters import defaults, from_json
from campaign.proc import boot_id, identify
from campaign_standard import _proxy_control, _proxy_filter
from campaign_standard._proxy_faults import Bandwidth, Blackhole, HalfOpen, Latency, Partition, ProxyFault, Reset
from campaign_standard._proxy_tool import Proxy

SOON_S = 30.0
#: Long enough for what must not come to have come.
QUIET_S = 0.15


class Echo:
    """A server that sends back what it gets; ``accepted`` are its ends of the connections, in order."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []
        self._killed = False
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(sock)
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        try:
            while data := sock.recv(1 << 16):
                sock.sendall(data)
            if not self._killed:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def kill(self) -> None:
        """Reset the first connection."""
        self._killed = True
        sock = self.accepted[0]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
        sock.close()

    def close(self) -> None:
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        for sock in self.accepted:
            sock.close()


class Bench:
    """A proxy in ``folder`` in front of an upstream."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        settings = from_json(Proxy(), {"upstream": upstream})
        step = Step(
            label="proxy",
            settings=defaults(Proxy()) | settings,
            workdir=str(folder),
            seed=0,
            random=0,
            instance="i",
            cell="i",
            attempt=1,
        )
        self.process = subprocess.Popen(Proxy().command(step).argv, cwd=folder, start_new_session=True)
        service = Service(label="proxy", settings=settings, workdir=str(folder), pid=self.process.pid)
        wait_for(lambda: self.process.poll() is not None or Proxy().ready(service))
        self.port = int((Proxy().ready(service) or {})["port"])

    def client(self, timeout: float = SOON_S) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def shown(self) -> dict[str, Any]:
        return _proxy_control.ask(str(self.folder), self.process.pid, {"do": "show"})

    def injection(self, fault: ProxyFault, for_s: float | None = None, random: int = 7, **given: str) -> Injection:
        target = identify(self.process.pid, boot_id())
        settings = defaults(fault) | from_json(fault, given)
        return Injection(
            label="f",
            settings=settings,
            target=target,
            workdir=str(self.folder),
            random=random,
            duration_s=for_s,
        )

    @contextmanager
    def fault(self, fault: ProxyFault, for_s: float | None = 1.0, **given: str) -> Iterator[str | None]:
        """In force; cleared twice, from JSON, which does no harm."""
        injection = self.injection(fault, for_s, **given)
        undo = json.loads(json.dumps(fault.arm(injection)))
        try:
            yield fault.inject(injection, undo).notes
        finally:
            fault.clear(undo)
            fault.clear(undo)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def bench(tmp_path: Path, echo: Echo) -> Iterator[Bench]:
    made = Bench(tmp_path, str(echo.port))
    yield made
    made.close()


def say(sock: socket.socket, text: bytes = b"hello") -> bytes:
    sock.sendall(text)
    return hear(sock, len(text))


def hear(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := sock.recv(size - len(data))):
        data += more
    return data


def silent(sock: socket.socket) -> bool:
    """Whether nothing comes for a while: no byte, no end, no reset."""
    before = sock.gettimeout()
    sock.settimeout(QUIET_S)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(before)
    return False


def test_bytes_pass_and_so_does_an_end(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        assert say(client) == b"hello"
        payload = os.urandom(1 << 20)
        sender = threading.Thread(target=client.sendall, args=(payload,))
        sender.start()
        assert hear(client, len(payload)) == payload
        sender.join()
        client.sendall(b"the last")
        client.shutdown(socket.SHUT_WR)
        assert hear(client, 100) == b"the last", "an end that passes leaves the other direction open"
    wait_for(lambda: bench.shown()["connections"] == 0)


def test_a_reset_passes(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        echo.kill()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_an_upstream_that_refuses_resets(bench: Bench, echo: Echo) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError), bench.client() as client:
        client.recv(1)


def test_only_its_user_reaches_the_control_socket(bench: Bench) -> None:
    mode = (bench.folder / f"proxy-{bench.process.pid}.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) & 0o077 == 0


def test_a_folder_of_a_long_name(tmp_path: Path, echo: Echo) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    made = Bench(folder, str(echo.port))
    made.close()


def test_it_comes_back_on_the_port_that_it_had_and_goes_on_sigterm(bench: Bench, echo: Echo) -> None:
    bench.process.send_signal(signal.SIGTERM)
    assert bench.process.wait(SOON_S) == 0
    assert not list(bench.folder.glob("*.sock"))
    again = Bench(bench.folder, f"localhost:{echo.port}")
    assert again.port == bench.port
    again.close()


def test_an_upstream_that_is_a_socket_in_a_folder(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "up.sock"))
        listener.listen()
        made = Bench(tmp_path, "up.sock")
        with made.client() as client:
            client.sendall(b"hi")
            end, _ = listener.accept()
            with end:
                assert end.recv(2) == b"hi"
        made.close()


def test_what_is_no_upstream_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "campaign_standard._proxy", "--label", "p", "--upstream", "no.such.host.invalid:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SOON_S)
    assert done.returncode == 2
    assert done.stderr.startswith("no.such.host.invalid:1 is no place to connect to: ")


def test_latency(bench: Bench) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(Latency(), delay="150ms", jitter="20ms") as notes:
            assert notes == "hit 1 of 1 connections"
            before = time.monotonic()
            assert say(client) == b"hello"
            assert time.monotonic() - before >= 0.26
        with bench.fault(Latency(), delay="1h"):
            client.sendall(b"at once, when it is over")
            assert silent(client)
        assert hear(client, 24) == b"at once, when it is over"


def test_jitter_keeps_the_order(bench: Bench) -> None:
    payload = os.urandom(200_000)
    with bench.client() as client, bench.fault(Latency(), delay="5ms", jitter="5ms"):
        sender = threading.Thread(target=client.sendall, args=(payload,))
        sender.start()
        assert hear(client, len(payload)) == payload
        sender.join()


def test_bandwidth(bench: Bench) -> None:
    with bench.client() as one, bench.client() as other, bench.fault(Bandwidth(), rate="40kB", direction="down"):
        before = time.monotonic()
        for each in (one, other):
            each.sendall(bytes(10_000))
        assert len(hear(one, 10_000) + hear(other, 10_000)) == 20_000
        assert time.monotonic() - before >= 0.4, "both share one link"


def test_a_reset_hits_both_ends_once(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(Reset(), for_s=None) as notes:
            assert notes == "hit 1 of 1 connections"
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            with bench.client() as new:
                assert say(new) == b"hello"


def test_a_reset_that_lasts_hits_new_connections_too(bench: Bench) -> None:
    with bench.fault(Reset(), for_s=1.0), pytest.raises(ConnectionResetError), bench.client() as client:
        client.recv(1)
    with bench.client() as client:
        assert say(client) == b"hello"


def test_the_share_is_drawn_from_the_seed(bench: Bench) -> None:
    clients = [bench.client() for _ in range(40)]
    for each in clients:
        say(each)

    def hit(random: int) -> set[int]:
        injection = bench.injection(Blackhole(), random=random, share="50%")
        undo = Blackhole().arm(injection)
        Blackhole().inject(injection, undo)
        for each in clients:
            each.sendall(b"x")
        time.sleep(QUIET_S)
        ready = {index for index, each in enumerate(clients) if _readable(each)}
        Blackhole().clear(undo)
        for each in clients:
            hear(each, 1)
        return set(range(40)) - ready

    first = hit(1)
    assert first == hit(1)
    assert 5 < len(first) < 35
    assert first != hit(2)
    for each in clients:
        each.close()


def test_nothing_passes_a_blackhole_and_all_of_it_does_afterwards(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(Blackhole()):
            client.sendall(b"more")
            assert silent(client)
            with bench.client() as new:
                assert silent(new), "a new one opens, and hears nothing"
            echo.kill()
            assert silent(client), "no reset passes"
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_blackhole_in_one_direction(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(Blackhole(), direction="down"):
            client.sendall(b"heard")
            client.shutdown(socket.SHUT_WR)
            assert silent(client)
        assert hear(client, 6) == b"heard"
    with bench.client() as client:
        say(client)
        with bench.fault(Blackhole()):
            client.sendall(b"late")
            assert silent(client)
        assert hear(client, 4) == b"late"


needs_filter = pytest.mark.skipif(_proxy_filter.refused() is not None, reason=str(_proxy_filter.refused()))


@needs_filter
def test_a_partition_drops_packets_and_heals(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(Partition()):
            client.sendall(b"lost and sent again")
            assert silent(client)
            assert _unacknowledged(client) > 0, "as in a real network nobody has acknowledged it"
            with pytest.raises(TimeoutError):
                bench.client(timeout=QUIET_S)
        assert hear(client, 19) == b"lost and sent again"
        with bench.client() as new:
            assert say(new) == b"hello"


@needs_filter
def test_an_end_does_not_pass_a_partition(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(Partition()):
            echo.kill()
            assert silent(client)
        client.sendall(b"who is there?")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_half_open(bench: Bench, echo: Echo) -> None:
    with bench.client() as client:
        say(client)
        with bench.fault(HalfOpen()) as notes:
            assert notes == "hit 1 of 1 connections"
            client.sendall(b"are you there?")
            assert silent(client), "the client is not told"
            with bench.client() as new:
                assert say(new) == b"hello", "new connections are none of its business"
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with bench.client() as client:
        say(client)
        with bench.fault(HalfOpen(), keep="upstream"), pytest.raises(ConnectionResetError):
            client.recv(1)


def test_faults_add_up_and_are_cleared_one_by_one(bench: Bench) -> None:
    with bench.client() as client:
        with bench.fault(Blackhole()):
            with bench.fault(Blackhole(), direction="up"), bench.fault(Latency(), delay="10ms"):
                client.sendall(b"held")
            assert silent(client)
        assert hear(client, 4) == b"held"


def test_a_rule_that_was_undone_is_not_put_on_afterwards(bench: Bench) -> None:
    injection = bench.injection(Blackhole())
    undo = Blackhole().arm(injection)
    Blackhole().clear(undo)
    Blackhole().inject(injection, undo)
    with bench.client() as client:
        assert say(client) == b"hello"


def test_a_target_that_is_no_proxy(bench: Bench) -> None:
    with subprocess.Popen(["sleep", "100"]) as other:
        injection = bench.injection(Latency(), delay="1s")
        wrong = Injection(
            label="f",
            settings=injection.settings,
            target=identify(other.pid, boot_id()),
            workdir=str(bench.folder),
            random=0,
        )
        with pytest.raises(UnableError, match=f"process {other.pid} is no net.proxy: serve one in front"):
            Latency().arm(wrong)
        other.kill()


def test_clearing_is_done_where_the_proxy_is_gone_or_stands_still(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_proxy_control, "_WITHIN_S", 0.2)
    with bench.client() as client:
        with bench.fault(Blackhole()):
            client.sendall(b"held")
            bench.process.send_signal(signal.SIGSTOP)
        bench.process.send_signal(signal.SIGCONT)
        assert hear(client, 4) == b"held", "what it was told while it stood still it did when it went on"
    with bench.fault(Latency(), delay="1s"):
        bench.close()


def test_what_is_no_request_is_refused(bench: Bench) -> None:
    for nonsense in ({"do": "add", "rule": {"id": "x", "kind": "rain"}}, {"do": "add", "rule": {"x": 1}}, {}):
        with pytest.raises(_proxy_control.SilentError, match="it refuses"):
            _proxy_control.ask(str(bench.folder), bench.process.pid, nonsense)
    assert bench.shown()["connections"] == 0


def test_many_connections_that_send_more_than_is_read_are_held_back(bench: Bench) -> None:
    clients = [bench.client() for _ in range(120)]
    with bench.fault(Blackhole()):
        for each in clients:
            each.settimeout(0)
        sent = 0
        for _ in range(2):
            for each in clients:
                sent += _push(each)
        assert _resident(bench.process.pid) < 200 << 20
        assert bench.shown()["connections"] == 120
    for each in clients:
        each.close()
    wait_for(lambda: bench.shown()["connections"] == 0)


def _push(sock: socket.socket) -> int:
    sent = 0
    try:
        while sent < 1 << 20:
            sent += sock.send(bytes(1 << 16))
    except OSError:
        return sent
    return sent


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _unacknowledged(sock: socket.socket) -> int:
    """``tcpi_unacked`` of tcp(7)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    unacked: int = struct.unpack_from("I", info, 24)[0]
    return unacked


def _readable(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        sock.settimeout(SOON_S)
