"""Keeps the details of a defect of campaign itself in a file, so that the terminal shows one line and no traceback."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from campaign import __version__
from campaign.cli.workspace import find_workspace


def save_details(error: BaseException, arguments: Sequence[str]) -> str | None:
    """Write the details into the first folder that takes them; its path, None where none does."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.txt"
    text = _details(error, arguments)
    for folder in _folders(os.environ):
        path = os.path.join(folder, name)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # arguments may hold secrets
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return path
    return None


def _details(error: BaseException, arguments: Sequence[str]) -> str:
    story = "".join(traceback.format_exception(error))
    return (
        f"campaign {__version__}\npython {sys.version}\nplatform {platform.platform()}\n"
        f"arguments {list(arguments)!r}\n\n{story}"
    )


def _folders(environ: Mapping[str, str]) -> Iterator[str]:
    """The workspace where there is one, else the user's state folder, else a temporary one."""
    try:
        workspace = find_workspace(None, environ, os.getcwd())
    except OSError:  # the working directory has vanished
        workspace = ""
    if os.path.isdir(workspace):
        yield os.path.join(workspace, "defects")
    state = environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    if os.path.isabs(state):
        yield os.path.join(state, "campaign", "defects")
    try:
        yield tempfile.mkdtemp(prefix="campaign-defect-")
    except OSError:
        return
