"""``kill -9`` of any process of campaign while every kind of fault is in force: nothing of them is left behind.

The kinds are those that the standard plugins offer on this machine; one that this torture has no settings for is a
violation.  Helper programs of faults are killed too; that a fault ended
early for it is told by its run.  What may not be left is looked for on the machine itself: rules of traffic control, mounts and namespaces,
processes that are stopped, busy or merely there, shared clocks, memos and the journal of inverses.  The looks
themselves are tried too: what is left on purpose must be seen.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from tests.gauntlet.processes import kill
from tests.waiting import wait_for

from campaign.plugins.registry import Registry

from .ground import Ground
from .helpers import Struck, helpers, told, untold, whose
from .holds import Killer as HoldKiller
from .holds import lost
from .scenario import Figures, main

SIZE = 1000
_PARALLEL = 3
#: What a spec says of each kind beside ``at`` and ``for``; where it begins with ``hold`` that is put on before.
_PROCESS = {
    "process.kill": "",
    "process.stop": "tree = true",
    "process.signal": 'signal = "WINCH"',
    "process.restart": "",
    "cpu.starve": "workers = 1; load = 10%",
    "memory.pressure": "size = 16MiB",
    "limits.files": "spare = 64",
}
_FILES = {
    "file.flip": 'path = "data"; restore = true',
    "file.truncate": 'path = "data"; restore = true',
    "file.delete": 'path = "data"; restore = true',
    "file.torn": 'path = "data"; restore = true',
    "config.edit": 'path = "data"; text = "x"',
}
_PROXY = {
    "net.latency": "delay = 20ms; jitter = 10ms",
    "net.bandwidth": "rate = 10kB",
    "net.blackhole": "",
    "net.partition": "",
    "net.reset": "",
    "net.half-open": "",
}
#: Faults of a machine that is prepared by a hold, by the hold and what it is given.
_PREPARED = {
    "disk.full": ("disk.limited", 'path = "disk"; size = 1MiB', 'path = "disk"'),
    "disk.error": ("disk.faulty", 'path = "disk"', 'path = "disk"'),
    "disk.slow": ("disk.faulty", 'path = "disk"', 'path = "disk"; delay = 5ms'),
    "disk.torn": ("disk.faulty", 'path = "disk"', 'path = "disk"'),
    "io.error": ("io.interposed", "", 'calls = ["fsync"]'),
    "clock.jump": ("clock.offset", "offset = 0s", "offset = 1h"),
}
#: So wide that nobody on this machine notices it.
_HELD = {
    "net.shape": 'interface = "lo"; rate = 1GB; burst = 64MiB',
    "rails.sysfs": 'path = "{folder}/rail"; value = "850"',
    "rails.command": 'rail = "r"; value = "850"; set = ["/bin/sh", "-c", "echo 850 > {folder}/rail2"]; '
    'read = ["/bin/cat", "{folder}/rail2"]; restore = ["/bin/sh", "-c", "echo {{{{old}}}} > {folder}/rail2"]',
    "limits.rlimit": "files = 256",
    "env.set": 'variable = "A"; value = "b"',
    "env.unset": 'variable = "HOME"',
}
_RAILS = ("rail", "rail2")
_SLOW = {"io.slow": 'calls = ["write"]; delay = 1ms'}
#: Held by others, or never there: what is only simulated acts on no machine.
_ELSEWHERE = frozenset(
    {"disk.limited", "disk.faulty", "io.interposed", "clock.offset", "cpu.governor", "cpu.frequency"}
)
QUICK = ("process.stop", "cpu.starve", "net.blackhole", "disk.full")
_SPEC = """campaign "faults" {{ parallel {parallel}; orphans requeue; retry {{ attempts = 3; on = [setup, lost] }} }}
tool subject {{
  command "/bin/sh" "-c" "mkdir -p disk; echo data > data; while :; do echo x >> disk/x; sleep 0.05; done"
}}
tool nap {{ command "/bin/sleep" "{nap}" }}
group g {{
  seeds 1..{runs}
  serve s: subject
  run nap
{instances}
}}
"""


class Killer(HoldKiller):
    """Keeps a daemon at campaigns of faults, and kills what carries them out, while one is in force.

    So it does with the helper programs of faults, as somebody else might.
    """

    weights: ClassVar[dict[str, int]] = {**HoldKiller.weights, "helper": 40}

    def __init__(self, ground: Ground, choice: random.Random, runs: int, spec: str) -> None:
        super().__init__(ground, choice, runs)
        self._spec = spec
        self.struck: list[Struck] = []

    def _written(self) -> str:
        return self._spec

    def _cast(self) -> dict[str, list[int]]:
        return {**super()._cast(), "helper": helpers(self.ground)}

    def _kill(self, part: str, pid: int) -> None:
        found = whose(self.ground, pid) if part == "helper" else None
        kill(pid)
        if found is not None:
            self.struck.append(Struck(time.time(), *found))

    def _held(self) -> bool:
        end = time.monotonic() + 0.5
        while not any(self.ground.workspace.glob("attempts/*/undo/*.json")):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


def instances(folder: Path, kinds: Collection[str], nap_s: float) -> Iterator[str]:
    """What a spec says of each kind, in runs of so many seconds."""
    for kind in kinds:
        if kind in _HELD:
            said = [f"hold x: {kind} {{ {_HELD[kind].format(folder=folder)} }}"]
        elif kind in _PREPARED:
            hold, given, settings = _PREPARED[kind]
            said = [f"hold h: {hold} {{ {given} }}", *_faults(kind, settings, "s", nap_s)]
        elif kind in _PROXY:
            said = ['serve p: net.proxy { upstream = "none.sock" }', *_faults(kind, _PROXY[kind], "p", nap_s)]
        else:
            said = list(_faults(kind, {**_PROCESS, **_FILES, **_SLOW}[kind], "s", nap_s))
        lines = "\n".join(f"    {line}" for line in said)
        yield f"  instance {kind.replace('.', '-')} {{\n{lines}\n  }}"


def _faults(kind: str, settings: str, target: str, nap_s: float) -> Iterator[str]:
    """One after the other, and one on top of another; all within the nap."""
    more = settings and f"; {settings}"
    spans = ((100, 300), (250, 300), (600, 200)) if _again(kind) else ((300, 200),)
    for number, (at, for_) in enumerate((at, for_) for at, for_ in spans if (at + 100 + for_) / 1000 < nap_s):
        yield f"fault f{number}: {kind} {{ target = {target}; at = {at}ms..{at + 100}ms; for = {for_}ms{more} }}"


def _again(kind: str) -> bool:
    """Whether one run can have several: what is dead stays dead, and a tracer or a file has one owner."""
    return kind not in {"process.kill", *_SLOW, *_FILES}


def kinds() -> tuple[list[str], list[str], list[str]]:
    """What this machine can do, what it lacks, and what there are no settings for."""
    registry = Registry()
    known = {*_PROCESS, *_FILES, *_PROXY, *_PREPARED, *_HELD, *_SLOW}
    able, lacking, strange = list[str](), list[str](), list[str]()
    for name in registry.names("fault"):
        model = registry.find("fault", name)
        if name in _ELSEWHERE or not (getattr(model, "injects", True) or getattr(model, "holds", False)):
            continue
        needs = [name, *(_PREPARED[name][:1] if name in _PREPARED else ())]
        if name not in known:
            strange.append(name)
        elif any(registry.unavailable("fault", each) for each in needs):
            lacking.append(name)
        else:
            able.append(name)
    return able, lacking, strange


# --- what is left ---------------------------------------------------------------------------------------------------


class Machine:
    """The machine as it was before, and what is on it now that was not."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._shared, self._mounts = _shared(), _mounts()
        self._day_s = time.time() - time.monotonic()

    def left(self) -> list[str]:
        """Whatever faults have left behind."""
        return [
            *(f"a process is left: {each}" for each in self._processes()),
            *(f"a mount is left: {each}" for each in self._mounts_left()),
            *(f"a rule is left on {name}" for name in _shaped()),
            *(f"a clock is left: {name}" for name in sorted(_shared() - self._shared) if _is_stale(name)),
            *(f"still in force: {path}" for path in self._ground.workspace.glob("attempts/*/undo/*.json")),
            *(f"a memo is left: {path}" for path in self._ground.workspace.glob("runs/**/work/.campaign-*")),
            *self._rail(),
            *(["the clock of the machine was set"] if abs(time.time() - time.monotonic() - self._day_s) > 1 else []),
        ]

    def _rail(self) -> Iterator[str]:
        for name in _RAILS:
            found = (self._ground.folder / name).read_text().strip()
            if found != "1000":
                yield f"a {name} is left at {found or 'nothing'}"

    def _processes(self) -> Iterator[str]:
        """Whoever bears the mark of an attempt, whatever it is: the daemon has gone before."""
        mark = f"CAMPAIGN_WORKDIR={self._ground.workspace}/".encode()
        for entry in os.listdir("/proc"):
            with suppress(OSError):
                if entry.isdigit() and mark in Path(f"/proc/{entry}/environ").read_bytes():
                    state = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2][:1]
                    line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    yield f"{entry} ({state}) {line}"

    def _mounts_left(self) -> Iterator[str]:
        for line in sorted(_mounts() - self._mounts):
            if str(self._ground.folder) in line or " nsfs " in line:
                yield line


