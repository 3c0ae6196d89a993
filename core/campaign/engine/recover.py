"""What became of an attempt whose supervisor we do not hold: read from its private folder and from ``/proc``.

In this order, because each step makes the next one true: its folder (made before it was admitted: where it is gone,
nothing is proved), its claim (free: it is ours now, and it never ran), its lock (held: its supervisor lives), its exit
record, and then a search for whatever may be left of its tree.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from campaign.engine.findings import Damaged, Exited, Finding, Gone, NeverStarted, Running, Uncleared, Unknown
from campaign.engine.machine import Machine
from campaign.engine.remains import is_locked
from campaign.failpoints import reach
from campaign.proc import Process
from campaign.records import Exit, Order
from campaign.records.exit import unbroken
from campaign.supervise import undo
from campaign.supervise.claim import EXIT_FILE

#: What the claim of a revoked attempt leads to: nowhere.
_REVOKED = "revoked"
_decode_exit = msgspec.json.Decoder(Exit).decode
_decode_owner = msgspec.json.Decoder(Process).decode


class _Dead(Struct, frozen=True):
    """Its supervisor is dead and left no whole exit record; ``record`` is a damaged one.

    ``rebooted``: the machine was started anew since, so its tree is gone without doubt.
    """

    record: Damaged | None
    rebooted: bool


def examine(attempts: Sequence[tuple[Order, bool]], machine: Machine) -> list[Finding | Uncleared]:
    """What became of these attempts, each with whether the ledger knows that it was started.

    What is left of their trees is killed; however many they are, ``/proc`` is searched for all of them at once.
    """
    looked = [(order, _look(order, started, machine.boot)) for order, started in attempts]
    dead = [order for order, each in looked if isinstance(each, _Dead) and not each.rebooted]
    ended = _end_trees(dead, machine) if dead else set()
    return [_conclude(order, each, ended) if isinstance(each, _Dead) else each for order, each in looked]


def _look(order: Order, started: bool, boot: str) -> Finding | _Dead:
    """What its folder alone says."""
    private = order.directories.private
    try:
        if not os.path.lexists(private):
            return Unknown(f"its private folder {private} is gone, and with it whether it ran")
        if os.path.islink(private):
            return Unknown(f"its private folder {private} was replaced by a link, and with it whether it ran")
        if not started and revoke(private):
            return NeverStarted()
        if lock_held(private):
            return Running()
        record = read_exit(order)
    except OSError as error:
        return _unreadable(private, error)
    if isinstance(record, Exited):
        return record
    claimed_by = owner(private)
    return _Dead(record, rebooted=claimed_by is not None and claimed_by.boot_id != boot)


def _end_trees(orders: Sequence[Order], machine: Machine) -> set[str]:
    try:
        return machine.end_trees(orders)
    except OSError:
        return set()  # nothing can be proved of any


def _conclude(order: Order, dead: _Dead, ended: set[str]) -> Finding | Uncleared:
    """What it comes to now that its tree was ended, where that is proved."""
    private = order.directories.private
    if not dead.rebooted and order.token not in ended:
        return Unknown("its supervisor is dead, and some of its processes may still run")
    try:
        pending = undo.pending(private)
    except OSError as error:
        return _unreadable(private, error)
    return Uncleared() if pending else dead.record or Gone()


def _unreadable(private: str, error: OSError) -> Unknown:
    return Unknown(f"its private folder {private} cannot be read: {error.strerror}")


def make_folder(private: str) -> None:
    """Make an attempt's folder before the ledger admits it, so that a missing one was removed.  Raises OSError."""
    reach("engine.folder.before")
    os.mkdir(private, 0o700)
    reach("engine.folder.after")


def revoke(private: str) -> bool:
    """Take the claim of an attempt that has not started: from now on nobody can start it.  Raises OSError.

    True also where an engine before us took it and died before its ledger knew.  A link bears its text from the instant
    that it is there, as a file does not: it cannot be taken for a supervisor's claim.  A claim behind a link to
    elsewhere would prove nothing, so none is followed.
    """
    folder = os.open(private, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        reach("engine.revoke.before")
        os.symlink(_REVOKED, "claim", dir_fd=folder)
        reach("engine.revoke.after")
    except FileExistsError:
        return stat.S_ISLNK(os.stat("claim", dir_fd=folder, follow_symlinks=False).st_mode)
    finally:
        os.close(folder)
    return True


def lock_held(private: str) -> bool:
    """Whether its supervisor lives, for that one alone holds the lock.  Raises OSError."""
    return is_locked(os.path.join(private, "lock"))


def owner(private: str) -> Process | None:
    """Whose claim it is, None where the claim cannot be read."""
    try:
        with open(os.path.join(private, "claim"), "rb") as file:
            return _decode_owner(file.read(4096))
    except (OSError, msgspec.MsgspecError):
        return None


def read_exit(order: Order) -> Exited | Damaged | None:
    """The exit record, where one is there: whole and of exactly this attempt, or damaged.  Raises OSError."""
    path = os.path.join(order.directories.private, EXIT_FILE)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    try:
        found = _decode_exit(data)
    except msgspec.MsgspecError:
        return Damaged(f"its exit record {path} is damaged")
    if not unbroken(data):
        return Damaged(f"its exit record {path} is damaged: it is not as it was written")
    if (found.token, found.digest) != (order.token, order.digest):
        return Damaged(f"its exit record {path} is damaged: it is another attempt's")
    return Exited(found, data)
