"""What became of an attempt whose supervisor we do not hold: read from its private folder and from ``/proc``.

In this order, because each step makes the next one true: its folder (made before it was admitted: where it is gone,
nothing is proved), its claim (free: it is ours now, and it never ran), its lock (held: its supervisor lives), its exit
record, and then a search for whatever may be left of its tree.

Neither folder nor claim is synced, for that would cost a sync an attempt.  So that one is missing proves something only
in the boot in which the attempt was admitted; in a later one it may have run, and nothing of it is left.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

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
from campaign.supervise.claim import EXIT_FILE, PRIVATE_MODE, refuse_replaced

#: What the claim of a revoked attempt leads to: nowhere.
_REVOKED = "revoked"
#: In the workspace: the boot in which whatever is in flight was admitted.
_BOOT = "boot"
_decode_exit = msgspec.json.Decoder(Exit).decode
_decode_owner = msgspec.json.Decoder(Process).decode


class Boot(Enum):
    """When attempts were admitted, as far as that is known."""

    PRESENT = auto()
    EARLIER = auto()
    UNKNOWN = auto()


class _Dead(Struct, frozen=True):
    """Its supervisor is dead and left no whole exit record; ``record`` is a damaged one.

    ``rebooted``: the machine was started anew since, so its tree is gone without doubt.  ``began`` false: it never ran,
    but what served the run before it in its chain may be there.
    """

    record: Damaged | None
    rebooted: bool
    began: bool = True


def boot_of_admissions(workspace: str, machine: Machine) -> Boot:
    """When the attempts were admitted that are in flight now that a workspace is taken over."""
    try:
        with open(os.path.join(workspace, _BOOT), encoding="ascii", errors="replace") as file:
            before = file.read(200).strip()
    except OSError:
        return Boot.UNKNOWN
    if not before or not machine.boot:
        return Boot.UNKNOWN
    return Boot.PRESENT if before == machine.boot else Boot.EARLIER


def mark_boot(workspace: str, machine: Machine) -> None:
    """Whatever an earlier boot left was examined, and that is recorded: what is in flight is of this boot from now on.

    Not synced: a mark that a power cut takes back, or tears, is not the next boot's.
    """
    with suppress(OSError), open(os.path.join(workspace, _BOOT), "w", encoding="ascii") as file:
        reach("engine.boot.marking")
        file.write(machine.boot)


def examine(
    attempts: Sequence[tuple[Order, bool]], machine: Machine, boot: Boot = Boot.PRESENT
) -> list[Finding | Uncleared]:
    """What became of these attempts, each with whether the ledger knows that it was started.

    What is left of their trees is killed; however many they are, ``/proc`` is searched for all of them at once.
    """
    looked = [(order, _look(order, started, machine, boot)) for order, started in attempts]
    dead = [order for order, each in looked if isinstance(each, _Dead) and not each.rebooted]
    ended = _end_trees(dead, machine) if dead else set()
    return [_conclude(order, each, ended) if isinstance(each, _Dead) else each for order, each in looked]


def _look(order: Order, started: bool, machine: Machine, boot: Boot) -> Finding | _Dead:
    """What its folder alone says."""
    private = order.directories.private
    try:
        if not os.path.lexists(private):
            if boot is Boot.EARLIER and not (order.faults or order.holds):  # else what is in force is not known
                return _Dead(None, rebooted=True)
            return Unknown(f"its private folder {private} is gone, and with it whether it ran")
        if os.path.islink(private):
            return Unknown(f"its private folder {private} was replaced by a link, and with it whether it ran")
        replaced = _replaced(private)
        if not (started or replaced) and (found := _unstarted(order, boot)) is not None:
            return found
        if lock_held(private):
            return Running()
        record = read_exit(order)
    except OSError as error:
        return _unreadable(private, error)
    if isinstance(record, Exited):
        return record
    if replaced:
        return Unknown(f"{replaced}, and with it whether it ran: {private}")
    claimed_by = owner(private)
    elsewhere = claimed_by is not None and claimed_by.boot_id != machine.boot
    return _Dead(record, rebooted=elsewhere or boot is Boot.EARLIER)


def _unstarted(order: Order, boot: Boot) -> Finding | _Dead | None:
    """What is to be said of an attempt of which the ledger knows no start; None where it has started.  Raises OSError.

    In a chain that goes on its supervisor will come to it.
    """
    if order.link is not None and lock_held(_head(order)):
        return Running()  # whatever the boot in which it was admitted: who holds a lock lives in this one
    if not (revoke(order.directories.private) if boot is Boot.PRESENT else _revoked(order.directories.private)):
        return None
    served = order.link is not None and bool(order.services)
    return _Dead(None, rebooted=boot is not Boot.PRESENT, began=False) if served else NeverStarted()


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
    if not dead.began:
        return NeverStarted()
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
    os.mkdir(private, PRIVATE_MODE)
    reach("engine.folder.after")


def revoke(private: str) -> bool:
    """Take the claim of an attempt that has not started: from now on nobody can start it.  Raises OSError.

    True also where an engine before us took it and died before its ledger knew.  A link bears its text from the instant
    that it is there, as a file does not: it cannot be taken for a supervisor's claim.  A claim behind a link to
    elsewhere would prove nothing, so none is followed; nor would one in a folder that was put in the place of its own.
    """
    folder = os.open(private, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        refuse_replaced(folder, private)
        reach("engine.revoke.before")
        os.symlink(_REVOKED, "claim", dir_fd=folder)
        reach("engine.revoke.after")
    except FileExistsError:
        return stat.S_ISLNK(os.stat("claim", dir_fd=folder, follow_symlinks=False).st_mode)
    finally:
        os.close(folder)
    return True


def _replaced(private: str) -> str | None:
    """What is said where another folder stands in its place.  Raises OSError."""
    folder = os.open(private, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        refuse_replaced(folder, private)
    except FileNotFoundError as error:
        return error.strerror
    finally:
        os.close(folder)
    return None


def _revoked(private: str) -> bool:
    return os.path.islink(os.path.join(private, "claim"))


def lock_held(private: str) -> bool:
    """Whether its supervisor lives, for that one alone holds the lock.  Raises OSError."""
    return is_locked(os.path.join(private, "lock"))


def _head(order: Order) -> str:
    """The private folder of the first run of its chain, whose lock is held while the chain goes on; else its own."""
    private = order.directories.private
    return private if order.link is None else os.path.join(os.path.dirname(private), order.link.head)


def carrier(order: Order) -> Process | None:
    """Who carries it out, or will when its chain comes to it; None where that cannot be told."""
    return owner(order.directories.private) or owner(_head(order))


def owner(private: str) -> Process | None:
    """Whose claim it is, None where the claim cannot be read."""
    try:
        with open(os.path.join(private, "claim"), "rb") as file:
            return _decode_owner(file.read(4096))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
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
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Damaged(f"its exit record {path} is damaged")
    if not unbroken(data):
        return Damaged(f"its exit record {path} is damaged: it is not as it was written")
    if (found.token, found.digest) != (order.token, order.digest):
        return Damaged(f"its exit record {path} is damaged: it is another attempt's")
    return Exited(found, data)
