"""The plugin: the tools ``rocksdb.stress``, ``reopen``, ``verify``, ``damage``, the oracle ``rocksdb.consistency``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from campaign.plugins.api import (
    Command,
    Evidence,
    Judgement,
    Metric,
    Oracle,
    Quantity,
    Schema,
    Step,
    Tool,
    UnableError,
    Value,
    format_value,
    hookimpl,
)

api = 1

#: Shared by tools and oracle: one `database = …` in a spec reaches all of them.
_DATABASE: Schema = {
    "database": {
        "type": "string",
        "default": "db",
        "empty": False,
        "meta": {"help": "the database's folder, relative to the run's working directory"},
    },
}
_PROMISE: Schema = {
    "promise": {
        "type": "string",
        "default": "settings",
        "allowed": ["settings", "acknowledged"],
        "meta": {"help": "what must be there: what the settings promise, or whatever was acknowledged"},
    },
}
#: How the database under test is opened.
_SETTINGS: Schema = {
    **_DATABASE,
    "wal": {"type": "bool", "default": True, "meta": {"help": "write-ahead log"}},
    "sync": {"type": "bool", "default": False, "meta": {"help": "sync the log before a write is acknowledged"}},
    "memtable": {
        "type": "size",
        "default": "256KiB",
        "min": "64KiB",
        "meta": {"help": "write buffer; a small one is flushed often, and compacted"},
    },
    "compression": {
        "type": "string",
        "default": "none",
        "allowed": ["none", "snappy", "lz4", "zstd"],
        "meta": {"help": "of the tables"},
    },
}
#: What ``damage.KINDS`` can do; planning a campaign does not import it.
_DAMAGES = [
    *(f"{act}-{file}" for act in ("flip", "cut", "remove") for file in ("table", "log", "manifest", "current")),
    "add-table",
    "swap-tables",
]


class _Program(Tool):
    """A program of this package, which needs the binding."""

    def available(self) -> str | None:
        """Why this Python cannot do it, None where it can."""
        if find_spec("rocksdict") is None:
            return "this Python has no rocksdict, the binding of RocksDB: pip install rocksdict"
        return None


class Stress(_Program):
    """Runs ``campaign_rocksdb.stress``."""

    name = "stress"
    about = "puts and deletes in threads, and notes outside the database what was acknowledged"
    parameters: ClassVar[Schema] = {
        **_SETTINGS,
        "keys": {"type": "int", "default": 2000, "min": 1, "meta": {"help": "keys that are written, again and again"}},
        "value-size": {
            "type": "size",
            "default": "512B",
            "min": "32B",
            "meta": {"help": "the largest value; each one's size is drawn from 32 bytes up"},
        },
        "deletes": {
            "type": "ratio",
            "default": "10%",
            "min": "0%",
            "max": "100%",
            "meta": {"help": "of the operations"},
        },
        "threads": {
            "type": "int",
            "default": 4,
            "min": 1,
            "max": 64,
            "meta": {"help": "threads, each with its own keys"},
        },
        "flush-every": {
            "type": "duration",
            "default": "0s",
            "min": "0s",
            "meta": {"help": "how often to flush; 0s: never"},
        },
        "reopens": {
            "type": "int",
            "default": 0,
            "min": 0,
            "meta": {"help": "how often to close and open it meanwhile"},
        },
        "duration": {"type": "duration", "default": "10s", "min": "1ms", "meta": {"help": "how long to write"}},
    }
    metrics = (
        Metric(name="operations", pattern=r"^operations (\d+)$", type="int"),
        Metric(name="flushes", pattern=r"^flushes (\d+)$", type="int"),
        Metric(name="sessions", pattern=r"^sessions (\d+)$", type="int"),
    )
    traces = True

    def command(self, step: Step) -> Command:
        """The writer's command line."""
        settings = step.settings
        return _run(
            "stress",
            *_under_test(settings),
            *(f"--{name}={format_value(settings[name])}" for name in ("keys", "threads", "reopens")),
            f"--value-bytes={round(_number(settings['value-size'], 'B'))}",
            f"--deletes={_number(settings['deletes'], '%') / 100}",
            f"--flush-every-s={_number(settings['flush-every'], 's')}",
            f"--duration-s={_number(settings['duration'], 's')}",
            f"--seed={step.random}",
            *((f"--trace={step.trace}", f"--trace-bytes={step.trace_bytes}") if step.trace else ()),
        )

    def replay(self, step: Step, trace: str) -> Command:
        """Its operations one after the other, on a database opened with the same settings."""
        return _run("replay", *_under_test(step.settings), trace)


