"""What plugins print: never a result of ours, so it goes where messages go."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, redirect_stdout


def printing_aside() -> AbstractContextManager[object]:
    """While a stranger's code runs in this process: what it prints goes to standard error, and cannot spoil JSON."""
    return redirect_stdout(sys.stderr)
