"""Programs that take from a machine what others need; run beside the tools while a fault is in force.

    python -P -m campaign_standard._hog memory --bytes N --floor N
    python -P -m campaign_standard._hog cpu --cpus 0,1 --workers N --load L --seed S

When it has what it is to have, it calls itself ``UP`` in the process table.  Where memory runs out all the same, the
kernel kills it before anything else.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

UP = "campaign-hog"
_PR_SET_PDEATHSIG = 1
_STEP_BYTES = 16 << 20
#: Between two looks at how much memory there is, which everybody changes.
_LOOK_S = 0.05
#: What is not held by then is taken later; whoever waits for it need wait no longer.
_SETTLED_S = 5.0
_LEAST_BURST_S, _MOST_BURST_S = 0.005, 0.05


class Memory:
    """Holds memory in steps, and never takes so much that less than ``floor`` bytes were available."""

    def __init__(self, size: int, floor: int, available: Callable[[], int]) -> None:
        self._size, self._floor, self._available = size, floor, available
        self._steps: list[mmap.mmap] = []
        self.held = 0

    def adjust(self) -> bool:
        """One step more, or one less where too little is left for others; False where it is well as it is."""
        left = self._available()
        if self._steps and left < self._floor:
            step = self._steps.pop()
            self.held -= len(step)
            step.close()
            return True
        wanted = min(_STEP_BYTES, self._size - self.held)
        if wanted <= 0 or left - wanted < self._floor:
            return False
        step = mmap.mmap(-1, wanted)
        _touch(step)
        self._steps.append(step)
        self.held += wanted
        return True

    def use(self, number: int) -> None:
        """Touch one of the steps, so that none is swapped out for good."""
        if self._steps:
            _touch(self._steps[number % len(self._steps)])


def _touch(step: mmap.mmap) -> None:
    pages = len(range(0, len(step), mmap.PAGESIZE))
    step[:: mmap.PAGESIZE] = b"\1" * pages


def available_memory() -> int:
    """What the kernel says could be had without swapping, in bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def hold_memory(size: int, floor: int) -> None:
    """For ever."""
    memory, settled, round_ = Memory(size, floor, available_memory), time.monotonic() + _SETTLED_S, 0
    while True:
        while memory.adjust() and time.monotonic() < settled:
            continue
        _say_up()
        memory.use(round_)
        round_ += 1
        time.sleep(_LOOK_S)


def starve(cpus: list[int], workers: int, load: float, seed: int) -> None:
    """So many busy processes on each processor, for ever."""
    leader = os.getpid()
    for cpu in cpus:
        for worker in range(workers):
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != leader:  # it died before that was said
                    os._exit(1)
                os.sched_setaffinity(0, {cpu})
                _spin(load, random.Random(f"{seed}/{cpu}/{worker}"))
    _say_up()
    os.wait()  # nobody is to end: whoever asks then sees that it is over
    raise SystemExit(1)


def _spin(load: float, draws: random.Random) -> None:
    while True:
        burst = draws.uniform(_LEAST_BURST_S, _MOST_BURST_S)
        end = time.monotonic() + burst * load
        while time.monotonic() < end:
            continue
        if load < 1:
            time.sleep(burst * (1 - load))


def _say_up() -> None:
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(UP)


def main() -> None:
    """Read the command line, and take."""
    parser = argparse.ArgumentParser(prog="campaign_standard._hog")
    kinds = parser.add_subparsers(dest="kind", required=True)
    memory = kinds.add_parser("memory")
    memory.add_argument("--bytes", type=int, required=True)
    memory.add_argument("--floor", type=int, required=True)
    cpu = kinds.add_parser("cpu")
    cpu.add_argument("--cpus", required=True)
    cpu.add_argument("--workers", type=int, required=True)
    cpu.add_argument("--load", type=float, required=True)
    cpu.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args()
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    if asked.kind == "memory":
        hold_memory(asked.bytes, asked.floor)
    else:
        starve([int(each) for each in asked.cpus.split(",")], asked.workers, asked.load, asked.seed)


if __name__ == "__main__":
    main()
