"""What a fault learns only when it acts, written down in the working directory before it does.

``arm`` runs as soon as the target does, when the file to be changed may not be there yet and a limit not be set.  So
the inverse that it returns names a memo; ``inject`` writes there what was before, synced, and only then acts; and
``clear`` takes back what the memo says.  Without a memo nothing has acted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from campaign.plugins.api import Injection, UnableError
from campaign_standard._inside import OWN, read_within, remove_within, write_within

_LONGEST = 64 << 20


def memo_of(injection: Injection) -> dict[str, Any]:
    """The part of an inverse that names the memo; of one fault or hold alone."""
    label = injection.label.replace("/", "_")
    return {"workdir": injection.workdir, "memo": f"{OWN}{label}-{injection.random:016x}.json"}


def remember(undo: Mapping[str, Any], state: Any) -> None:
    """Write down what was before; raises UnableError."""
    write_within(undo["workdir"], undo["memo"], msgspec.json.encode(state))


def recall(undo: Mapping[str, Any]) -> Any:
    """What was before, None where nothing has acted, or all was taken back.  Raises UnableError."""
    if not os.path.lexists(os.path.join(undo["workdir"], undo["memo"])):
        return None
    try:
        return msgspec.json.decode(read_within(undo["workdir"], undo["memo"], _LONGEST))
    except msgspec.MsgspecError as error:
        raise UnableError(f"{undo['memo']} cannot be read: {error}") from None


def forget(undo: Mapping[str, Any]) -> None:
    """All was taken back."""
    if os.path.isdir(undo["workdir"]):
        remove_within(undo["workdir"], undo["memo"])
