"""A plugin that a stranger might have written: providers that misbehave in every way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from campaign.plugins.api import (
    Command,
    Draw,
    Evidence,
    Exit,
    Fault,
    Injected,
    Injection,
    Judgement,
    Oracle,
    Outcome,
    Schema,
    Service,
    Simulated,
    Step,
    Timeline,
    Tool,
    UnableError,
    Value,
    hookimpl,
)

api = 1


class Good(Oracle):
    name = "good"
    about = "looks for the file `good`"

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        print("a plugin may print")
        ok = Path(evidence.work, "good").exists()
        return Judgement(ok=ok, message="good" if ok else "not\ngood", stdout="out", stderr="", details={"n": 1})


class Bad(Oracle):
    name = "bad"
    about = "misbehaves as it is told"
    parameters: ClassVar[Schema] = {"how": {"type": "string", "default": "raise"}}

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Any:  # noqa: C901 - a list of sins
        match settings["how"]:
            case "raise":
                raise RuntimeError("no\nidea")
            case "unable":
                raise UnableError("the moon is in the wrong phase")
            case "exit":
                sys.exit(0)
            case "crash":
                os.abort()
            case "hang":
                subprocess.Popen(["sleep", "1000"], start_new_session=True)
                time.sleep(1000)
            case "leave" | "leave-and-hang" as how:
                script = "sleep 874 & setsid sleep 874 & exit 0"
                subprocess.run(["/bin/sh", "-c", script], check=True, start_new_session=True)
                time.sleep(1000 if how == "leave-and-hang" else 0)
            case "none":
                return None
            case "types":
                return Judgement(ok="yes")  # type: ignore[arg-type]
            case "unserializable":
                return Judgement(ok=True, details={"x": object()})
            case "tell":
                return Judgement(ok=False, message=evidence.env["HIDDEN"], details={evidence.env["HIDDEN"]: [settings]})
            case "environ":
                return Judgement(ok=True, stdout="\n".join(f"{name}={value}" for name, value in os.environ.items()))
            case "stdout":
                os.write(1, b'{"type":"done","id":1}\n')
                return Judgement(ok=True)
            case str(how) if how.startswith("sign-"):
                return Judgement(ok=False, message=how)
            case "flood":
                return Judgement(ok=False, stdout="x" * (8 << 20))
        return Judgement(ok=True)


class Missing(Oracle):
    name = "missing"
    about = "is never available"

    def available(self) -> str | None:
        return "install the moon"

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        return Judgement(ok=True)


class Trace(Fault):
    """Leaves a file for as long as it is in force."""

    name = "trace"
    about = "makes a file while it is in force"
    parameters: ClassVar[Schema] = {"how": {"type": "string", "default": ""}}

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        if injection.settings["how"] == "arm":
            raise UnableError("cannot be armed")
        return {"path": f"{injection.workdir}/in-force", "how": injection.settings["how"]}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        Path(undo["path"]).write_text(str(injection.random))
        if undo["how"] == "inject":
            raise UnableError("failed half-way")
        if undo["how"] == "hang":
            time.sleep(1000)
        return Injected(notes=f"made a file {undo['how']}".strip())

    def lapsed(self, undo: Mapping[str, Any]) -> Any:
        match undo["how"]:
            case "lapsed":
                return "somebody\nended it"
            case "lapsed-raise":
                raise RuntimeError("no idea")
            case "lapsed-nonsense":
                return 3
        return None

    def clear(self, undo: Mapping[str, Any]) -> None:
        if undo["how"] == "clear":
            raise UnableError("cannot be taken back")
        Path(undo["path"]).unlink(missing_ok=True)


class Imagined(Fault):
    """Is simulated, in every way."""

    name = "imagined"
    about = "is simulated as it is told"
    parameters: ClassVar[Schema] = {"how": {"type": "string", "default": ""}}
    injects = False
    simulates = True

    def simulate(self, draw: Draw, settings: Mapping[str, Value]) -> Any:
        match settings["how"]:
            case "raise":
                raise RuntimeError("no imagination")
            case "nonsense":
                return {"detected_after_s": 1.0}
            case "past":
                return Simulated(detected_after_s=-1.0)
            case "die":
                os._exit(3)
            case "think":
                time.sleep(100)
        return Simulated(detected_after_s=0.5, notes=str(settings["how"]))

    def reports(self, timeline: Timeline, outcomes: Sequence[Outcome]) -> Any:
        how = str(outcomes[0].settings["how"])
        if how == "texts":
            return ["a file"]
        if how == "large":
            return {"large.txt": "x" * (4 << 20) + "y"}
        return {how.removeprefix("file "): "x"} if how.startswith("file ") else {}


class Dress(Fault):
    """Adds to what the tools are started with."""

    name = "dress"
    about = "a variable, and a program before the tool"
    holds = True

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        return Injected(env={"DRESSED": "yes"}, wrap=("/usr/bin/env", "WRAPPED=1"))


class Ground(Fault):
    """What the tools stand on: it may go only when they have."""

    name = "ground"
    about = "a file that the tools need to the end"
    holds = True
    after_tools = True

    def arm(self, injection: Injection) -> Mapping[str, Any]:
        return {"path": f"{injection.workdir}/ground"}

    def inject(self, injection: Injection, undo: Mapping[str, Any]) -> Injected:
        Path(undo["path"]).write_text("here")
        return Injected()

    def clear(self, undo: Mapping[str, Any]) -> None:
        Path(undo["path"]).unlink(missing_ok=True)


class Server(Tool):
    name = "server"
    about = "is ready when it has written its port"
    parameters: ClassVar[Schema] = {"never": {"type": "bool", "default": False}}
    serves = True

    def command(self, step: Step) -> Command:
        return Command(argv=("sh", "-c", "sleep 0.1; echo 4711 > port; exec sleep 1000"))

    def ready(self, service: Service) -> Mapping[str, str] | None:
        path = Path(service.workdir, "port")
        if service.settings["never"] or not path.exists():
            return None
        return {"port": path.read_text().strip()}


@hookimpl
def campaign_oracles() -> list[Oracle]:
    return [Good(), Bad(), Missing()]


@hookimpl
def campaign_faults() -> list[Fault]:
    return [Trace(), Dress(), Ground(), Imagined()]


@hookimpl
def campaign_tools() -> list[Tool]:
    return [Server()]


@hookimpl
def campaign_fingerprint(exit: Exit, evidence: Evidence, message: str) -> str | None:
    match message:
        case "sign-raise":
            raise RuntimeError("no idea")
        case "sign-exit":
            raise SystemExit(0)
        case "sign-crash":
            os.abort()
        case "sign-hang":
            time.sleep(1000)
        case "sign-number":
            return 7  # type: ignore[return-value]
        case "sign-empty":
            return ""
        case "sign-flood":
            return "x\n" * (8 << 20)
        case "sign-half":
            return "half a character \ud800"
    return f"signed: {message}"
