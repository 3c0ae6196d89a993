"""The provider host: the process in which plugins act and judge, so that nothing they do can hurt a supervisor.

    python -m campaign.supervise.host

Its standard input is a socket, on which it is asked and answers, one JSON object a line, one request after the other.
What a plugin prints goes nowhere; what it raises becomes an answer; a plugin that hangs is killed with this process by
the supervisor; and when the supervisor is gone, so is this process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from campaign.diagnostics import CampaignError
from campaign.plugins.api import (
    DisagreesError,
    Fault,
    Injected,
    Injection,
    Judgement,
    Oracle,
    Provider,
    Service,
    Tool,
    UnableError,
    Value,
)
from campaign.plugins.parameters import defaults, from_json
from campaign.plugins.registry import Kind, Registry
from campaign.supervise.hostmessages import (
    Acted,
    Answered,
    Arm,
    Armed,
    Ask,
    Clear,
    Done,
    Failed,
    Inject,
    Load,
    Probe,
    Probed,
    Reply,
    Request,
    Sign,
    Signed,
    Simulate,
    Skipped,
)
from campaign.supervise.simulation import simulate

_PR_SET_PDEATHSIG = 1
#: Of a program's output that an oracle hands on, this much is kept.
KEPT_CHARS = 1 << 20

_MARK = "CAMPAIGN_WORKDIR"

_decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode
_P = TypeVar("_P", bound=Provider)


class NonsenseError(Exception):
    """A plugin answered what its interface does not allow; the text is a sentence."""


class Host:
    """Answers requests with the help of plugins."""

    def __init__(self) -> None:
        self._registry = Registry()

    def answer(self, request: Request) -> Reply:
        """Do what is asked; whatever goes wrong is the answer."""
        try:
            return self._act(request)
        except DisagreesError as error:
            return Failed(request.id, str(error), disagrees=True)
        except (NonsenseError, UnableError) as error:
            return Failed(request.id, str(error))
        except CampaignError as error:
            return Failed(request.id, "; ".join(each.summary for each in error.diagnostics))
        except BaseException as error:  # a plugin may raise anything, SystemExit too
            text = " ".join(str(error).split())
            return Failed(request.id, f"{type(error).__name__}: {text}" if text else type(error).__name__)

    def _act(self, request: Request) -> Reply:
        match request:
            case Load():
                return self._load(request)
            case Probe():
                return self._probe(request)
            case Arm():
                return self._arm(request)
            case Inject():
                return self._inject(request)
            case Clear():
                return self._clear(request)
            case Ask():
                return self._ask(request)
            case Simulate():
                return simulate(self._registry, request)
            case Sign():
                fingerprint, _ = self._registry.fingerprint(request.exit, request.evidence, request.message)
                return Signed(request.id, None if fingerprint is None else _one_line(_readable(fingerprint)))

    def _load(self, request: Load) -> Reply:
        problems = self._registry.use(request.plugins)
        if problems:
            return Failed(request.id, "; ".join(each.summary for each in problems))
        return Done(request.id)

    def _probe(self, request: Probe) -> Reply:
        tool = self._find("tool", Tool, request.tool)
        settings = _settings(tool, request.settings)
        exports = tool.ready(Service(label=request.label, settings=settings, workdir=request.workdir, pid=request.pid))
        if exports is not None and not _is_text_mapping(exports):
            raise NonsenseError(f"{request.tool} exports {type(exports).__name__}, not texts by name")
        return Probed(request.id, None if exports is None else dict(exports))

    def _arm(self, request: Arm) -> Reply:
        fault = self._find("fault", Fault, request.fault)
        with _marked(request.workdir):
            undo = fault.arm(_injection(fault, request))
        if not isinstance(undo, Mapping):
            raise NonsenseError(f"{request.fault} armed with {type(undo).__name__}, not a mapping")
        return Armed(request.id, dict(undo), fault.after_tools)

    def _inject(self, request: Inject) -> Reply:
        fault = self._find("fault", Fault, request.fault)
        injection = _injection(fault, request)
        at = time.monotonic()
        with _marked(request.workdir):
            done = fault.inject(injection, request.undo)
        if not isinstance(done, Injected):
            raise NonsenseError(f"{request.fault} answered {type(done).__name__}, not Injected")
        if not _is_text_mapping(done.env) or not all(isinstance(word, str) for word in done.wrap):
            raise NonsenseError(f"{request.fault} answered an environment or a command that is not of texts")
        return Acted(request.id, at, done.hit, done.notes, dict(done.env), tuple(done.wrap))

    def _clear(self, request: Clear) -> Reply:
        fault = self._find("fault", Fault, request.fault)
        with _marked(request.workdir):
            lapsed = _lapsed(fault, request)
            fault.clear(request.undo)
        return Done(request.id, lapsed)

    def _ask(self, request: Ask) -> Reply:
        if (request.unseen or not request.required) and (why := self._unavailable(request)):
            return Failed(request.id, why) if request.required else Skipped(request.id, why)
        oracle = self._find("oracle", Oracle, request.oracle)
        judgement = oracle.judge(request.evidence, _settings(oracle, request.settings))
        if not isinstance(judgement, Judgement):
            raise NonsenseError(f"{request.oracle} answered {type(judgement).__name__}, not a Judgement")
        return Answered(request.id, _checked(request.oracle, judgement))

    def _unavailable(self, request: Ask) -> str | None:
        name = request.oracle
        oracle = self._registry.find("oracle", name)
        if oracle is None:
            return f"no plugin provides {name}"
        settings = from_json(oracle, request.settings)
        problem = self._registry.unavailable("oracle", name)
        problem = problem or self._registry.missing(name, settings, request.evidence.env)
        return problem.summary if problem else None

    def _find(self, kind: Kind, expected: type[_P], name: str) -> _P:
        provider = self._registry.find(kind, name)
        if not isinstance(provider, expected):
            raise NonsenseError(f"no plugin provides the {kind} {name}")
        return provider


@contextmanager
def _marked(workdir: str) -> Iterator[None]:
    """Whatever a plugin starts meanwhile bears the attempt's mark: should we die, it is found and ended by it."""
    os.environ[_MARK] = workdir
    try:
        yield
    finally:
        os.environ.pop(_MARK, None)


