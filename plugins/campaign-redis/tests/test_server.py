"""Real servers: where they are, what they read, and that nobody takes their port."""

import signal
import socket

from campaign_redis import configuration
from campaign_redis.configuration import Persistence
from campaign_redis.health import State
from campaign_redis.ports import candidates, reserve
from campaign_redis.resp import Connection


def test_a_reserved_port_is_nobody_elses_but_a_servers():
    with reserve() as reservation:
        port = reservation.getsockname()[1]
        with socket.socket() as other:
            try:
                other.bind(("127.0.0.1", port))
                taken = True
            except OSError:
                taken = False
        assert not taken
        with socket.socket() as server:  # as Redis does it
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen()
            assert Connection(port, 5).close() is None


def test_ports_that_the_kernel_gives_out_are_left_alone():
    ports = candidates(32768, 60999)
    assert (ports[0], ports[-1]) == (10_000, 65_535)
    assert not any(32768 <= port <= 60999 for port in ports)
    assert candidates(1024, 65535) == []


def test_a_server_is_what_it_was_told_and_where_it_was_told(lab):
    lab.serve("--appendfsync=always", "--save=60  1")
    with Connection(lab.port, 5) as connection:
        said = connection.ask("CONFIG", "GET", "dir", "appendonly", "appendfsync", "save", "bind")
    told = dict(zip(said[::2], said[1::2], strict=True))
    assert told == {
        b"dir": str(lab.directory).encode(),
        b"appendonly": b"yes",
        b"appendfsync": b"always",
        b"save": b"60 1",
        b"bind": b"127.0.0.1",
    }
    assert configuration.read(lab.directory) == (lab.port, Persistence(True, "always", "60 1"))


def test_a_folder_with_a_strange_name(lab, tmp_path):
    lab.directory = tmp_path / 'a "folder" \\ there'
    lab.serve()
    assert (lab.directory / "appendonlydir").is_dir()
    lab.wait_until(lambda: lab.state() is State.WELL)


def test_what_redis_refuses_is_said_and_ends_it(lab):
    server = lab.start("server", f"--directory={lab.directory}", "--save=never")
    output, errors = server.communicate(timeout=60)
    assert server.returncode == 1
    assert "Invalid save parameters" in output + errors


def test_it_ends_well_when_it_is_asked_to(lab):
    server = lab.serve()
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=60) == 0
