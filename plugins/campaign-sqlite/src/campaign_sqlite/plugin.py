"""The plugin: the tools ``sqlite.writer``, ``sqlite.server``, ``sqlite.client``, the oracle ``sqlite.integrity``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
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
    Service,
    Step,
    Tool,
    Value,
    format_value,
    hookimpl,
)
from campaign_sqlite.ledger import port_file

api = 1

#: Shared by tools and oracle: one `database = …` in a spec reaches all of them.
_DATABASE: Schema = {
    "database": {
        "type": "string",
        "default": "ledger.db",
        "empty": False,
        "meta": {"help": "the database file, relative to the run's working directory"},
    },
}
#: What is under test, wherever it runs.
_SQLITE: Schema = {
    **_DATABASE,
    "journal": {
        "type": "string",
        "default": "wal",
        "allowed": ["wal", "delete", "truncate", "persist", "memory", "off"],
        "meta": {"help": "PRAGMA journal_mode"},
    },
    "sync": {
        "type": "string",
        "default": "full",
        "allowed": ["off", "normal", "full", "extra"],
        "meta": {"help": "PRAGMA synchronous"},
    },
    "cache": {
        "type": "size",
        "default": "64KiB",
        "min": "4KiB",
        "meta": {"help": "page cache of one connection; a small one writes pages before the commit"},
    },
    "keys": {"type": "int", "default": 2000, "min": 1, "meta": {"help": "rows of the table that is updated"}},
    "rows": {"type": "int", "default": 500, "min": 2, "meta": {"help": "rows that one transaction changes"}},
}
_DURATION: Schema = {
    "duration": {"type": "duration", "default": "10s", "min": "1ms", "meta": {"help": "how long to write"}},
}


class _SqliteProvider:
    """What all of them need: a Python that was built with SQLite."""

    def available(self) -> str | None:
        """Why this Python cannot do it, None where it can."""
        try:
            import sqlite3  # noqa: F401 - late, and perhaps not there
        except ImportError as error:
            return f"this Python has no sqlite3 ({error}); install its SQLite package, or a Python built with it"
        return None


class Writer(_SqliteProvider, Tool):
    """Runs ``campaign_sqlite.writer``."""

    name = "writer"
    about = "writes transactions and acknowledges each commit outside the database"
    parameters: ClassVar[Schema] = {
        **_SQLITE,
        "threads": {"type": "int", "default": 4, "min": 1, "max": 64, "meta": {"help": "writing threads a process"}},
        "processes": {"type": "int", "default": 1, "min": 1, "max": 64, "meta": {"help": "writing processes"}},
        **_DURATION,
    }
    metrics = (Metric(name="commits", pattern=r"^commits (\d+)$", type="int"),)
    traces = True

    def command(self, step: Step) -> Command:
        """The writer's command line."""
        flags = [f"--{name}={format_value(step.settings[name])}" for name in ("threads", "processes")]
        traced = [] if step.trace is None else [f"--trace={step.trace}", f"--trace-bytes={step.trace_bytes}"]
        return _run("writer", *_under_test(step), *flags, _duration(step), *traced)

    def replay(self, step: Step, trace: str) -> Command:
        """The writer's command line that carries out a trace; threads and duration stand in it."""
        return _run("writer", *_under_test(step), f"--replay={trace}")


class Server(_SqliteProvider, Tool):
    """Runs ``campaign_sqlite.server``; exports ``port`` once it answers."""

    name = "server"
    about = "serves a database on a port that the kernel chooses, which it exports as port"
    parameters: ClassVar[Schema] = _SQLITE
    serves = True

    def command(self, step: Step) -> Command:
        """The server's command line."""
        return _run("server", *_under_test(step))

    def ready(self, service: Service) -> Mapping[str, str] | None:
        """The port, from the file that the server writes when it listens."""
        path = port_file(Path(service.workdir) / str(service.settings["database"]))
        return {"port": path.read_text().strip()} if path.exists() else None


class Client(_SqliteProvider, Tool):
    """Runs ``campaign_sqlite.client``."""

    name = "client"
    about = "asks a server for transactions and acknowledges each one that was answered"
    parameters: ClassVar[Schema] = {
        **_DATABASE,
        "port": {"type": "string", "required": True, "meta": {"help": "where the server is: `{LABEL.port}`"}},
        **_DURATION,
    }
    metrics = (
        Metric(name="commits", pattern=r"^commits (\d+) ", type="int"),
        Metric(name="slowest", pattern=r" slowest (\d+ms)$", type="duration"),
    )

    def command(self, step: Step) -> Command:
        """The client's command line."""
        flags = [f"--{name}={format_value(step.settings[name])}" for name in ("database", "port")]
        return _run("client", *flags, _duration(step))


class Integrity(_SqliteProvider, Oracle):
    """Judges the database that was left; what can be wrong with it stands in ``integrity.inspect``."""

    name = "integrity"
    about = "integrity_check says ok, no transaction is there in part, no acknowledged commit is lost"
    parameters: ClassVar[Schema] = _DATABASE

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Judge a copy, because opening a database recovers it and the evidence must stay as it is."""
        from campaign_sqlite.integrity import inspect  # late: planning a campaign never needs it

        finding = inspect(Path(evidence.work) / str(settings["database"]))
        return Judgement(
            ok=finding.wrong is None,
            message=finding.wrong or f"all {finding.acknowledged} acknowledged commits are there",
            stdout=finding.integrity_check,
            details={"acknowledged": finding.acknowledged, "committed": finding.committed},
        )


def _run(module: str, *flags: str) -> Command:
    """``-P`` keeps the working directory, which belongs to the run, out of the program's imports."""
    return Command(argv=(sys.executable, "-P", "-m", f"campaign_sqlite.{module}", *flags))


def _under_test(step: Step) -> list[str]:
    flags = [f"--{name}={format_value(step.settings[name])}" for name in _SQLITE if name != "cache"]
    return [*flags, f"--cache-kib={round(_number(step.settings['cache'], 'KiB'))}", f"--seed={step.random}"]


def _duration(step: Step) -> str:
    return f"--duration-s={_number(step.settings['duration'], 's')}"


def _number(value: Value, unit: str) -> float:
    assert isinstance(value, Quantity)
    return float(value.number(unit))


@hookimpl
def campaign_tools() -> Iterable[Tool]:
    """What a spec can run and serve."""
    return [Writer(), Server(), Client()]


@hookimpl
def campaign_oracles() -> Iterable[Oracle]:
    """What a spec can ask."""
    return [Integrity()]


@hookimpl
def campaign_fingerprint(message: str) -> str | None:
    """One bug, however it shows: which page is torn depends on the instant of the kill."""
    from campaign_sqlite.integrity import signature  # late: only failures need it

    return signature(message)