def _mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def _shared() -> set[str]:
    return {name for name in os.listdir("/dev/shm") if "faketime" in name}


def _is_stale(name: str) -> bool:
    pid = name.rpartition("_")[2]
    return pid.isdigit() and not os.path.exists(f"/proc/{pid}")


def _shaped() -> list[str]:
    """The interfaces that bear our handle."""
    if shutil.which("tc") is None:
        return []
    done = subprocess.run(["tc", "-json", "qdisc", "show"], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout or "[]")
    return [str(each.get("dev")) for each in found if each.get("handle") == "ca3b:"]


# --- controls: the looks must see what is left on purpose -------------------------------------------------------------


def blind(ground: Ground, machine: Machine) -> Iterator[str]:
    """Each kind of thing is left on purpose; what is not seen then is a violation."""
    for word, plant in _PLANTS.items():
        with ExitStack() as stack:
            if not stack.enter_context(plant(ground)):
                continue
            if not any(word in each for each in machine.left()):
                yield f"the look is blind: {word} was left on purpose and not seen"


@contextmanager
def _process(ground: Ground) -> Iterator[bool]:
    environ = {"CAMPAIGN_WORKDIR": f"{ground.workspace}/x", "PATH": os.environ["PATH"]}
    with subprocess.Popen(["sleep", "100"], env=environ) as process:
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: b"CAMPAIGN" in Path(f"/proc/{process.pid}/environ").read_bytes())
        yield True
        process.kill()


