"""Power cuts: the image of a mounted file system is copied, unsynced, while a campaign runs on it.

What the copy holds is what a disk would hold after the cut.  It is mounted in the place of the first one, and the
campaign resumed there.  The last campaign is the control: its ledger is made ``synchronous=NORMAL``, and must lose
something, or the judge were blind.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.waiting import wait_for

from . import judge
from .ground import Ground
from .scenario import Figures, main

#: Cuts.
SIZE = 100
#: Cuts of one campaign, and how many runs it has.
_PER_CAMPAIGN, _RUNS = 5, 40
_BYTES = 48 << 20
_BLIND = str(Path(__file__).with_name("blind"))
_TRIES = 200


class Cut(NamedTuple):
    """A copy of the image, and what had been acknowledged before it was begun: run by run, its verdict."""

    image: Path
    acknowledged: dict[int, str]


class Disk:
    """A file system in a file, mounted on ``place``."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind, self.place = folder, kind, folder / "disk"
        self.image, self._device = folder / "image", ""
        self.place.mkdir()

    def make(self) -> None:
        """A new one, empty and mounted."""
        self.image.unlink(missing_ok=True)
        with self.image.open("wb") as file:
            file.truncate(_BYTES)
        subprocess.run(["mkfs." + self.kind, "-q", str(self.image)], check=True, capture_output=True)
        self.mount(self.image)

    def mount(self, image: Path) -> None:
        """Mount an image; its journal is replayed, as after a cut."""
        self._device = _said("losetup", "--find", "--show", str(image))
        _said("mount", "-t", self.kind, self._device, str(self.place))

    def unmount(self) -> None:
        """Let it go."""
        wait_for(lambda: subprocess.run(["umount", str(self.place)], capture_output=True, check=False).returncode == 0)
        _said("losetup", "--detach", self._device)

    def copy(self, target: Path) -> bool:
        """Copy it as it is at one instant: a copy during which it was written to is thrown away."""
        for _ in range(_TRIES):
            before = self._writes()
            _copy_sparse(self.image, target)
            if before == self._writes():
                return True
            target.unlink()
        return False

    def _writes(self) -> list[str]:
        """The numbers that change while the device writes: requests done, blocks, requests in flight."""
        words = Path(f"/sys/block/{os.path.basename(self._device)}/stat").read_text().split()
        return [words[4], words[6], words[8]]


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` cuts, and the control."""
    if missing := _missing():
        return Figures({}, [], missing)
    counts, found = {"cuts": 0, "interrupted": 0, "resumed": 0, "acknowledged": 0}, list[str]()
    with tempfile.TemporaryDirectory(dir=_fast(folder)) as place:
        disk = Disk(Path(place), "ext4")
        while counts["cuts"] < size:
            wanted = min(_PER_CAMPAIGN, size - counts["cuts"])
            found += _campaign(disk, wanted, choice, counts)
        lost = 0
        for _ in range(3):
            lost += len(_campaign(disk, 2, choice, dict.fromkeys(counts, 0), PYTHONPATH=_BLIND))
            if lost:
                break
    if not lost:
        found.append("the control lost nothing: this judge is blind")
    return Figures({**counts, "control_lost": lost}, found)


def _campaign(disk: Disk, wanted: int, choice: random.Random, counts: dict[str, int], **environ: str) -> list[str]:
    """One campaign, cut so many times; what was found on its copies."""
    disk.make()
    try:
        cuts = _cut(Ground(disk.place, **environ), disk, wanted, choice)
    finally:
        disk.unmount()
    found = []
    for cut in cuts:
        disk.mount(cut.image)
        try:
            found += _resumed(Ground(disk.place, **environ), cut, counts)
        finally:
            disk.unmount()
            cut.image.unlink()
    return found


def _cut(ground: Ground, disk: Disk, wanted: int, choice: random.Random) -> list[Cut]:
    """Carry a campaign out until it has been cut so many times, then end everything."""
    spec = ground.spec("power", _RUNS, nap="0.05", how="synced", clauses="orphans requeue")
    _said("sync", "--file-system", str(disk.place))
    process = ground.start("exec", spec, "--tokens", stderr=subprocess.DEVNULL)
    acknowledged: dict[int, str] = {}
    reader = threading.Thread(target=_listen, args=(process, acknowledged))
    reader.start()
    cuts = []
    wait_for(lambda: bool(acknowledged) or process.poll() is not None)
    for number in range(wanted):
        time.sleep(choice.uniform(0.05, 0.4))
        cut = Cut(disk.folder / f"cut-{number}", dict(acknowledged))
        if disk.copy(cut.image):
            cuts.append(cut)
    ground.clear()
    process.wait()
    reader.join()
    if process.stdout:
        process.stdout.close()
    return cuts


def _listen(process: subprocess.Popen[str], acknowledged: dict[int, str]) -> None:
    """Keep what is acknowledged as done: ``::campaign result=pass run=i#7 attempt=1 final=true``."""
    for line in process.stdout or ():
        words = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
        if words.get("final") == "true":
            acknowledged[int(words["run"].partition("#")[2])] = words["result"]


def _resumed(ground: Ground, cut: Cut, counts: dict[str, int]) -> list[str]:
    """What is wrong with a copy: before it is resumed, and after."""
    counts["cuts"] += 1
    counts["acknowledged"] += len(cut.acknowledged)
    try:
        rows = judge.deciding(judge.attempts(ground))
    except Exception as error:  # the ledger is not there, or is none
        return [f"the ledger cannot be read: {error}"]
    known = {seed: row for (_, seed), row in rows.items()}
    found = [
        f"run {seed} was acknowledged as {verdict} and is not"
        for seed, verdict in cut.acknowledged.items()
        if seed not in known or known[seed].verdict != verdict
    ]
    under_way = any(row.state != "done" for row in known.values())
    counts["interrupted"] += under_way
    spec = str(ground.folder / "power.camp")
    status, _, err = ground.call("exec", spec, "--resume", "--no-progress", wrapper=_another_boot(cut.image))
    if status not in {0, 1} and not ("CAMP508" in err and not under_way):
        return [*found, f"exec --resume ended with {status}: {err[-500:]}"]
    counts["resumed"] += status in {0, 1}
    with suppress(FileNotFoundError):
        found += judge.violations(ground, dict.fromkeys({campaign for campaign, _ in rows}, _RUNS))
    return found


def _another_boot(image: Path) -> tuple[str, ...]:
    """What makes a command believe that the machine was started anew, as after a cut it was."""
    fake = image.with_suffix(".boot")
    fake.write_text(f"{uuid.uuid4()}\n")
    script = f'mount --bind "{fake}" /proc/sys/kernel/random/boot_id && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


def _copy_sparse(source: Path, target: Path) -> None:
    """Copy the parts of a sparse file that are there: quick, so that it is one instant's more often."""
    with source.open("rb") as a, target.open("wb") as b:
        end, position = os.fstat(a.fileno()).st_size, 0
        os.ftruncate(b.fileno(), end)
        while position < end:
            try:
                start = os.lseek(a.fileno(), position, os.SEEK_DATA)
            except OSError:
                return  # only a hole follows
            position = os.lseek(a.fileno(), start, os.SEEK_HOLE)
            os.lseek(b.fileno(), start, os.SEEK_SET)
            while start < position:
                start += os.sendfile(b.fileno(), a.fileno(), start, position - start)


def _fast(folder: Path) -> str:
    """Where the images lie: in memory if that can be had, for a copy must take but an instant."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(folder)


def _missing() -> str | None:
    """What this machine lacks, None where all is there."""
    lacking = [name for name in ("mkfs.ext4", "losetup", "mount", "umount", "unshare") if shutil.which(name) is None]
    if lacking:
        return f"{', '.join(lacking)} not found"
    if os.geteuid() != 0:
        return "only root may mount"
    with tempfile.TemporaryDirectory() as place:
        disk = Disk(Path(place), "ext4")
        try:
            disk.make()
        except (OSError, subprocess.CalledProcessError) as error:
            return f"nothing can be mounted here: {error}"
        disk.unmount()
    return None


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main("power", torture, SIZE))
