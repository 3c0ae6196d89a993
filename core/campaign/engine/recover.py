"""What became of an attempt whose supervisor we do not hold: read from its private folder and from ``/proc``.

In this order, because each step makes the next one true: its folder (made before it was admitted: where it is gone,
nothing is proved), its claim (free: it is ours now, and it never ran), its lock (held: its supervisor lives), its exit
record, and then a search for whatever may be left of its tree.
"""

from __future__ import annotations

import os

import msgspec

from campaign.engine.findings import Damaged, Exited, Finding, Gone, NeverStarted, Running, Uncleared, Unknown
from campaign.engine.machine import Machine, is_locked
from campaign.failpoints import reach
from campaign.proc import Process
from campaign.records import Exit, Order
from campaign.supervise import undo
from campaign.supervise.claim import EXIT_FILE

#: What the claim of a revoked attempt leads to: nowhere.
_REVOKED = "revoked"
_decode_exit = msgspec.json.Decoder(Exit).decode
_decode_owner = msgspec.json.Decoder(Process).decode


def examine(order: Order, started: bool, machine: Machine) -> Finding | Uncleared:
    """What became of an attempt; ``started``: the ledger knows that it was.  What is left of its tree is killed."""
    private = order.directories.private
    try:
        if not os.path.lexists(private):
            return Unknown(f"its private folder {private} is gone, and with it whether it ran")
        if not started and revoke(private):
            return NeverStarted()
        if lock_held(private):
            return Running()
        record = read_exit(order)
        if isinstance(record, Exited):
            return record
        found = _search(order, machine)
        return record if record is not None and isinstance(found, Gone) else found
    except OSError as error:
        return Unknown(f"its private folder {private} cannot be read: {error.strerror}")


def make_folder(private: str) -> None:
    """Make an attempt's folder before the ledger admits it, so that a missing one was removed.  Raises OSError."""
    reach("engine.folder.before")
    os.mkdir(private, 0o700)
    reach("engine.folder.after")


def revoke(private: str) -> bool:
    """Take the claim of an attempt that has not started: from now on nobody can start it.  Raises OSError.

    True also where an engine before us took it and died before its ledger knew.  A link bears its text from the instant
    that it is there, as a file does not: it cannot be taken for a supervisor's claim.
    """
    path = os.path.join(private, "claim")
    reach("engine.revoke.before")
    try:
        os.symlink(_REVOKED, path)
    except FileExistsError:
        return os.path.islink(path)
    reach("engine.revoke.after")
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
    if (found.token, found.digest) != (order.token, order.digest):
        return Damaged(f"its exit record {path} is damaged: it is another attempt's")
    return Exited(found, data)


def _search(order: Order, machine: Machine) -> Finding | Uncleared:
    """Its supervisor is dead and left no record: end what is left of its tree, and prove that nothing is."""
    private = order.directories.private
    claimed_by = owner(private)
    rebooted = claimed_by is not None and claimed_by.boot_id != machine.boot
    if not rebooted and not machine.end_tree(order):
        return Unknown("its supervisor is dead, and some of its processes may still run")
    try:
        return Uncleared() if undo.pending(private) else Gone()
    except msgspec.MsgspecError:
        return Unknown("its supervisor is dead, and what it wrote down of its faults is damaged")
