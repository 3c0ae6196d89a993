"""A tool that misbehaves as its second argument says; the first marks it, so that it can be found afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time


def sleep_marked() -> None:
    """Become a process that sleeps long and still bears the mark."""
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", sys.argv[1]])


def daemonise() -> None:
    """Leave a process in a session of its own, its parent gone and its output closed."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(null, descriptor)
            sleep_marked()
        os._exit(0)
    os.wait()
    time.sleep(0.2)


def hold_output() -> None:
    """Leave a grandchild that keeps our standard output open."""
    if os.fork() == 0:
        sleep_marked()


def ignore_term() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    print("I stay", flush=True)
    time.sleep(300)


def close_output() -> None:
    os.close(1)
    os.close(2)
    time.sleep(0.2)


def flood() -> None:
    block = b"0123456789abcdef" * 4096
    for _ in range(2048):  # 128 MiB
        os.write(1, block)
    os.write(1, b"\nthe end\n")


def long_line() -> None:
    os.write(1, b"x" * 40_000_000 + b"\n")


def fork_bomb() -> None:
    """A small one: sixty processes in a tree, each of them sleeping."""
    for _ in range(6):
        if os.fork() == 0:
            for _ in range(9):
                if os.fork() == 0:
                    sleep_marked()
            sleep_marked()


def garbage() -> None:
    os.write(1, bytes(range(256)) * 8 + b"\x1b[2J\x1b]0;owned\x07\xff\xfe\n")


def vanish() -> None:
    """Remove the attempt's whole public directory, in which we are."""
    shutil.rmtree(os.path.dirname(os.getcwd()))


def fill_disk() -> None:
    with open("fill", "wb") as file:
        while True:
            file.write(b"x" * 65536)


MODES = {
    "pass": lambda: None,
    "fail": lambda: sys.exit(3),
    "signal": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "nap": lambda: time.sleep(2),
    "slow": lambda: time.sleep(300),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "daemonise": daemonise,
    "hold-output": hold_output,
    "ignore-term": ignore_term,
    "close-output": close_output,
    "flood": flood,
    "long-line": long_line,
    "fork-bomb": fork_bomb,
    "garbage": garbage,
    "vanish": vanish,
    "fill-disk": fill_disk,
}

if __name__ == "__main__":
    MODES[sys.argv[2]]()
