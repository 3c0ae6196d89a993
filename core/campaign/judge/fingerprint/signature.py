"""A signature for a failure, so that a thousand failures of one cause are one line in a report.

Version 2: BLAKE2b over the kind of failure, what failed first (an expectation as written, an oracle, a step and how
it ended) and what the output says of the cause: the stack where there is one, else the first line of the message and
the first error lines, everything masked that differs from run to run.  The seed, the cell and paths never enter.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from campaign.judge.fingerprint.masking import masked
from campaign.records import Excerpt, Grounds

VERSION = 2
#: The form of an excerpt that has no stack, only lines.
LINES = "lines"
MESSAGE = "message"
PLUGIN = "plugin"


def fingerprint(grounds: Grounds) -> str:
    """16 hexadecimal digits: the same for the same grounds, whatever was left out as noise and wherever it stood."""
    parts = (grounds.version, grounds.kind, grounds.subject, grounds.form, grounds.lines)
    return blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()


def grounds_of(
    kind: str, subject: str, message: str, names: Iterable[str] = (), excerpt: Excerpt | None = None
) -> Grounds:
    """What makes a failure of ``kind`` the one it is, whose ``subject`` (taken as it is) failed first.

    ``names`` are the run's own: its cell, its key, its directories; masked wherever the message or an error line
    quotes them.  A stack says more than any message does, so that the message does not count beside one.
    """
    own = tuple(names)
    if excerpt is None:
        return Grounds(VERSION, kind, subject, MESSAGE, (masked(message, own),))
    if excerpt.form == LINES:
        lines = (masked(message, own), *(masked(line, own) for line in excerpt.frames))
    else:
        lines = (excerpt.headline, *excerpt.frames)
    return Grounds(VERSION, kind, subject, excerpt.form, lines, excerpt.dropped, excerpt.path)


def signed(kind: str, signature: str) -> Grounds:
    """The grounds of a failure for which a plugin has a name of its own."""
    return Grounds(VERSION, kind, "", PLUGIN, (masked(signature),))
