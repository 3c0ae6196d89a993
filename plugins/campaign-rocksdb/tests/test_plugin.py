"""The plugin as campaign sees it: found by its entry point, its commands run, its oracle asked."""

import os
import shutil
import subprocess
import sys

import pytest

from campaign.plugins.api import Evidence, Exit, Step, UnableError, parse_quantity
from campaign.plugins.parameters import defaults, validate
from campaign.plugins.registry import Registry
from campaign_rocksdb.signature import signature
from campaign_rocksdb.toolchain import Toolchain


@pytest.fixture
def registry():
    registry = Registry()
    assert registry.use(["rocksdb"]) == []
    return registry


def _step(workdir, settings):
    return Step(
        label="s", settings=settings, workdir=str(workdir), seed=1, random=7, instance="i", cell="i", attempt=1,
    )  # fmt: skip


def _evidence(workdir, env=None):
    end = Exit(
        token="t", epoch=1, digest="d", started_at="", finished_at="", duration_s=0, boot_id="b"
    )  # fmt: skip
    return Evidence(
        campaign="c", key="i#0", instance="i", cell="i", seed=0, attempt=1,
        directory=str(workdir), work=str(workdir), exit=end, env=dict(os.environ) if env is None else env,
    )  # fmt: skip


def _run(tool, workdir, **settings):
    settings = {**defaults(tool), **settings}
    assert validate(tool, settings) == []
    argv = tool.command(_step(workdir, settings)).argv
    return subprocess.run(argv, cwd=workdir, capture_output=True, text=True, check=False, timeout=60)


def test_the_tools_write_what_the_oracle_judges(registry, tmp_path, tools):
    def tool(name):
        return registry.find("tool", f"rocksdb.{name}")

    oracle = registry.find("oracle", "rocksdb.consistency")
    written = _run(tool("stress"), tmp_path, duration=parse_quantity("300ms"), **{"value-size": parse_quantity("1KiB")})
    assert written.returncode == 0, written.stderr
    assert _run(tool("reopen"), tmp_path).returncode == 0
    assert _run(tool("verify"), tmp_path).returncode == 0
    judgement = oracle.judge(_evidence(tmp_path), defaults(oracle))
    assert judgement.ok
    assert judgement.message == f"{judgement.details['keys']} keys are as they must be"
    assert "$ ldb --db=db --ignore_unknown_options checkconsistency\nOK\nexit 0" in judgement.stdout.replace(
        shutil.which("ldb"), "ldb"
    )
    assert _run(tool("damage"), tmp_path, kind="flip-table", place=parse_quantity("50%")).returncode == 0
    judgement = oracle.judge(_evidence(tmp_path), defaults(oracle))
    assert not judgement.ok
    assert ".sst is damaged: Corruption: " in judgement.message


def test_settings_become_flags(registry, tmp_path):
    stress = registry.find("tool", "rocksdb.stress")
    settings = {
        **defaults(stress),
        "duration": parse_quantity("1m30s"),
        "memtable": parse_quantity("1MiB"),
        "wal": False,
    }
    argv = stress.command(_step(tmp_path, settings)).argv
    assert argv[0] == sys.executable
    wanted = {"--duration-s=90.0", "--memtable-bytes=1048576", "--wal=false", "--seed=7", "--deletes=0.1"}
    assert wanted | {"--value-bytes=512", "--flush-every-s=0.0"} <= set(argv)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"compression": "zip"}, 'compression is "zip"; allowed are "none", "snappy", "lz4", "zstd"'),
        ({"deletes": parse_quantity("110%")}, "deletes is 110%; the most is 100%"),
        ({"value-size": parse_quantity("8B")}, "value-size is 8B; the least is 32B"),
    ],
)
def test_wrong_settings_are_named(registry, setting, message):
    stress = registry.find("tool", "rocksdb.stress")
    assert [str(problem) for problem in validate(stress, setting)] == [message]


