"""Start supervisors: forked from a nursery, which was itself forked while the engine's process was small.

The engine calls ``start_supervisors`` before it opens its lock and its ledger, so that no supervisor and no tool can
ever inherit them.  A supervisor that died is replaced from the same nursery, whatever the engine has grown to by then.
The nursery sees the end of its socket when the engine is gone, and goes too; the supervisors stay for what they do.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct, json

from campaign.supervise.subreaper import become_subreaper
from campaign.supervise.supervisor import Supervisor

_DEFECT = 70
_LONGEST = 1 << 16


class SupervisorHandle(Struct):
    """A supervisor as its engine sees it: its pid, a pidfd that becomes readable when it ends, and a socket to it.

    The socket carries ``records.messages``, one JSON line each.
    """

    pid: int
    pidfd: int
    sock: socket.socket
    nursery: Nursery

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, through its pidfd; one that has ended is passed over."""
        with suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, number)

    def replace(self) -> SupervisorHandle:
        """Start another one in place of this one, which has ended.  Raises OSError."""
        self.close()
        return self.nursery.start()

    def close(self) -> None:
        """Hang up: it carries what is under way to its end and leaves."""
        if self.pidfd >= 0:
            self.sock.close()
            os.close(self.pidfd)
            self.pidfd = -1


class Nursery:
    """The small process that forks supervisors."""

    def __init__(self, workspace: str) -> None:
        """Fork it now.  Raises OSError."""
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            _run_and_exit(lambda: _tend(theirs, workspace))
        theirs.close()

    def start(self) -> SupervisorHandle:
        """Have it fork one supervisor.  Raises OSError."""
        self._sock.send(b"start")
        answer, fds, _, _ = socket.recv_fds(self._sock, 64, 2)
        if len(fds) != 2:
            raise ChildProcessError("the process that starts supervisors is gone or could not fork")
        return SupervisorHandle(int(answer), fds[1], socket.socket(fileno=fds[0]), self)

    def run(self, argv: Sequence[str]) -> socket.socket:
        """Have it start a program with ``FD`` in ``argv`` replaced by a socket's number; the other end.

        Raises OSError.  For a planner, which outlives neither its campaign nor its engine: it sees its socket's end.
        """
        self._sock.send(json.encode(argv))
        _, fds, _, _ = socket.recv_fds(self._sock, 64, 1)
        if len(fds) != 1:
            raise ChildProcessError("the process that starts planners is gone or could not fork")
        return socket.socket(fileno=fds[0])

    def close(self) -> None:
        """Start no more supervisors; those that are there stay."""
        self._sock.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            return


def start_supervisors(count: int, workspace: str) -> list[SupervisorHandle]:
    """Start ``count`` supervisors for the attempts below ``workspace``.  Raises OSError.

    Called early, while the process is small and before it opens what nobody else may hold.
    """
    nursery = Nursery(workspace)
    return [nursery.start() for _ in range(count)]


def _run_and_exit(work: Callable[[], None]) -> NoReturn:
    """What a forked process does instead of going on as its parent; it never writes to the terminal by itself."""
    status = _DEFECT
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def _tend(sock: socket.socket, workspace: str) -> None:
    """The nursery's life: fork a supervisor whenever it is asked to.

    It keeps the engine's standard error for planners, and for nobody else.
    """
    _detach(sock.fileno(), silent=False)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and thereby copying, the pages shared with the engine
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while asked := sock.recv(_LONGEST):
        _reap()
        try:
            if asked == b"start":
                _start_one(sock, workspace)
            else:
                _run_one(sock, json.decode(asked, type=list[str]))
        except OSError:
            sock.send(b"0")


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _start_one(sock: socket.socket, workspace: str) -> None:
    engine_end, own_end = socket.socketpair()
    with engine_end, own_end:
        pid = os.fork()
        if pid == 0:
            _run_and_exit(lambda: _supervise(own_end, workspace))
        pidfd = os.pidfd_open(pid)
        try:
            socket.send_fds(sock, [str(pid).encode()], [engine_end.fileno(), pidfd])
        finally:
            os.close(pidfd)


def _run_one(sock: socket.socket, argv: list[str]) -> None:
    engine_end, own_end = socket.socketpair()
    with engine_end, own_end:
        if os.fork() == 0:
            _run_and_exit(lambda: _become(own_end, argv))
        socket.send_fds(sock, [b"1"], [engine_end.fileno()])


def _become(sock: socket.socket, argv: list[str]) -> NoReturn:
    _detach(sock.fileno(), silent=False)  # what a planner says goes where its daemon's messages go
    os.set_inheritable(sock.fileno(), True)
    os.execv(argv[0], [str(sock.fileno()) if word == "FD" else word for word in argv])  # noqa: S606 - no shell is wanted


def _supervise(sock: socket.socket, workspace: str) -> None:
    _detach(sock.fileno())
    become_subreaper()
    Supervisor(sock, workspace).run()


def _detach(keep: int, *, silent: bool = True) -> None:
    """A session of its own, ``/dev/null`` as its terminal, no descriptor but ``keep``, signals as at the start.

    One that is not ``silent`` keeps its standard error too.
    """
    os.setsid()
    os.umask(0o077)
    os.chdir("/")
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3 if silent else 2):
        os.dup2(null, fd)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            _close(int(name))


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        return  # the listing's own
