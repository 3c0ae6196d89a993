"""Regular expressions that users write: linear time (RE2), never Python's ``re``."""

from __future__ import annotations

from campaign.plugins.patterns import PatternError, compile_pattern

__all__ = ["PatternError", "compile_pattern", "search"]


def search(pattern: str, text: str) -> bool:
    """Whether ``pattern`` matches anywhere in ``text``; ``^`` and ``$`` are the ends of the whole text."""
    return compile_pattern(pattern).search(text) is not None