def _program(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_a_missing_tool_is_named_with_how_to_get_it(registry, tmp_path):
    oracle = registry.find("oracle", "rocksdb.consistency")
    how = "apt-get install rocksdb-tools, or say where RocksDB's tools are: ROCKSDB_PATH"
    empty = {"PATH": str(tmp_path)}
    assert oracle.missing({}, empty) == f"ldb was not found in PATH; {how}"
    _program(tmp_path, "ldb")
    assert oracle.missing({}, empty) == f"sst_dump was not found in PATH; {how}"
    elsewhere = {"PATH": os.environ["PATH"], "ROCKSDB_PATH": str(tmp_path / "opt")}
    assert oracle.missing({}, elsewhere) == f"ldb was not found in ROCKSDB_PATH={tmp_path}/opt; {how}"
    assert oracle.missing({"ldb": "/nowhere/ldb"}, empty) == f"/nowhere/ldb is no program that can be run; {how}"
    with pytest.raises(UnableError, match="sst_dump was not found"):
        oracle.judge(_evidence(tmp_path, empty), defaults(oracle))


def test_a_tool_is_found_by_its_path_by_rocksdb_path_and_by_path(registry, tmp_path):
    oracle = registry.find("oracle", "rocksdb.consistency")
    for folder in ("a", "b/bin"):
        for name in ("ldb", "sst_dump"):
            _program(tmp_path / folder, name)
    assert oracle.missing({}, {"PATH": str(tmp_path / "a")}) is None
    assert oracle.missing({}, {"PATH": "/nowhere", "ROCKSDB_PATH": str(tmp_path / "a")}) is None
    assert oracle.missing({}, {"PATH": "/nowhere", "ROCKSDB_PATH": str(tmp_path / "b")}) is None
    explicit = {"ldb": str(tmp_path / "a/ldb"), "sst-dump": str(tmp_path / "a/sst_dump")}
    assert oracle.missing(explicit, {"PATH": "/nowhere"}) is None


def test_tools_that_say_nothing_and_exit_0_prove_nothing(registry, closed, tmp_path):
    """Exit status and what must be printed belong together."""
    oracle = registry.find("oracle", "rocksdb.consistency")
    for name in ("ldb", "sst_dump"):
        _program(tmp_path, name)
    judgement = oracle.judge(_evidence(closed.parent, {"PATH": f"{tmp_path}:/bin"}), defaults(oracle))
    assert not judgement.ok


def test_tools_that_are_too_old_judge_nothing(registry, closed, tmp_path, tools):
    oracle = registry.find("oracle", "rocksdb.consistency")
    old = _program(tmp_path, "sst_dump")
    (tmp_path / "sst_dump").write_text("#!/bin/sh\necho 'Corruption: Unknown format version 9' >&2\n")
    settings = {**defaults(oracle), "sst-dump": old}
    with pytest.raises(UnableError, match="the tools are older than what wrote it"):
        oracle.judge(_evidence(closed.parent), settings)


def test_nothing_written_is_nothing_to_judge(registry, tmp_path, tools):
    oracle = registry.find("oracle", "rocksdb.consistency")
    with pytest.raises(UnableError, match="there is nothing to judge"):
        oracle.judge(_evidence(tmp_path), defaults(oracle))


@pytest.mark.parametrize(
    ("message", "bug"),
    [
        ("acknowledged put 2 of key 3 is lost: it holds put 1, 7 keys in all", "lost write"),
        (
            "000020.log is cut off in the middle of the record at byte 61; acknowledged put 2 of key 3 is lost: it",
            "cut log",
        ),
        ("MANIFEST-000005 is cut off in the middle of the record at byte 7; 000009.sst is missing", "damaged MANIFEST"),
        ("000012.sst is damaged: Corruption: block checksum mismatch", "damaged table"),
        ("CURRENT is missing", "damaged CURRENT"),
    ],
)
def test_one_bug_has_one_signature(message, bug):
    assert signature(message) == f"rocksdb: {bug}"
    assert signature("the checksum of page 3 is wrong") is None


def test_failures_of_one_bug_are_one_failure(registry):
    for key in (3, 4):
        message = f"acknowledged put {key} of key {key} is lost: it holds nothing"
        assert registry.fingerprint(None, None, message) == ("rocksdb: lost write", [])
    assert registry.fingerprint(None, None, "something else") == (None, [])


def test_a_tool_that_a_signal_killed_judged_nothing(tmp_path):
    tool = tmp_path / "ldb"
    tool.write_text("#!/bin/sh\nkill -SEGV $$\n")
    tool.chmod(0o755)
    with pytest.raises(UnableError, match="was killed by signal 11: it judged nothing"):
        Toolchain({"ldb": str(tool)}, {}).ldb("checkconsistency")