class Reopen(_Program):
    """Runs ``campaign_rocksdb.verify --reopen``."""

    name = "reopen"
    about = "opens the database to write, so that RocksDB recovers it, compares it with the expected values, closes it"
    parameters: ClassVar[Schema] = _SETTINGS
    metrics = (Metric(name="recovered", pattern=r"^recovered (\d+)$", type="int"),)

    def command(self, step: Step) -> Command:
        """The command line."""
        return _run("verify", "--reopen", *_under_test(step.settings))


class Verify(_Program):
    """Runs ``campaign_rocksdb.verify``."""

    name = "verify"
    about = "opens the database to read it, and compares it with the expected values"
    parameters: ClassVar[Schema] = {**_DATABASE, **_PROMISE}
    metrics = (Metric(name="keys", pattern=r"^keys (\d+)$", type="int"),)

    def command(self, step: Step) -> Command:
        """The command line."""
        return _run("verify", *(f"--{name}={format_value(step.settings[name])}" for name in ("database", "promise")))


class Damage(Tool):
    """Runs ``campaign_rocksdb.damage``."""

    name = "damage"
    about = "damages the database, to see whether the oracle finds it"
    parameters: ClassVar[Schema] = {
        **_DATABASE,
        "kind": {"type": "string", "required": True, "allowed": _DAMAGES, "meta": {"help": "what is done to what"}},
        "place": {"type": "ratio", "default": "50%", "min": "0%", "max": "100%", "meta": {"help": "where in the file"}},
    }

    def command(self, step: Step) -> Command:
        """The command line."""
        flags = (f"--{name}={format_value(step.settings[name])}" for name in ("database", "kind"))
        return _run("damage", *flags, f"--at={_number(step.settings['place'], '%') / 100}")


class Consistency(Oracle):
    """Judges the database that was left; what can be wrong with it stands in ``consistency``."""

    name = "consistency"
    about = "RocksDB's tools find no damage, and what must be there by the expected values is there"
    parameters: ClassVar[Schema] = {
        **_DATABASE,
        **_PROMISE,
        "ldb": {"type": "path", "meta": {"help": "the program, where it is neither in ROCKSDB_PATH nor in PATH"}},
        "sst-dump": {"type": "path", "meta": {"help": "the program, where it is neither in ROCKSDB_PATH nor in PATH"}},
    }

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:
        """Which of RocksDB's tools this machine lacks, and how to get it."""
        from campaign_rocksdb.toolchain import PROGRAMS, absence  # late: only who judges needs it

        reasons = (absence(program, _explicit(program, settings), env) for program in PROGRAMS)
        return next(filter(None, reasons), None)

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Judge a copy, because ``ldb`` opens to write and the evidence must stay as it is."""
        from campaign_rocksdb.consistency import UnreadableError, inspect  # late: planning a campaign never needs it
        from campaign_rocksdb.toolchain import PROGRAMS, Toolchain, locate

        if reason := self.missing(settings, evidence.env):
            raise UnableError(reason)
        paths = {
            program: locate(program, _explicit(program, settings), evidence.env) or program for program in PROGRAMS
        }
        database = Path(evidence.work) / str(settings["database"])
        everything = settings.get("promise") == "acknowledged"
        try:
            finding = inspect(database, Toolchain(paths, evidence.env), everything)
        except (FileNotFoundError, UnreadableError) as error:
            raise UnableError(str(error)) from None
        return Judgement(
            ok=finding.wrong is None,
            message=finding.wrong or "; ".join((f"{finding.keys} keys are as they must be", *finding.notes)),
            stdout=finding.transcript,
            details={"acknowledged": finding.acknowledged, "keys": finding.keys, "notes": list(finding.notes)},
        )


def _explicit(program: str, settings: Mapping[str, Value]) -> str | None:
    path = settings.get(program.replace("_", "-"))
    return None if path is None else str(path)


def _run(module: str, *flags: str) -> Command:
    """``-P`` keeps the working directory, which belongs to the run, out of the program's imports."""
    return Command(argv=(sys.executable, "-P", "-m", f"campaign_rocksdb.{module}", *flags))


def _under_test(settings: Mapping[str, Value]) -> list[str]:
    flags = [f"--{name}={format_value(settings[name])}" for name in ("database", "wal", "sync", "compression")]
    return [*flags, f"--memtable-bytes={round(_number(settings['memtable'], 'B'))}"]


def _number(value: Value, unit: str) -> float:
    assert isinstance(value, Quantity)
    return float(value.number(unit))


@hookimpl
def campaign_tools() -> Iterable[Tool]:
    """What a spec can run."""
    return [Stress(), Reopen(), Verify(), Damage()]


@hookimpl
def campaign_oracles() -> Iterable[Oracle]:
    """What a spec can ask."""
    return [Consistency()]


@hookimpl
def campaign_fingerprint(message: str) -> str | None:
    """One bug, however it shows: which key is lost depends on the instant of the kill."""
    from campaign_rocksdb.signature import signature  # late: only failures need it

    return signature(message)
