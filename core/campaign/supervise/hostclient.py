"""The supervisor's end of its provider host: started on first need, asked with a deadline, killed when it is over."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping

import msgspec

from campaign.proc import descendants, send_all, table
from campaign.supervise.channel import Channel
from campaign.supervise.children import Children
from campaign.supervise.hostmessages import Failed, Load, Reply, Request
from campaign.supervise.loop import Loop, Timer
from campaign.supervise.redaction import redacted

_decode = msgspec.json.Decoder(Reply).decode
_COMMAND = ("-P", "-m", "campaign.supervise.host")
#: What a Python with plugins needs to start, and what every tool gets; what else is set where campaign was called is
#: none of a plugin's business.
_PASSED = frozenset(
    [
        "PATH",
        "HOME",
        "LANG",
        "TZ",
        "TMPDIR",
        "USER",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "LD_LIBRARY_PATH",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
    ]
)
_PASSED_PREFIXES = ("LC_", "PYTHON")

Answer = Callable[[Reply], None]


class HostClient:
    """Asks the provider host; every request is answered exactly once, by a ``Failed`` if need be.

    ``secrets``, of the attempt that is under way, are taken out of every answer.
    """

    def __init__(self, loop: Loop, children: Children) -> None:
        self._loop, self._children = loop, children
        self._channel: Channel | None = None
        self._pending: dict[int, tuple[Timer, Answer]] = {}
        self._count = 0
        self._load: Load | None = None
        self.pid: int | None = None
        self.secrets: tuple[str, ...] = ()

    def next_id(self) -> int:
        """The id of the next request."""
        self._count += 1
        return self._count

    def ask(self, request: Request, deadline_s: float, answer: Answer) -> None:
        """Send a request; ``answer`` is called later, never from here.

        What was loaded last is loaded again into a host that has to be started anew.
        """
        timer = self._loop.call_later(deadline_s, lambda: self._overdue(deadline_s))
        self._pending[request.id] = (timer, answer)
        try:
            if self._channel is None:
                self._start()
                if self._load is not None and self._channel is not None:
                    self._channel.send(self._load)
        except OSError as error:
            reason = f"the provider host could not be started: {error.strerror}"
            self._loop.call_later(0, lambda: self._fail_all(reason))
            return
        if isinstance(request, Load):
            self._load = request
        if self._channel is not None:
            self._channel.send(request)

    @property
    def busy(self) -> bool:
        """Whether it owes an answer."""
        return bool(self._pending)

    def kill(self, reason: str, *, gone: bool = False, overdue: bool = False) -> None:
        """End the host and everything it started, at once; what is pending fails for this reason.

        ``gone``: it is killed for something else than what is pending.  ``overdue``: it did not answer in time.
        """
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self.pid is not None:
            os.kill(self.pid, signal.SIGSTOP)
            send_all(descendants(self.pid, table()), signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)
            self.pid = None
        self._fail_all(reason, gone=gone, overdue=overdue)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                (sys.executable, *_COMMAND),
                host_environment(os.environ),
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        pid = self.pid
        self._children.started(pid, lambda status: self._ended(pid, status))
        self._channel = Channel(self._loop, ours, self._received, self._closed)

    def _received(self, line: bytes) -> None:
        try:
            reply = _decode(line)
        except msgspec.DecodeError as error:
            self.kill(f"the provider host answered nonsense: {error}")
            return
        timer, answer = self._pending.pop(reply.id, (None, None))
        if timer is not None and answer is not None:
            timer.cancel()
            answer(redacted(reply, self.secrets))

    def _overdue(self, deadline_s: float) -> None:
        self.kill(f"no answer within {deadline_s:g} s", overdue=True)

    def _closed(self) -> None:
        self._channel = None

    def _ended(self, pid: int, status: int) -> None:
        if self.pid != pid:
            return
        self.pid = None
        _end_session(pid)
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {-code}" if code < 0 else f"status {code}"
        self._fail_all(f"the provider host ended ({how}) before it answered", gone=True)

    def _fail_all(self, reason: str, *, gone: bool = False, overdue: bool = False) -> None:
        pending, self._pending = self._pending, {}
        for number, (timer, answer) in pending.items():
            timer.cancel()
            answer(Failed(number, reason, gone=gone, overdue=overdue))


def _end_session(pid: int) -> None:
    """Kill what a host that died had started: it must not act any more when a new one takes its acts back.

    Whoever is below us and in the session that the dead one led was started by it.
    """
    ours = descendants(os.getpid(), table())
    send_all((each for each in ours if each.session == pid), signal.SIGKILL)


def host_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the provider host gets of the supervisor's own environment; a run's comes with what it is asked."""
    return {name: value for name, value in environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
