"""A tool that leaves daemons: ``hydra.py FOLDER COUNT``, each in a session of its own, deaf to TERM, output closed.

Every second one also forgets its environment and its folder, so that nothing but its descent tells whose it is.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main() -> None:
    folder, count = sys.argv[1], int(sys.argv[2])
    for number in range(count):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                become(f"head-of-{folder}", hidden=number % 2 == 1)
            os._exit(0)
        os.wait()
    with open(f"{folder}/grown", "w", encoding="ascii") as file:
        file.write(str(count))
    time.sleep(300)


def become(name: str, *, hidden: bool) -> None:
    """A process that stays, for it ignores whatever can be ignored."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.closerange(3, 64)
    if hidden:
        os.chdir("/")
    os.execve("/bin/sleep", [name, "300"], {} if hidden else dict(os.environ))


if __name__ == "__main__":
    main()
