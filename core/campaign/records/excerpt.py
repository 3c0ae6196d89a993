"""What an output says of the cause of a failure, and what a fingerprint was made from."""

from __future__ import annotations

from msgspec import Struct


class Excerpt(Struct, frozen=True, omit_defaults=True):
    """What was recognised in an output, and what of it is the same whenever the same thing fails.

    ``form`` names what wrote it (``sanitizer``, ``python``, ``kernel`` …; ``lines`` where only error lines were found).
    ``headline`` and ``frames``, innermost first, enter a fingerprint; ``dropped`` are frames that do not (allocators,
    abort and panic machinery).  ``path`` is relative to the attempt.
    """

    form: str
    headline: str = ""
    frames: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    path: str | None = None


class Grounds(Struct, frozen=True, omit_defaults=True):
    """What a fingerprint was made from: ``version``, ``kind``, ``subject``, ``form`` and ``lines`` are all of it.

    ``kind`` is the verdict and the kind of failure, ``subject`` what failed first.  ``form`` says what ``lines`` are: a
    headline and frames, ``lines`` of an output, the ``message``, or a ``plugin``'s own words.  ``dropped`` was left out
    as noise; ``path`` is where it was read.  ``was`` is the fingerprint that these are of, where a rule set made it one
    with another or told it apart.
    """

    version: int
    kind: str
    subject: str
    form: str
    lines: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    path: str | None = None
    was: str | None = None
