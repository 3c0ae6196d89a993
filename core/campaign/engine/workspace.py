"""The workspace: where ledger, locks and evidence are, private to the user, and whose turn it is."""

from __future__ import annotations

import fcntl
import os
import stat
import time

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.ledger.opening import was_here
from campaign.supervise.claim import PRIVATE_MODE

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
#: Between two tries to take a lock within some time: flock(2) either waits for ever or not at all.
_PAUSE_S = 0.02
#: Who holds a workspace gives a sign that often; who has not for three times as long is called stale.
BEAT_S = 5.0
STALE_S = 3 * BEAT_S


class WorkspaceError(CampaignError):
    """The workspace cannot be used: exit status 3."""

    def __init__(self, summary: str, hint: str | None = None) -> None:
        super().__init__([Diagnostic("CAMP506", summary, hint=hint, status=ExitStatus.SETUP)])


class Workspace:
    """The paths of a workspace; ``path`` is absolute."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.ledger = os.path.join(path, "ledger.sqlite")
        self.lock = os.path.join(path, "daemon.lock")
        self.socket = os.path.join(path, "daemon.sock")
        self.log = os.path.join(path, "daemon.log")
        self.attempts = os.path.join(path, "attempts")
        self.runs = os.path.join(path, "runs")

    def heartbeat_s(self) -> float | None:
        """How old the last sign of whoever holds it is, in seconds; None where nobody ever did."""
        try:
            return max(0.0, time.time() - os.stat(self.lock).st_mtime)
        except OSError:
            return None

    def prepare(self) -> None:
        """Make the folders that are missing, for the user alone; raises WorkspaceError."""
        try:
            os.makedirs(self.path, 0o700, exist_ok=True)
            os.makedirs(self.attempts, PRIVATE_MODE, exist_ok=True)
            _refuse_strangers(self.path)
        except OSError as error:
            raise WorkspaceError(f"the workspace {self.path} cannot be used: {error.strerror}", _HINT) from error


_HINT = "name another one with --workspace or CAMPAIGN_WORKSPACE"


def _refuse_strangers(path: str) -> None:
    """Orders hold what tools get from the environment; nobody else may put a workspace under our feet."""
    status = os.stat(path)
    if status.st_uid != os.geteuid():
        raise WorkspaceError(f"the workspace {path} belongs to another user", _HINT)
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise WorkspaceError(f"others may write in the workspace {path}", f"chmod go-w {path}")


class WorkspaceLock:
    """``daemon.lock``: held by the one process that writes the ledger; the file is never unlinked.

    The file says who holds it, and, once a ledger was made, that there is one: a ledger that has vanished is not
    taken for a new workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        try:
            self._fd = os.open(workspace.lock, _LOCK_FLAGS, 0o600)
        except OSError as error:
            raise WorkspaceError(f"the lock {workspace.lock} cannot be opened: {error.strerror}", _HINT) from error

    def try_acquire(self) -> bool:
        """Take it if it is free."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise WorkspaceError(f"the lock {self._workspace.lock} cannot be taken: {error.strerror}", _HINT) from error
        return True

    def wait(self) -> None:
        """Take it when it becomes free, however long that takes."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def wait_for(self, patience_s: float) -> bool:
        """Take it when it becomes free within that time; whether it did."""
        end = time.monotonic() + patience_s
        while not self.try_acquire():
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_S)
        return True

    def owner(self) -> str:
        """Who wrote the lock last, for people."""
        words = os.pread(self._fd, 200, 0).decode("ascii", "replace").split()
        return f"process {words[0]}" if words and words[0].isdigit() else "another process"

    def check_ledger(self) -> None:
        """Raise WorkspaceError where a ledger was here once and is gone."""
        if not os.path.lexists(self._workspace.ledger) and was_here(self._workspace.ledger):
            raise WorkspaceError(
                f"the ledger {self._workspace.ledger} has vanished: this workspace had one",
                "put it back, or move the whole workspace away to start anew",
            )

    def sign(self) -> None:
        """Say in the file who holds it, and that there is a ledger."""
        try:
            os.pwrite(self._fd, f"{os.getpid()} ledger\n".encode().ljust(32), 0)
        except OSError as error:
            raise WorkspaceError(f"the lock {self._workspace.lock} cannot be written: {error.strerror}") from error

    def beat(self) -> None:
        """Show that its holder is alive and well: the time of the file."""
        os.utime(self._fd)

    def release(self) -> None:
        """Let it go; it goes by itself with the process."""
        os.close(self._fd)
