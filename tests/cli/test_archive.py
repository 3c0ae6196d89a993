"""A campaign as one file: out and in again, and every way in which an archive can lie."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from campaign import durable
from campaign.engine import importing
from campaign.engine.archive import relative
from campaign.engine.tarball import TarError, members
from campaign.ledger.queries import LedgerReader

SPEC = """
campaign "ex" { seed 1; pass-env secret MY_TOKEN }
tool t { command "sh" "-c" "echo said; echo kept > out.txt; ln -s /etc/passwd link; mkfifo pipe; exit $0" "{code}"; param code: int = 0 }
instance i.{code} { sweep code = [0, 3]; run t }
"""
Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The archive of a real campaign."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "ex.camp").write_text(SPEC)
    for words in (
        ["exec", "ex.camp"],
        ["note", "ex", "a remark"],
        ["mark", "i.3#0", "odd"],
        ["export", "-o", "ex.tar"],
    ):
        env = {**os.environ, "MY_TOKEN": "hunter2hunter2", "HOME": str(folder)}
        done = subprocess.run(
            [sys.executable, "-m", "campaign", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
    return folder


def unpacked(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(info, file.read() if (file := tar.extractfile(info)) else b"") for info in tar]


def packed(path: Path, found: Members) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in found:
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def honest(found: Members, name: str, change: Callable[[bytes], bytes]) -> Members:
    """One member changed, and the manifest made to fit: only the content is a lie."""
    changed = [(info, change(data) if info.name == name else data) for info, data in found]
    manifest = json.loads(changed[0][1])
    for member in manifest["members"]:
        data = next(data for info, data in changed if info.name == member["name"])
        member.update(size_bytes=len(data), sha256=sha256(data).hexdigest())
    return [(changed[0][0], json.dumps(manifest).encode()), *changed[1:]]


def test_out_and_in_again(in_process: Any, made: Path, tmp_path: Path) -> None:
    done = in_process("import", made / "ex.tar")
    assert done.exit_code == 0, done.stderr
    name = done.stdout.strip()
    with (
        LedgerReader(str(made / ".campaign/ledger.sqlite")) as one,
        LedgerReader(str(tmp_path / ".campaign/ledger.sqlite")) as two,
    ):
        before, after = one.campaign(name), two.campaign(name)
        assert before is not None
        assert after is not None
        assert after.run_root == str(tmp_path / ".campaign/runs" / name)
        assert (after.name, after.seed, after.total, after.exit_status) == (before.name, before.seed, before.total, 1)
        for first, second in zip(one.records(name), two.records(name), strict=True):
            assert (first.exit, first.oracles, first.decision) == (second.exit, second.oracles, second.decision)
            assert second.order.directories.public == second.row.directory
            assert second.row.directory.startswith(after.run_root)
            assert (Path(second.row.directory) / "work/out.txt").read_text() == "kept\n"
        assert [each.to_state for each in one.events(name)] == [each.to_state for each in two.events(name)]
        assert one.remarks(name) == two.remarks(name)
        assert two.removals() == []
    assert "said" in in_process("logs", "i.3#0").stdout
    assert len(in_process("report", "--as", "csv", "-o", "-").stdout.splitlines()) == 3
    assert in_process("clean", "--older-than", "0s").exit_code == 0
    assert os.listdir(tmp_path / ".campaign/imports") == []


def test_an_import_can_be_begun_anew(campaign: Any, made: Path) -> None:
    campaign("import", made / "ex.tar")
    assert campaign("rerun", env={"MY_TOKEN": "another"}).returncode == 1
    assert [each["verdicts"] for each in json.loads(campaign("list", "--format", "json").stdout)] == [
        {"fail": 1, "pass": 1}
    ] * 2


def test_nothing_secret_and_nothing_absolute_is_in_it(made: Path) -> None:
    text = (made / "ex.tar").read_bytes()
    assert b"hunter2" not in text
    found = {info.name: data for info, data in unpacked(made / "ex.tar")}
    for line in found["attempts.ldjson"].splitlines():
        attempt = json.loads(line)
        assert not attempt["row"]["directory"].startswith("/")
        assert attempt["order"]["directories"]["private"] == ""
    left_out = json.loads(found["manifest.json"])["left_out"]
    assert sorted(Path(each["path"].strip("'")).name for each in left_out) == ["link", "link", "pipe", "pipe"]


def test_an_archive_without_evidence_is_told(in_process: Any, recorded: Any, tmp_path: Path) -> None:
    row = recorded([("crash.off", 1, ["fail: x", "pass"]), ("crash.off", 2, ["pass"])])
    shutil.rmtree(f"{row.run_root}/crash.off/seed-1")
    done = in_process("export", "-o", tmp_path / "x.tar")
    assert done.exit_code == 0, done.stderr
    assert "2 attempts of crash-20261120T100000Z-ab12 without evidence, which is gone" in done.stderr
    names = [each.name for each, _ in unpacked(tmp_path / "x.tar")]
    assert "files/crash.off/seed-2/attempt-1/output.log" in names


def test_the_manifest_lists_every_member_with_its_digest(made: Path) -> None:
    (_, first), *rest = unpacked(made / "ex.tar")
    listed = {each["name"]: (each["size_bytes"], each["sha256"]) for each in json.loads(first)["members"]}
    assert listed == {info.name: (len(data), sha256(data).hexdigest()) for info, data in rest}


def refused(in_process: Any, tmp_path: Path, archive: Path, code: str = "CAMP586", *options: str) -> str:
    done = in_process("import", archive, *options)
    assert (done.exit_code, code in done.stderr) == (2, True), done.stdout + done.stderr
    workspace = tmp_path / ".campaign"
    assert not [*workspace.glob("runs/*"), *workspace.glob("imports/*")]
    assert not (tmp_path / "evil").exists()
    if (workspace / "ledger.sqlite").exists():
        with LedgerReader(str(workspace / "ledger.sqlite")) as ledger:
            assert not list(ledger.campaigns())
            assert ledger.removals() == []
    return str(done.stderr)


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


ADDED = {
    "../evil": (info("files/../../../../evil"), b"x"),
    "absolute": (info("/tmp/evil"), b"x"),
    "unlisted": (info("files/more"), b"x"),
    "symlink": (info("files/link", tarfile.SYMTYPE, "/etc"), b""),
    "hard link": (info("files/link", tarfile.LNKTYPE, "manifest.json"), b""),
    "device": (info("files/null", tarfile.CHRTYPE), b""),
    "block": (info("files/disk", tarfile.BLKTYPE), b""),
    "pipe": (info("files/pipe", tarfile.FIFOTYPE), b""),
    "folder": (info("files/folder", tarfile.DIRTYPE), b""),
    "sparse": (info("files/sparse", tarfile.GNUTYPE_SPARSE), b""),
    "pax": (info("files/pax", tarfile.XHDTYPE), b"30 path=../../../evil\n"),
}


@pytest.mark.parametrize("what", ADDED)
def test_a_member_that_has_no_business_there(in_process: Any, made: Path, tmp_path: Path, what: str) -> None:
    refused(in_process, tmp_path, packed(tmp_path / "x.tar", [*unpacked(made / "ex.tar"), ADDED[what]]))


@pytest.mark.parametrize(
    "name",
    [
        "files/../../evil",
        "/evil",
        "files//evil",
        "files/./evil",
        "evil",
        "files/a\x1bb",
        "files/",
        "ledger.sqlite",
        "snapshot/../evil",
        f"files/{'a/' * 100}b",
        f"files/{'x' * 300}",
    ],
)
def test_a_manifest_that_lists_what_leads_elsewhere(in_process: Any, made: Path, tmp_path: Path, name: str) -> None:
    found = unpacked(made / "ex.tar")
    manifest = json.loads(found[0][1])
    manifest["members"].append({"name": name, "size_bytes": 1, "sha256": sha256(b"x").hexdigest()})
    lie = [(found[0][0], json.dumps(manifest).encode()), *found[1:], (info(name), b"x")]
    refused(in_process, tmp_path, packed(tmp_path / "x.tar", lie))


def manifest_lies() -> dict[str, Callable[[dict[str, Any]], Any]]:
    return {
        "another schema": lambda m: m.update(schema="campaign.archive/2"),
        "no schema": lambda m: m.pop("schema"),
        "another digest": lambda m: m["members"][5].update(sha256="0" * 64),
        "another size": lambda m: m["members"][5].update(size_bytes=10**18),
        "less than nothing": lambda m: m["members"][5].update(size_bytes=-1),
        "twice": lambda m: m["members"].append(m["members"][5]),
        "another order": lambda m: m["members"].reverse(),
        "one missing": lambda m: m["members"].pop(),
        "one more": lambda m: m["members"].append(
            {"name": "files/more", "size_bytes": 0, "sha256": sha256().hexdigest()}
        ),
        "another campaign": lambda m: m.update(campaign="other-20261121T090000Z-1f0a"),
        "nonsense": lambda m: m.update(members=7),
    }


@pytest.mark.parametrize("what", manifest_lies())
def test_a_manifest_that_lies(in_process: Any, made: Path, tmp_path: Path, what: str) -> None:
    found = unpacked(made / "ex.tar")
    manifest = json.loads(found[0][1])
    manifest_lies()[what](manifest)
    refused(
        in_process, tmp_path, packed(tmp_path / "x.tar", [(found[0][0], json.dumps(manifest).encode()), *found[1:]])
    )


def attempt_lies() -> dict[str, Callable[[dict[str, Any]], Any]]:
    return {
        "another campaign's": lambda a: a["row"].update(campaign="other"),
        "directory above": lambda a: a["row"].update(directory="../../../../etc"),
        "absolute directory": lambda a: a["row"].update(directory="/etc"),
        "token as a path": lambda a: (a["row"].update(token="../../x"), a["order"].update(token="../../x")),
        "another order": lambda a: a["order"].update(token="x"),
        "still running": lambda a: a["row"].update(state="running"),
        "no verdict": lambda a: a["row"].update(verdict=None),
        "another verdict": lambda a: a["row"].update(verdict="skipped"),
        "key": lambda a: (a["row"].update(key="x"), a["order"].update(key="x")),
        "attempt 0": lambda a: (a["row"].update(attempt=0), a["order"].update(attempt=0)),
        "huge number": lambda a: a["row"].update(epoch=10**30),
        "huge seed": lambda a: a["row"].update(seed=2**64, key=f"{a['row']['cell']}#{2**64}"),
        "time": lambda a: a["row"].update(finished_at="yesterday"),
        "output elsewhere": lambda a: a["exit"]["output"].update(path="../../../../../../etc/passwd"),
        "step output elsewhere": lambda a: a["exit"]["steps"][0].update(output={"path": "/etc/passwd"}),
        "oracle elsewhere": lambda a: a["judgements"][0].update(
            oracles=[{"label": "o", "oracle": "x", "paths": ["/etc/passwd"]}]
        ),
        "a list": lambda a: a.update(row=[]),
        "deep": lambda a: a["order"].update(settings={"x": json.loads("[" * 900 + "]" * 900)}),
    }


@pytest.mark.parametrize("what", sorted(set(attempt_lies()) - {"deep"}))
def test_an_attempt_that_lies(in_process: Any, made: Path, tmp_path: Path, what: str) -> None:
    def change(data: bytes) -> bytes:
        first, *rest = data.splitlines()
        attempt = json.loads(first)
        attempt_lies()[what](attempt)
        return b"\n".join([json.dumps(attempt).encode(), *rest, b""])

    lie = honest(unpacked(made / "ex.tar"), "attempts.ldjson", change)
    refused(in_process, tmp_path, packed(tmp_path / "x.tar", lie))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("attempts.ldjson", lambda data: data + data.splitlines()[0] + b"\n"),
        ("attempts.ldjson", lambda data: data[:-1]),
        ("attempts.ldjson", lambda data: b"[" * 100_000 + b"\n"),
        ("events.ldjson", lambda data: data.replace(b'"campaign":"ex-', b'"campaign":"ox-', 1)),
        ("campaign.json", lambda data: data + data),
        ("campaign.json", lambda data: b""),
        ("campaign.json", lambda data: data.replace(b'"state":"finished"', b'"state":"queued"')),
        ("campaign.json", lambda data: data.replace(b'"id":"ex-', b'"id":"../ex-')),
        ("campaign.json", lambda data: data.replace(b'"key":"i.3#0"', b'"key":"other"')),
    ],
)
def test_records_that_do_not_fit(in_process: Any, made: Path, tmp_path: Path, name: str, change: Any) -> None:
    found = unpacked(made / "ex.tar")
    assert change({info.name: data for info, data in found}[name]) is not None
    refused(in_process, tmp_path, packed(tmp_path / "x.tar", honest(found, name, change)))


def test_what_is_no_archive(in_process: Any, made: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing of the kind" * 100)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    data = (made / "ex.tar").read_bytes()
    (tmp_path / "short").write_bytes(data[: len(data) // 2])
    for name in ("text", "empty", "pipe", "short", "none"):
        refused(in_process, tmp_path, tmp_path / name)


def test_an_archive_larger_than_allowed(in_process: Any, made: Path, tmp_path: Path) -> None:
    assert "--most" in refused(in_process, tmp_path, made / "ex.tar", "CAMP586", "--most", "1KiB")


def test_a_flood_of_zeros_is_not_written(in_process: Any, made: Path, tmp_path: Path) -> None:
    """A file of a terabyte that is a hole: small on the disk where it comes from, large where it goes."""
    found = unpacked(made / "ex.tar")
    manifest = json.loads(found[0][1])
    manifest["members"] = [{"name": "files/zeros", "size_bytes": 1 << 40, "sha256": "0" * 64}]
    packed(tmp_path / "x.tar", [(found[0][0], json.dumps(manifest).encode())])
    header = info("files/zeros")
    header.size = 1 << 40
    with open(tmp_path / "x.tar", "r+b") as file:
        file.seek(-(-len(json.dumps(manifest)) // 512) * 512 + 512)
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(1 << 40)
    assert "--most" in refused(in_process, tmp_path, tmp_path / "x.tar")
    assert "no room" in refused(in_process, tmp_path, tmp_path / "x.tar", "CAMP586", "--most", "1000000GiB")


def test_the_same_twice_and_a_token_that_is_taken(in_process: Any, made: Path, tmp_path: Path) -> None:
    assert in_process("import", made / "ex.tar").exit_code == 0
    again = in_process("import", made / "ex.tar")
    assert (again.exit_code, "CAMP521" in again.stderr) == (2, True)
    found = unpacked(made / "ex.tar")
    name = json.loads(found[0][1])["campaign"]
    other = name[:-4] + "0000"
    for member in ("campaign.json", "attempts.ldjson", "events.ldjson"):
        found = honest(found, member, lambda data: data.replace(name.encode(), other.encode()))
    manifest = json.loads(found[0][1]) | {"campaign": other}
    taken = in_process("import", packed(tmp_path / "x.tar", [(found[0][0], json.dumps(manifest).encode()), *found[1:]]))
    assert (taken.exit_code, "CAMP588" in taken.stderr) == (2, True), taken.stderr
    assert os.listdir(tmp_path / ".campaign/runs") == [name]


def test_a_folder_that_is_there_is_never_touched(in_process: Any, made: Path, tmp_path: Path) -> None:
    name = json.loads(unpacked(made / "ex.tar")[0][1])["campaign"]
    folder = tmp_path / ".campaign/runs" / name
    folder.mkdir(parents=True)
    (folder / "precious").touch()
    assert "CAMP586" in in_process("import", made / "ex.tar").stderr
    assert (folder / "precious").exists()


def test_what_the_ledger_says_is_there_is_on_the_disk_by_then(
    in_process: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, set[str], bool]] = []  # a folder, the files below it, whether the ledger has a campaign
    path = tmp_path / ".campaign/ledger.sqlite"

    def watched(sync: Callable[[str], None]) -> Callable[[str], None]:
        def at(folder: str) -> None:
            there = {str(each.relative_to(folder)) for each in Path(folder).rglob("*") if each.is_file()}
            with LedgerReader(str(path)) if path.exists() else nullcontext() as ledger:
                known = ledger is not None and any(ledger.campaigns())
            synced.append((os.path.relpath(folder, tmp_path), there, known))
            sync(folder)

        return at

    monkeypatch.setattr(importing, "sync_file_system", watched(importing.sync_file_system))
    monkeypatch.setattr(durable, "sync_directory", watched(durable.sync_directory))
    assert in_process("import", made / "ex.tar").exit_code == 0
    (name,) = os.listdir(tmp_path / ".campaign/runs")
    evidence = {f"{name}/{each.removeprefix('files/')}" for each in synced[0][1] if each.startswith("files/")}
    assert synced[0][0].startswith(".campaign/imports/")
    assert f"{name}/events.ldjson" in evidence
    assert synced[-1] == (".campaign/runs", evidence, False)


def test_an_archive_is_there_for_good(
    in_process: Any, recorded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded([("a", 1, ["pass"])])
    synced: list[str] = []
    monkeypatch.setattr(durable, "sync_directory", synced.append)
    assert in_process("export", "-o", "x.tar").exit_code == 0
    assert synced == [str(tmp_path)]


PLACES = [
    "import.member",
    "import.announced",
    "import.moved",
    "import.part",
    "import.part=kill@2",
    "import.adopted",
    "ledger.commit.before=kill@2",
    "ledger.commit.after",
]


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_it_is_in_whole_or_not_at_all(campaign: Any, made: Path, tmp_path: Path, place: str) -> None:
    action = place if "=" in place else f"{place}=kill"
    assert campaign("import", made / "ex.tar", env={"CAMPAIGN_FAILPOINT": action}).returncode == -9
    again = campaign("import", made / "ex.tar")
    assert again.returncode == 0 or "CAMP521" in again.stderr, again.stderr
    (name,) = os.listdir(tmp_path / ".campaign/runs")
    assert os.listdir(tmp_path / ".campaign/imports") == []
    with LedgerReader(str(tmp_path / ".campaign/ledger.sqlite")) as ledger:
        assert [row.id for row in ledger.campaigns()] == [name]
        assert len(list(ledger.records(name))) == 2
        assert ledger.removals() == []
    with sqlite3.connect(tmp_path / ".campaign/ledger.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_daemon_takes_it_in(campaign: Any, made: Path) -> None:
    quiet = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert campaign("daemon", "--detach", **quiet).returncode == 0
    pid = json.loads(campaign("status", "--format", "json").stdout)["holder"]["pid"]
    try:
        done = campaign("import", made / "ex.tar")
        assert done.returncode == 0, done.stderr
        assert "CAMP521" in campaign("import", made / "ex.tar").stderr
        assert json.loads(campaign("list", "--format", "json").stdout)[0]["verdicts"] == {"fail": 1, "pass": 1}
        assert campaign("retry", "ex", "--wait", env={"MY_TOKEN": "x"}).returncode == 1
    finally:
        os.kill(pid, signal.SIGTERM)


def test_a_campaign_that_is_not_at_its_end_is_not_exported(in_process: Any, recorded: Any, tmp_path: Path) -> None:
    recorded([("a", 1, ["running"])], state="interrupted", finished_at=None, exit_status=None)
    done = in_process("export", "-o", "x.tar")
    assert (done.exit_code, "CAMP587" in done.stderr) == (3, True)
    assert not [path for path in tmp_path.iterdir() if path.name != ".campaign"]


@pytest.mark.parametrize(
    ("path", "well"),
    [
        ("a", True),
        ("a/b c/ü.txt", True),
        ("", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("a/../b", False),
        (".", False),
        ("a\nb", False),
        ("a\0b", False),
        ("a/" * 64 + "b", False),
        ("ü" * 128, False),
    ],
)
def test_paths_that_lead_below(path: str, well: bool) -> None:
    assert relative(path) is well


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_every_size_is_read_as_it_was_written(size: int) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("a" * 250, "b"):
            header = tarfile.TarInfo(name)
            header.size = size
            tar.addfile(header, io.BytesIO(bytes(size)))
    raw.seek(0)
    found = []
    for name, length in members(raw, 4000):
        assert raw.read(length) == bytes(size)
        found.append((name, length))
    assert found == [("a" * 250, size), ("b", size)]


def test_a_damaged_header_is_an_error() -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    data = bytearray(raw.getvalue())
    for position in range(0, 512, 7):
        broken = bytearray(data)
        broken[position] ^= 0x41
        with pytest.raises(TarError):
            list(members(io.BytesIO(broken), 4000))
