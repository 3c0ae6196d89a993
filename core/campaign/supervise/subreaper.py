"""Orphans come to us: apart from the process table, because ctypes is slow to import and few need it."""

from __future__ import annotations

import ctypes

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Have orphans below this process become its children, see prctl(2).  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
