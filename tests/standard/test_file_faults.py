"""Damaged files: what a process that has them open reads, what the notes say, and nothing outside of work/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.plugins.api import Fault, UnableError
from campaign_standard.file import Delete, Flip, Torn, Truncate

from .faults import clear, inject
from .holds import values

ALL = [Flip(), Truncate(), Torn(), Delete()]
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory, and beside it what no fault may touch."""
    made = tmp_path / "work"
    (made / "db").mkdir(parents=True)
    (made / "db/a.log").write_bytes(CONTENT)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.log").write_bytes(CONTENT)
    return made


def file(work: Path) -> Path:
    return work / "db/a.log"


def changed(before: bytes, after: bytes) -> list[int]:
    return [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]


def test_a_process_that_has_the_file_open_reads_the_flipped_bit(work: Path) -> None:
    script = "import sys; f = open('db/a.log', 'rb', 0); print(flush=True); input(); sys.stdout.write(f.read().hex())"
    reader = subprocess.Popen(
        [sys.executable, "-c", script], cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    times = file(work).stat().st_mtime_ns
    done, undo = inject(Flip(), work, path="db/*.log")
    read = bytes.fromhex(reader.communicate("\n")[0])
    (at,) = changed(CONTENT, read)
    assert (CONTENT[at] ^ read[at]).bit_count() == 1
    assert done.notes == f"db/a.log, byte {at}: 0x{CONTENT[at]:02x} → 0x{read[at]:02x}"
    assert file(work).stat().st_mtime_ns == times
    assert undo == {}, "nothing is to be put back"
    clear(Flip(), undo)
    assert file(work).read_bytes() == read


def test_several_bits_beyond_a_place_and_back(work: Path) -> None:
    done, undo = inject(Flip(), work, path="*", bits=20, **{"from": "8KiB"}, restore=True)
    places = changed(CONTENT, file(work).read_bytes())
    assert len(places) == 20
    assert min(places) >= 8192
    assert (done.notes or "").endswith(" and 12 more")
    with file(work).open("r+b") as other:  # somebody else writes there meanwhile
        other.seek(places[3])
        other.write(b"\0" if CONTENT[places[3]] else b"\1")
    clear(Flip(), undo)
    assert changed(CONTENT, file(work).read_bytes()) == [places[3]], "what was written since stays"
    assert os.listdir(work) == ["db"]


def test_the_draw_alone_decides(work: Path) -> None:
    def flipped(random: int) -> bytes:
        file(work).write_bytes(CONTENT)
        inject(Flip(), work, path="*.log", random=random)
        return file(work).read_bytes()

    assert flipped(1) == flipped(1)
    assert len({flipped(number) for number in range(8)}) == 8


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(random=st.integers(0, 2**64 - 1), size=st.integers(1, 9000), write=st.integers(1, 9000), zeros=st.booleans())
def test_a_torn_write_ends_at_a_sector_within_it(work: Path, random: int, size: int, write: int, zeros: bool) -> None:
    before = CONTENT[:size]
    file(work).write_bytes(before)
    _, undo = inject(Torn(), work, random=random, path="db/a.log", write=f"{write}B", zeros=zeros, restore=True)
    after = file(work).read_bytes()
    state = json.loads((work / undo["memo"]).read_bytes())
    kept, start = state["kept"], max(0, size - write)
    assert start <= kept < size
    assert kept == start or kept % 512 == 0
    assert after == before[:kept] + (bytes(size - kept) if zeros else b"")
    clear(Torn(), undo)
    assert file(work).read_bytes() == before


def test_the_end_is_cut_off_and_put_back(work: Path) -> None:
    done, undo = inject(Truncate(), work, path="db/a.log", size="100B", restore=True)
    assert file(work).read_bytes() == CONTENT[:100]
    assert done.notes == "db/a.log: 10240 → 100 bytes"
    clear(Truncate(), undo)
    assert file(work).read_bytes() == CONTENT
    _, undo = inject(Truncate(), work, path="db/a.log", restore=True)
    with file(work).open("ab") as other:
        other.write(b"more")
    cut = file(work).read_bytes()
    clear(Truncate(), undo)
    assert file(work).read_bytes() == cut, "somebody has written there since"


def test_a_deleted_file_is_gone_and_comes_back(work: Path) -> None:
    inode = file(work).stat().st_ino
    done, undo = inject(Delete(), work, path="db/*", restore=True)
    assert not file(work).exists()
    assert done.notes == "db/a.log: deleted, 10240 bytes"
    clear(Delete(), undo)
    assert file(work).stat().st_ino == inode
    assert os.listdir(work / "db") == ["a.log"]
    inject(Delete(), work, path="db/*")
    assert os.listdir(work / "db") == []


def test_a_deleted_file_does_not_replace_its_successor(work: Path) -> None:
    _, undo = inject(Delete(), work, path="db/*", restore=True)
    file(work).write_text("new")
    clear(Delete(), undo)
    assert file(work).read_text() == "new"
    assert os.listdir(work / "db") == ["a.log"]


@pytest.mark.parametrize(("fault", "call"), [(Flip(), "pwrite"), (Truncate(), "ftruncate")])
def test_killed_before_it_acted_but_after_the_memo(work: Path, fault: Fault, call: str) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, call, killed)
        with pytest.raises(KeyboardInterrupt):
            inject(fault, work, path="db/a.log", restore=True)
    (memo,) = [name for name in os.listdir(work) if name.startswith(".campaign-")]
    clear(fault, {"workdir": str(work), "memo": memo})
    assert file(work).read_bytes() == CONTENT
    assert os.listdir(work) == ["db"]


@pytest.mark.parametrize("fault", ALL)
def test_nothing_outside_is_touched(work: Path, fault: Fault) -> None:
    outside = work.parent / "outside"
    file(work).unlink()
    (work / "link").symlink_to(outside)
    (work / "a.log").symlink_to(outside / "a.log")
    (work / "db/hard.log").hardlink_to(outside / "a.log")
    os.mkfifo(work / "fifo.log")
    for path in ("*.log", "link/a.log", "*", "a.log"):
        with pytest.raises(UnableError, match="no file in work/ matches"):
            inject(fault, work, path=path)
    assert (outside / "a.log").read_bytes() == CONTENT
    assert sorted(os.listdir(work)) == ["a.log", "db", "fifo.log", "link"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", ".", "a//b", "./a"])
def test_a_path_that_leads_out_is_refused_before_anything_runs(path: str, work: Path) -> None:
    for fault in ALL:
        assert fault.missing(values(fault, path=path)) is not None
        with pytest.raises(UnableError):
            inject(fault, work, path=path)


def test_a_forged_memo_leads_nowhere(work: Path) -> None:
    _, undo = inject(Truncate(), work, path="db/a.log", size="1B", restore=True)
    memo = work / undo["memo"]
    victim = work.parent / "outside/a.log"
    victim.write_bytes(b"x")
    state = json.loads(memo.read_bytes()) | {"path": "../outside/a.log", "inode": victim.stat().st_ino}
    memo.write_text(json.dumps(state))
    with pytest.raises(UnableError):
        Truncate().clear(undo)
    assert victim.read_bytes() == b"x"


def test_too_short_and_too_long_to_be_put_back(work: Path) -> None:
    with pytest.raises(UnableError, match="none of 1 files that match"):
        inject(Truncate(), work, path="db/*", size="1MiB")
    os.truncate(file(work), 17 << 20)
    with pytest.raises(UnableError, match="can be put back"):
        inject(Truncate(), work, path="db/*", size="0B", restore=True)
    assert file(work).stat().st_size == 17 << 20
