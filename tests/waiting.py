"""Waiting for what processes, files and folders show: nobody tells when it comes, so it is looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

#: What a busy machine may take; a test that waits in vain fails only then.
PATIENCE_S = 60.0
_LOOK_AGAIN_S = 0.01


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_S, story: object = "it never happened") -> None:
    """Wait until it holds; fail with ``story``, or what that returns, where it does not within that time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, story() if callable(story) else story
        time.sleep(_LOOK_AGAIN_S)
