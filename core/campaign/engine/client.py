"""The planner's side of the engine: start its process and talk to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

import msgspec

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.engine import protocol
from campaign.supervise.channel import Channel
from campaign.supervise.loop import Loop

_decode = msgspec.json.Decoder(protocol.FromEngine).decode
_PATIENCE_S = 10.0
_LAST_WORDS = 20_000


class EngineDefectError(Exception):
    """The engine failed by a defect of its own; the text is its traceback."""


class EngineGoneError(CampaignError):
    """The engine ended without a last word: killed, perhaps.  What it recorded stays."""

    def __init__(self, how: str) -> None:
        hint = "what it recorded is kept, what runs ends by itself; campaign exec --resume goes on"
        summary = f"the engine's process ended unexpectedly: {how}"
        super().__init__([Diagnostic("CAMP507", summary, hint=hint, status=ExitStatus.SETUP)])


class Link(Protocol):
    """A planner's end of the conversation with an engine."""

    gone: bool

    def send(self, message: protocol.ToEngine) -> None:
        """Say something to the engine."""

    def kill(self) -> None:
        """End an engine that holds nothing yet."""

    def close(self, *, wait: bool) -> None:
        """Hang up."""

    def ending(self) -> Exception:
        """Why it is gone, once it is."""


#: Begins the conversation; the last argument hears each message of the engine, from within ``loop.run_once``.
Connect = Callable[[Loop, Callable[[protocol.FromEngine], None]], Link]


class QueueLink:
    """The conversation with a daemon that started this process and gave it one end of a socket."""

    def __init__(self, loop: Loop, sock: socket.socket, heard: Callable[[protocol.FromEngine], None]) -> None:
        self.gone = False
        self._channel = Channel(loop, sock, lambda line: heard(_decode(line)), self._hung_up)

    def send(self, message: protocol.ToEngine) -> None:
        """Say something to the engine."""
        self._channel.send(message)

    def kill(self) -> None:
        """A daemon is not ours to end."""

    def close(self, *, wait: bool) -> None:  # noqa: ARG002 - there is nothing to wait for
        """What was said is on its way; the socket stays open until the process ends, for that says that it is over."""
        self._channel.flush(_PATIENCE_S)

    def ending(self) -> Exception:
        """The daemon is gone; the next one starts a planner of its own."""
        return EngineGoneError("the daemon has hung up")

    def _hung_up(self) -> None:
        self.gone = True


class EngineLink:
    """An engine's process and the conversation with it.

    ``heard`` is called with each message of the engine, from within ``loop.run_once``.
    """

    def __init__(self, loop: Loop, workspace: str, places: int, heard: Callable[[protocol.FromEngine], None]) -> None:
        """Start the process; raises OSError where the system refuses one more."""
        self.gone = False
        self._heard = heard
        self._errors = os.memfd_create("campaign-engine-errors")
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: the folder that the user stands in is nobody's source of modules.
            command = [
                sys.executable,
                "-P",
                "-m",
                "campaign.engine.daemon",
                str(theirs.fileno()),
                str(places),
                workspace,
            ]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
        self._channel = Channel(loop, ours, lambda line: self._heard(_decode(line)), self._hung_up)

    def send(self, message: protocol.ToEngine) -> None:
        """Say something to the engine."""
        self._channel.send(message)

    def kill(self) -> None:
        """End an engine that holds nothing yet."""
        self._process.send_signal(signal.SIGKILL)

    def close(self, *, wait: bool) -> None:
        """Hang up; without ``wait`` an engine that still has runs under way is left to see them end."""
        self._channel.flush(_PATIENCE_S)
        self._channel.close()
        os.close(self._errors)
        if wait:
            self._process.wait()
        else:
            self._process.returncode = self._process.poll() or 0  # or its destructor warns

    def ending(self) -> Exception:
        """Why it is gone, once it is: to be raised by whoever still needed it."""
        status = self._process.wait()
        words = os.pread(self._errors, _LAST_WORDS, 0).decode("utf-8", "replace").strip()
        if words:
            return EngineDefectError(words)
        return EngineGoneError(f"signal {-status}" if status < 0 else f"exit status {status}")

    def _hung_up(self) -> None:
        self.gone = True
