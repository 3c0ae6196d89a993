"""Regular expressions that users and plugins write: linear time (RE2), never Python's ``re``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2


class PatternError(ValueError):
    """A pattern that RE2 does not take; the text is a sentence for the user."""


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # what is wrong goes into the diagnostic, not to stderr
    options.max_mem = 1 << 20  # what one pattern may compile to: a{1000}{1000} is refused, not built
    return options


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; raises PatternError for what is not linear-time syntax or compiles to too much."""
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        text = error.args[0] if error.args else "not a regular expression"
        reason = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        raise PatternError(reason) from None
