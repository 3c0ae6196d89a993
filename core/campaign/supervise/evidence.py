"""The evidence of an attempt looked at again: whether it is still what was judged, and what else its output says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from msgspec.structs import replace

from campaign.judge.again import came_in_an_archive, not_looked_for
from campaign.records import Exit, Order, OutputRecord, mask_text, order_digest, secrets_of
from campaign.supervise.output import CHUNK_BYTES
from campaign.supervise.recording import OUTPUT_FILE
from campaign.supervise.scan import Patterns, Scanner, as_printed

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: Judgements are dated when they are over, by a clock that may be a little behind that of the file system.
_SLACK_S = 0.1
#: Entries of ``work/`` that are looked at.
_MOST_ENTRIES = 20_000


def doubts(order: Order, exit: Exit, digest: str, judged_at: float) -> Iterator[str]:
    """Why the evidence is not what was judged then, in sentences; none: it is, as far as that can be seen.

    ``digest`` is the admitted one; what changed after ``judged_at`` (seconds since 1970) is no evidence of the run.
    What came in an archive has the times of its import and no empty folders: of that only what is gone is seen.
    """
    archived = came_in_an_archive(order)
    if (order_digest(order) != digest and not archived) or exit.digest != digest:
        yield "its order or exit record does not match the digest that was admitted"
    yield from losses(order, exit, archived=archived)
    public = order.directories.public
    if archived or not os.path.isdir(public):
        return
    after = judged_at + _SLACK_S
    yield from _changed(order.directories.work, after, by_inode=not _copied(public, exit.output, after))


def losses(order: Order, exit: Exit, *, archived: bool = False) -> Iterator[str]:
    """What of the evidence is gone or was cut, in sentences, as far as its folders and the size of its output tell."""
    public = order.directories.public
    if not os.path.isdir(public):
        yield f"its folder is gone: {public}"
        return
    yield from _output_doubts(public, exit.output)
    if exit.steps and not archived and not os.path.isdir(order.directories.work):
        yield "its work/ is gone"


def _output_doubts(public: str, output: OutputRecord) -> Iterator[str]:
    if output.path is None:
        return
    try:
        status = os.stat(os.path.join(public, output.path), follow_symlinks=False)
    except OSError:
        yield f"its {output.path} is gone"
        return
    wanted = output.total_bytes - output.dropped_bytes
    if output.dropped_bytes:
        wanted += len(f"\n[campaign left out {output.dropped_bytes} bytes here]\n")
    if not stat.S_ISREG(status.st_mode) or status.st_size != wanted:
        yield f"its {output.path} is not the one that was kept: {status.st_size:,} bytes, there were {wanted:,}"


def _copied(public: str, output: OutputRecord, after: float) -> bool:
    """Whether the whole folder was copied, with its dates: then all inodes are younger, which says nothing."""
    try:
        return os.stat(os.path.join(public, output.path or OUTPUT_FILE), follow_symlinks=False).st_ctime > after
    except OSError:
        return False


def _changed(work: str, after: float, *, by_inode: bool) -> Iterator[str]:
    """The first file below ``work/`` that is younger, by its date, or by that of its inode, which nobody can set.

    Of a folder that is younger something was taken away, put in, or renamed.
    """
    waiting, seen, younger = [""], 0, list[str]()
    while waiting and seen < _MOST_ENTRIES:
        folder = waiting.pop()
        with suppress(OSError), os.scandir(os.path.join(work, folder)) as entries:
            if _is_younger(os.stat(os.path.join(work, folder)), after, by_inode=by_inode) is not None:
                younger.append(folder)
            for entry in entries:
                seen += 1
                path = os.path.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                    continue
                how = _is_younger(entry.stat(follow_symlinks=False), after, by_inode=by_inode)
                if how is not None:
                    yield f"work/{path} was changed after it was judged{how}"
                    return
    if younger:  # what is new was told by its name; so something is gone
        path = os.path.join("work", younger[0]).rstrip("/")
        yield f"{path} was changed after it was judged: something in it was removed or renamed"


def _is_younger(status: os.stat_result, after: float, *, by_inode: bool) -> str | None:
    """None where it is not; else what is to be said of its date, if anything."""
    if status.st_mtime > after:
        return ""
    return ", and its date put back" if by_inode and status.st_ctime > after else None


def searched_again(recorded: Order, order: Order, exit: Exit) -> tuple[Exit, list[str]]:
    """The exit record with what the kept output says to what was not looked for then, and what cannot be told.

    Raises OSError.
    """
    patterns, metrics = not_looked_for(recorded, order)
    if not (patterns or metrics) or exit.output.path is None:
        return exit, []
    found, dropped = Patterns(as_printed(patterns, secrets_of(order))), exit.output.dropped_bytes
    fd = os.open(os.path.join(order.directories.public, OUTPUT_FILE), _FLAGS)
    values: list[dict[str, str]] = []
    with os.fdopen(fd, "rb") as file:
        for number, step in enumerate(exit.steps, start=1):
            scanner = Scanner(found, metrics.get(step.label, ()))
            left = step.output.total_bytes if number < len(exit.steps) else os.fstat(fd).st_size
            while left and (data := file.read(min(left, CHUNK_BYTES))):
                scanner.feed(data)
                left -= len(data)
            scanner.end()
            values.append(dict(scanner.values))
    missing = [each.id for each in patterns if each.among or each.id not in found.found] if dropped else []
    shown = (mask_text(name, secrets_of(order)) for name in missing)
    untold = [f"{dropped:,} bytes of its output were not kept, and {name} may be there" for name in shown]
    if dropped and metrics:
        untold.append(f"{dropped:,} bytes of its output were not kept, and a metric may be there")
    steps = tuple(
        replace(step, metrics={**step.metrics, **more}) for step, more in zip(exit.steps, values, strict=True)
    )
    return replace(exit, matched=(*exit.matched, *found.found), steps=steps), untold
