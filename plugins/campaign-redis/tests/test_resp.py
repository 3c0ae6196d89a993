"""The client against a server that says whatever it is told to, in pieces."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_redis.health import State, ask
from campaign_redis.resp import Connection, ProtocolError, RefusedError, command


@pytest.fixture
def answering():
    """Starts a server that answers one command with some bytes, one at a time, and then says no more."""
    sockets = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    sockets.append(connection)
                    connection.recv(1 << 16)
                    for byte in answer:
                        connection.send(bytes([byte]))
                    if not answer:
                        connection.close()
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (b"+PONG\r\n", b"PONG"),
        (b":-12\r\n", -12),
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"$0\r\n\r\n", b""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$-1\r\n", [b"0", [b"a", None]]),
    ],
)
def test_answers_are_read_however_they_trickle_in(answering, answer, means):
    with Connection(answering(answer), 5) as connection:
        assert connection.ask("PING") == means


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"-ERR no\r\n", RefusedError),
        (b"HTTP/1.1 400\r\n", ProtocolError),
        (b":x\r\n", ProtocolError),
        (b"+PON", TimeoutError),
        (b"$10\r\nabc", TimeoutError),
        (b"", ConnectionResetError),
    ],
)
def test_what_is_no_answer_is_an_error(answering, answer, error):
    with Connection(answering(answer), 0.2) as connection, pytest.raises(error):
        connection.ask("PING")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"+PONG\r\n", State.WELL),
        (b"-LOADING Redis is loading the dataset in memory\r\n", State.LOADING),
        (b"-MISCONF Errors writing to the AOF file\r\n", State.REFUSING),
        (b"+WHAT\r\n", State.REFUSING),
        (b"+PO", State.HUNG),
        (b"", State.DOWN),
    ],
)
def test_health_tells_why(answering, answer, state):
    found = ask(answering(answer), 0.2)
    assert found.state is state
    assert found.words


def test_nobody_there_is_down():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert ask(free.getsockname()[1], 0.2).state is State.DOWN


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_a_command_holds_its_words_whatever_is_in_them(words):
    sent = command(*words)
    assert sent.startswith(b"*%d\r\n" % len(words))
    rest = sent.partition(b"\r\n")[2]
    for word in words:
        head = b"$%d\r\n" % len(word)
        assert rest.startswith(head + word + b"\r\n")
        rest = rest[len(head) + len(word) + 2 :]
    assert rest == b""
