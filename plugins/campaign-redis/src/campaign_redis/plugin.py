"""The plugin: tools ``redis.server workload watchdog repairs``, oracles ``redis.ping consistency``."""

from __future__ import annotations

import shutil
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
    UnableError,
    Value,
    format_value,
    hookimpl,
)
from campaign_redis.configuration import HOW_TO_GET, PROGRAM

api = 1

#: Shared by all that work with one server: a `directory = …` in a spec reaches all of them.
_DIRECTORY: Schema = {
    "directory": {
        "type": "string",
        "default": "redis",
        "empty": False,
        "meta": {"help": "the server's folder, relative to the run's working directory"},
    },
}
_HISTORY: Schema = {
    "history": {
        "type": "string",
        "default": "redis.history",
        "empty": False,
        "meta": {"help": "what was asked and acknowledged, relative to the run's working directory"},
    },
}
_PORT: Schema = {
    "port": {"type": "string", "required": True, "meta": {"help": "where the server is: `{LABEL.port}`"}},
}
_DURATION: Mapping[str, str] = {"type": "duration", "min": "1ms"}
#: How long `redis.ping` waits for an answer when it is asked whether the server is ready.
_READY_WITHIN_S = 0.2


class _RedisProvider:
    """What all that start a server need."""

    def available(self) -> str | None:
        """Why this machine cannot do it, None where it can."""
        return None if shutil.which(PROGRAM) else f"{PROGRAM} was not found: {HOW_TO_GET}"


class Server(_RedisProvider, Tool):
    """Runs ``campaign_redis.server``, which becomes Redis; exports ``port`` and ``directory`` once it answers."""

    name = "server"
    about = "serves Redis on a port of its own, in a folder of its own, with nothing of the machine's configuration"
    parameters: ClassVar[Schema] = {
        **_DIRECTORY,
        "appendonly": {"type": "bool", "default": True, "meta": {"help": "keep an append-only file"}},
        "appendfsync": {
            "type": "string",
            "default": "everysec",
            "allowed": ["always", "everysec", "no"],
            "meta": {"help": "when it is synced"},
        },
        "save": {
            "type": "string",
            "default": "",
            "meta": {"help": "when to take snapshots: pairs of seconds and changes, `1 100 60 1`; empty: never"},
        },
    }
    serves = True

    def command(self, step: Step) -> Command:
        """The command line."""
        return _run("server", *_flags(step, "directory", "appendonly", "appendfsync", "save"))

    def ready(self, service: Service) -> Mapping[str, str] | None:
        """Where it is, once it answers and has loaded what it found."""
        from campaign_redis import configuration, health  # late: planning a campaign never needs it

        directory = Path(service.workdir) / str(service.settings["directory"])
        try:
            port = configuration.read(directory).port
        except FileNotFoundError:
            return None
        if health.ask(port, _READY_WITHIN_S).state is not health.State.WELL:
            return None
        return {"port": str(port), "directory": str(directory)}


class Workload(Tool):
    """Runs ``campaign_redis.workload``."""

    name = "workload"
    about = "writes with several threads, through outages, and notes outside the database what was acknowledged"
    parameters: ClassVar[Schema] = {
        **_PORT,
        **_HISTORY,
        "threads": {"type": "int", "default": 4, "min": 1, "max": 64, "meta": {"help": "writing threads"}},
        "rate": {"type": "int", "default": 1000, "min": 1, "meta": {"help": "writes a second, of all of them"}},
        "keys": {"type": "int", "default": 10_000, "min": 1, "meta": {"help": "keys that are written"}},
        "value-size": {
            "type": "size",
            "default": "100B",
            "min": "32B",
            "meta": {"help": "the largest value; each one's size is drawn from 32 bytes up"},
        },
        "patience": {"default": "1s", "meta": {"help": "an answer that takes longer is given up"}, **_DURATION},
        "duration": {"default": "10s", "meta": {"help": "how long to write"}, **_DURATION},
    }
    metrics = (
        Metric(name="acknowledged", pattern=r"^acknowledged (\d+),", type="int"),
        Metric(name="unknown", pattern=r", unknown (\d+),", type="int"),
        Metric(name="errors", pattern=r", errors (\d+),", type="int"),
        Metric(name="longest-gap", pattern=r", longest gap (\d+ms)$", type="duration"),
    )

    def command(self, step: Step) -> Command:
        """The command line."""
        return _run(
            "workload",
            *_flags(step, "port", "history", "threads", "rate", "keys"),
            f"--value-bytes={round(_number(step.settings['value-size'], 'B'))}",
            *_times(step, "patience", "duration"),
            f"--seed={step.random}",
        )