def _settings(provider: Provider, settings: Mapping[str, Any]) -> dict[str, Value]:
    """The order's settings as values again, over the provider's defaults."""
    return defaults(provider) | from_json(provider, settings)


def _injection(fault: Fault, request: Arm | Inject) -> Injection:
    return Injection(
        label=request.label,
        settings=_settings(fault, request.settings),
        target=request.target,
        workdir=request.workdir,
        random=request.random,
        duration_s=request.duration_s,
    )


def _lapsed(fault: Fault, request: Clear) -> str | None:
    """Why it is not in force any more; whatever a plugin does here, it is cleared after."""
    try:
        found = fault.lapsed(request.undo)
    except BaseException as error:  # as everywhere
        return _one_line(f"whether it lasted cannot be told: {error}")
    if found is not None and not isinstance(found, str):
        return f"whether it lasted cannot be told: {request.fault} answered {type(found).__name__}, not a text"
    return None if found is None else _one_line(_readable(found))


def _checked(name: str, judgement: Judgement) -> Judgement:
    """The judgement as it survives its journey: of the right types, and not too long."""
    short = msgspec.structs.replace(
        judgement, stdout=_cut(judgement.stdout), stderr=_cut(judgement.stderr), message=_one_line(judgement.message)
    )
    try:
        return msgspec.json.decode(_encode(short), type=Judgement)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise NonsenseError(f"{name} answered a Judgement that cannot be read: {error}") from None


def _cut(text: str) -> str:
    return text if len(text) <= KEPT_CHARS else text[:KEPT_CHARS] + "\n[the rest was left out]\n"


def _readable(text: str) -> str:
    """``text`` without halves of characters, which no message can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:4096]


def _is_text_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for pair in value.items() for each in pair)


def _lines(sock: socket.socket) -> Iterator[bytes]:
    with sock.makefile("rb") as file:
        yield from file


def main() -> None:
    """Answer until no one asks any more."""
    die_with_parent()
    sock = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    host = Host()
    try:
        for text in _lines(sock):
            sock.sendall(_encode(host.answer(_decode(text))) + b"\n")
    except (ConnectionError, msgspec.DecodeError):
        return


def die_with_parent() -> None:
    """See prctl(2); whoever starts us has one thread only, so that the signal cannot come early."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
