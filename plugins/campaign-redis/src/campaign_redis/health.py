"""How a server is: asked with ``PING``, on a connection of its own each time."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from campaign_redis.resp import Connection, RefusedError


class State(StrEnum):
    """What can be told from outside."""

    WELL = "well"
    LOADING = "loading"
    REFUSING = "refusing"
    DOWN = "down"
    HUNG = "hung"


class Health(NamedTuple):
    """How it is, and why, in words."""

    state: State
    words: str


def ask(port: int, patience_s: float) -> Health:
    """Ask the server at ``port``; ``patience_s`` is how long it may take to take the connection, and then to answer."""
    try:
        with Connection(port, patience_s) as connection:
            reply = connection.ask("PING")
    except RefusedError as error:
        return Health(State.LOADING if str(error).startswith("LOADING") else State.REFUSING, f"it answers: {error}")
    except TimeoutError:
        return Health(State.HUNG, f"no answer within {patience_s * 1000:g} ms")
    except OSError as error:
        return Health(State.DOWN, f"no server at port {port}: {error.strerror or error}")
    if reply != b"PONG":
        return Health(State.REFUSING, f"it answers {reply!r:.60}")
    return Health(State.WELL, "it answers")