class Watchdog(_RedisProvider, Tool):
    """Runs ``campaign_redis.watchdog``; ready once it has looked for the first time."""

    name = "watchdog"
    about = "is to notice that a server is down or hung, and starts it anew: the thing to be evaluated"
    parameters: ClassVar[Schema] = {
        **_PORT,
        **_DIRECTORY,
        "policy": {"type": "path", "meta": {"help": "a TOML file that says what is not said here"}},
        "interval": {"meta": {"help": "how often it looks: 50ms unless said"}, **_DURATION},
        "patience": {"meta": {"help": "how long an answer may take: 250ms unless said"}, **_DURATION},
        "notices-hangs": {"type": "bool", "meta": {"help": "whether it repairs a server that hangs: yes unless said"}},
        "attempts": {"type": "int", "min": 0, "meta": {"help": "repairs in all, 0 for no limit: 0 unless said"}},
        "backoff": {"meta": {"help": "pause after a repair, doubled up to 5 s: 500ms unless said"}, **_DURATION},
    }
    serves = True

    def command(self, step: Step) -> Command:
        """The command line; what is not said there is for the policy to say."""
        given = [name for name in ("policy", "notices-hangs", "attempts") if step.settings.get(name) is not None]
        times = [name for name in ("interval", "patience", "backoff") if step.settings.get(name) is not None]
        return _run("watchdog", *_flags(step, "port", "directory", *given), *_times(step, *times))

    def ready(self, service: Service) -> Mapping[str, str] | None:
        """Where its diary is, once it has written down what it found first."""
        from campaign_redis.watchdog import diary  # late: planning a campaign never needs it

        path = diary(Path(service.workdir) / str(service.settings["directory"]))
        return {"diary": str(path)} if path.exists() and path.stat().st_size else None


class Repairs(Tool):
    """Runs ``campaign_redis.repairs``."""

    name = "repairs"
    about = "says what the watchdog has done so far, as metrics"
    parameters: ClassVar[Schema] = _DIRECTORY
    metrics = (
        Metric(name="detections", pattern=r"^detections (\d+),", type="int"),
        Metric(name="commands", pattern=r", commands (\d+)$", type="int"),
    )

    def command(self, step: Step) -> Command:
        """The command line."""
        return _run("repairs", *_flags(step, "directory"))


class Ping(Oracle):
    """Whether a server answers: to be watched, for when a run is judged its servers are gone."""

    name = "ping"
    about = "the server takes a connection and answers PING; for `watch`"
    parameters: ClassVar[Schema] = {
        **_PORT,
        "within": {"default": "200ms", "meta": {"help": "how long each of both may take"}, **_DURATION},
    }

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:  # noqa: ARG002 - asks what runs
        """Ask it once."""
        from campaign_redis import health  # late: planning a campaign never needs it

        found = health.ask(int(str(settings["port"])), _number(settings["within"], "s"))
        return Judgement(ok=found.state is health.State.WELL, message=found.words)


class Consistency(Oracle):
    """Judges the data that were left; what can be wrong with them stands in ``consistency``."""

    name = "consistency"
    about = "Redis can load what was left, and no acknowledged write is lost beyond what the persistence allows"
    parameters: ClassVar[Schema] = {
        **_DIRECTORY,
        **_HISTORY,
        "promise": {
            "type": "string",
            "default": "persistence",
            "allowed": ["persistence", "acknowledged"],
            "meta": {"help": "what must be there: what the persistence promises, or whatever was acknowledged"},
        },
    }

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:  # noqa: ARG002 - any
        """Redis, where this machine lacks it."""
        return None if _program(env) else f"{PROGRAM} was not found: {HOW_TO_GET}"

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Judge a copy, because loading repairs and the evidence must stay as it is."""
        from campaign_redis.consistency import UnreadableError, inspect  # late: planning a campaign never needs it

        program = _program(evidence.env)
        if program is None:
            raise UnableError(f"{PROGRAM} was not found: {HOW_TO_GET}")
        work = Path(evidence.work)
        try:
            finding = inspect(
                work / str(settings["directory"]),
                work / str(settings["history"]),
                program,
                evidence.env,
                everything=settings.get("promise") == "acknowledged",
            )
        except UnreadableError as error:
            raise UnableError(str(error)) from None
        return Judgement(
            ok=finding.wrong is None,
            message=finding.wrong or finding.summary,
            stdout=finding.transcript,
            details={
                "acknowledged": finding.acknowledged,
                "promised": finding.promised,
                "keys": finding.keys,
                "notes": list(finding.notes),
            },
        )


def _program(env: Mapping[str, str]) -> str | None:
    return shutil.which(PROGRAM, path=env.get("PATH"))


def _run(module: str, *flags: str) -> Command:
    """``-P`` keeps the working directory, which belongs to the run, out of the program's imports."""
    return Command(argv=(sys.executable, "-P", "-m", f"campaign_redis.{module}", *flags))


def _flags(step: Step, *names: str) -> list[str]:
    return [f"--{name}={format_value(step.settings[name])}" for name in names]


def _times(step: Step, *names: str) -> list[str]:
    return [f"--{name}-s={_number(step.settings[name], 's')}" for name in names]


def _number(value: Value, unit: str) -> float:
    assert isinstance(value, Quantity)
    return float(value.number(unit))


@hookimpl
def campaign_tools() -> Iterable[Tool]:
    """What a spec can run and serve."""
    return [Server(), Workload(), Watchdog(), Repairs()]


@hookimpl
def campaign_oracles() -> Iterable[Oracle]:
    """What a spec can ask."""
    return [Ping(), Consistency()]


@hookimpl
def campaign_fingerprint(message: str) -> str | None:
    """One bug, however it shows: which key is lost depends on the instant of the kill."""
    from campaign_redis.signature import signature  # late: only failures need it

    return signature(message)
