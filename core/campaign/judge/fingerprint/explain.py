"""Why a failure has the fingerprint it has, in words and lines; pure."""

from __future__ import annotations

from collections.abc import Iterator

from campaign.judge.fingerprint.signature import LINES, MESSAGE, PLUGIN
from campaign.records import Grounds

_FORMS = {
    PLUGIN: "a plugin's own name for it",
    MESSAGE: "nothing was recognised in the output: the message, masked",
    LINES: "the message and the first error lines, masked",
}


def explain(fingerprint: str, grounds: Grounds) -> Iterator[tuple[str, str]]:
    """What each part is, and the part: what failed, what was recognised where, what counts, what was left out.

    Several parts of one name are lines of it.
    """
    yield "fingerprint", f"{fingerprint} (version {grounds.version})"
    if grounds.was is not None:
        yield "by rule sets", f"instead of {grounds.was}"
    yield "verdict, kind", grounds.kind
    if grounds.subject:
        yield "what failed", grounds.subject
    found = _FORMS.get(grounds.form, f"a stack ({grounds.form})")
    yield "recognised", f"{found}, in {grounds.path}" if grounds.path else found
    yield from (("counts", line) for line in grounds.lines if line)
    yield from (("left out", name) for name in grounds.dropped)