@contextmanager
def _mount(ground: Ground) -> Iterator[bool]:
    folder = ground.folder / "mounted"
    folder.mkdir()
    done = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "campaign-x", folder], check=False)
    yield bool(done) and folder.is_mount()
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


@contextmanager
def _rule(ground: Ground) -> Iterator[bool]:
    del ground
    words = ["rate", "8gbit", "burst", "64mb", "latency", "50ms"]
    add = ["tc", "qdisc", "add", "dev", "lo", "root", "handle", "ca3b:", "tbf", *words]
    done = shutil.which("tc") and not _shaped() and subprocess.run(add, check=False, capture_output=True)
    yield bool(done) and done.returncode == 0  # type: ignore[union-attr]
    if done and done.returncode == 0:  # type: ignore[union-attr]
        subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)


def _file(name: str) -> Callable[[Ground], object]:
    @contextmanager
    def plant(ground: Ground) -> Iterator[bool]:
        path = ground.workspace / name if not name.startswith("/") else Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        yield True
        path.unlink()

    return plant


_PLANTS: dict[str, Callable[[Ground], object]] = {
    "a process is left": _process,
    "a mount is left": _mount,
    "a rule is left": _rule,
    "a clock is left": _file("/dev/shm/faketime_shm_4194303"),
    "still in force": _file("attempts/planted/undo/f.json"),
    "a memo is left": _file("runs/planted/work/.campaign-f.json"),
}


# --- the torture ----------------------------------------------------------------------------------------------------


def counted(ground: Ground) -> Counter[str]:
    """How often each kind acted, as the records of attempts say that were not killed."""
    found: Counter[str] = Counter()
    for path in ground.workspace.glob("attempts/*/exit.json"):
        record = json.loads(path.read_bytes())
        found.update(each["fault"] for each in record.get("faults", ()) if each.get("injected_at_s") is not None)
        found.update(each["fault"] for each in record.get("holds", ()) if each.get("put_on_at_s") is not None)
    return found


def _finish(ground: Ground, machine: Machine, seconds: float) -> Iterator[str]:
    """Let everything come to its end."""
    try:
        ground.finish_all(_PARALLEL, seconds)
        ground.stop_daemon()
        wait_for(lambda: not ground.left() and not machine.left(), 60)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        yield f"it does not come to its end: {error}\n" + "\n".join(ground.left())
    yield from machine.left()


def torture(
    folder: Path, size: int, choice: random.Random, chosen: Collection[str] | None = None, nap_s: float = 1.1
) -> Figures:
    """Faults until ``size`` have acted, with a kill for every third of them; each run lasts ``nap_s``."""
    able, lacking, strange = kinds()
    able = [each for each in able if chosen is None or each in chosen]
    ground = Ground(folder)
    for rail in _RAILS:
        (folder / rail).write_text("1000\n")
    text = _SPEC.format(
        parallel=_PARALLEL,
        nap=nap_s,
        runs=2 if chosen is None else 1,
        instances="\n".join(instances(folder, able, nap_s)),
    )
    (folder / "faults.camp").write_text(text)
    machine, killer = Machine(ground), Killer(ground, choice, 1, str(folder / "faults.camp"))
    while killer.killed.total() * 3 < size or counted(ground).total() < size:
        killer.tend()
        if killer.killed.total() * 3 <= counted(ground).total() + len(able):
            killer.strike()
        else:
            time.sleep(0.2)
    found = [f"there are no settings for {name}" for name in strange]
    found += _finish(ground, machine, 900)
    found += ground.defects
    found += [f"{token} holds what a person has to release: {why}" for token, why in lost(ground)]
    found += untold(ground, killer.struck)
    found += blind(ground, machine)
    acted = counted(ground)
    never = [name for name in able if not acted[name]]
    found += [f"{name} never acted" for name in never if chosen is None]
    ground.clear()
    figures: dict[str, int | str] = {"kinds": len(able), "acted": acted.total(), "while_in_force": killer.in_force}
    figures["ended_early"] = told(ground)
    return Figures({**figures, **killer.killed, "lacking": ",".join(lacking) or "none"}, found)


if __name__ == "__main__":
    sys.exit(main("faults", torture, SIZE))
