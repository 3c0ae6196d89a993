"""Standard streams that the caller closed."""

from __future__ import annotations

import subprocess
import sys

WITHIN = """
import os, sys
from campaign.cli.streams import keep_standard_streams_apart
sys.stderr = open(os.devnull, "w")  # as the command line does where it is closed
keep_standard_streams_apart()
os.execv(sys.executable, [sys.executable, "-c", "import os; print(os.readlink('/proc/self/fd/2'))"])
"""


def test_what_the_process_becomes_has_no_socket_for_its_standard_error() -> None:
    command = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", WITHIN]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.stdout == "/dev/null\n"
