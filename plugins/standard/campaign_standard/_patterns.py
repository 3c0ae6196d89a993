"""Patterns that users write, in linear time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from campaign.plugins.api import UnableError


@lru_cache(maxsize=64)
def matcher(pattern: str) -> Callable[[bytes], bool]:
    """Whether a line matches; raises UnableError for a pattern that is none."""
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    try:
        expression = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise UnableError(f"/{pattern}/ is not a regular expression: {text}") from None
    return lambda line: expression.search(line) is not None


def wrong_pattern(*patterns: str) -> str | None:
    """Why one of these is no pattern, None where all are; what is known only when a run has begun is passed over."""
    try:
        for pattern in patterns:
            if "\0" not in pattern:
                matcher(pattern)
    except UnableError as error:
        return str(error)
    return None
