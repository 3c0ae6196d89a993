"""Every damage by hand: the oracle must be able to fail, and name the first thing wrong."""

import hashlib
import os
import shutil

import pytest

from campaign_redis.consistency import UnreadableError
from campaign_redis.signature import signature

APPENDED = "appendonlydir/appendonly.aof.1.incr.aof"
BASE = "appendonlydir/appendonly.aof.1.base.rdb"
MANIFEST = "appendonlydir/appendonly.aof.manifest"
SNAPSHOT = "dump.rdb"


def _flip(path, share):
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x10
    path.write_bytes(data)


def _cut(path, size):
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def test_what_a_killed_server_leaves_is_as_promised(appended, snapshot):
    finding = appended.inspect()
    assert finding.wrong is None
    assert finding.promised == finding.keys > 0
    finding = snapshot.inspect()
    assert finding.wrong is None
    assert 0 < finding.promised <= finding.keys


def test_the_evidence_is_not_changed(appended):
    def digests():
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest() for path in appended.folder.rglob("*") if path.is_file()
        }

    before = digests()
    assert appended.inspect().wrong is None
    assert digests() == before


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("field", [b"SET", b"key:", b" "])  # a space is in the middle of a value
def test_a_flipped_bit_is_found_though_redis_has_no_checksum_there(appended, copy_of, share, field):
    lab = copy_of(appended)
    path = lab.directory / APPENDED
    data = bytearray(path.read_bytes())
    data[data.rfind(field, 0, int(len(data) * share)) + len(field) - 1] ^= 0x10
    path.write_bytes(data)
    assert lab.inspect().wrong


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_flipped_bit_of_a_snapshot_is_found(snapshot, copy_of, share):
    lab = copy_of(snapshot)
    _flip(lab.directory / SNAPSHOT, share)
    wrong = lab.inspect().wrong
    assert wrong.startswith("no server can load it: ")
    assert signature(wrong) == "redis: data that cannot be loaded"


@pytest.mark.parametrize("size", [0, 1000, -3])
def test_an_end_that_is_cut_off_is_a_loss_though_redis_loads_the_rest(appended, copy_of, size):
    lab = copy_of(appended)
    _cut(lab.directory / APPENDED, size)
    finding = lab.inspect()
    assert finding.wrong.startswith("acknowledged write ")
    assert " is lost: it holds " in finding.wrong
    assert signature(finding.wrong) == "redis: lost write"
    assert bool(finding.notes) == (size != 0)  # what was left out, in Redis's own words


def test_a_snapshot_that_is_cut_off_is_found(snapshot, copy_of):
    lab = copy_of(snapshot)
    _cut(lab.directory / SNAPSHOT, -20)
    assert "Unexpected EOF reading RDB file" in lab.inspect().wrong or "CRC" in lab.inspect().wrong


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (APPENDED, "no server can load it: Unable to obtain the AOF file"),
        (BASE, "no server can load it: Unable to obtain the AOF file"),
        (MANIFEST, " is lost: it holds nothing"),
    ],
)
def test_a_file_that_is_gone_is_found(appended, copy_of, file, said):
    lab = copy_of(appended)
    (lab.directory / file).unlink()
    assert said in lab.inspect().wrong


def test_a_snapshot_that_is_gone_is_found(snapshot, copy_of):
    lab = copy_of(snapshot)
    (lab.directory / SNAPSHOT).unlink()
    assert " is lost: it holds nothing" in lab.inspect().wrong


def test_files_of_another_run_are_found(appended, copy_of):
    lab = copy_of(appended)
    lab.history.write_text("server 1 aa\nset 1 1 1\nack 1 1.0\n")
    wrong = lab.inspect().wrong
    assert "is lost" in wrong or "never asked for" in wrong


def test_what_nobody_wrote_is_found(lab):
    from campaign_redis.resp import Connection

    lab.serve()
    lab.write("--duration-s=0.1")
    with Connection(lab.port, 5) as connection:
        connection.ask("SET", "stranger", "1")
    lab.close()
    wrong = lab.inspect().wrong
    assert wrong == "'stranger' holds what was never written to it"
    assert signature(wrong) == "redis: foreign value"


def test_nothing_on_disk_is_nothing_promised(lab):
    server = lab.serve("--appendonly=false")
    lab.write("--duration-s=0.2")
    server.kill()
    server.wait()
    finding = lab.inspect()
    assert (finding.wrong, finding.promised, finding.keys) == (None, 0, 0)
    assert finding.acknowledged > 0
    assert finding.summary == f"{finding.acknowledged} writes were acknowledged, 0 keys are as promised"
    assert " is lost: it holds nothing" in lab.inspect(everything=True).wrong


def test_there_must_be_something_to_judge(appended, copy_of, lab):
    with pytest.raises(UnreadableError, match="nothing to judge"):
        lab.inspect()
    broken = copy_of(appended)
    broken.history.write_text("server 1 aa\nack 5 1.0\n")
    with pytest.raises(UnreadableError, match="cannot be read"):
        broken.inspect()
    shutil.rmtree(broken.directory)
    with pytest.raises(UnreadableError, match="nothing to judge"):
        broken.inspect()


def test_a_message_of_somebody_else_has_no_signature():
    assert signature("the checksum of page 3 is wrong") is None
