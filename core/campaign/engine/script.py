"""``replay.sh``: an attempt again by a plain POSIX shell, as far as that goes without campaign; pure.

Every text becomes one quoted word, whatever it holds.  Values of the environment that files for people do not show are
taken from whoever runs the script, and secrets are asked for by name.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from shlex import quote
from typing import NamedTuple

from campaign.ledger.rows import PLAN
from campaign.plan.render import PASSED
from campaign.records import Decision, Exit, FaultOrder, Order, ServiceOrder, StepOrder, mask_text, secrets_of
from campaign.records.order import late, show_late
from campaign.records.secrets import is_harmless

NAME = "replay.sh"
#: The names of the signals that do what a fault does: at its instant, and when it is over; none where none do.
Signals = Callable[[FaultOrder], tuple[str, ...]]
#: How long a served tool is given to be ready, in seconds: nobody asks it here.
_READY_S = 1
_GRACE_S = 5

_HEAD = """\
#!/bin/sh
{about}
#
# Usage: sh {name} [FOLDER]   its files go to FOLDER, which must not be there, else to a new one in $TMPDIR or /tmp.
# Status 1: a step failed, 0: none did.  Processes that a step leaves behind are not ended.
set -u
umask 077
"""
_BEGIN = """
here=$(cd "$(dirname "$0")" && pwd) || exit 3
base=${1:-${TMPDIR:-/tmp}/replay.$$}
mkdir "$base" && base=$(cd "$base" && pwd) && mkdir "$base/work" || exit 3
cd "$base/work" || exit 3
failed=0 others= watch=
trap 'kill $others $watch 2>/dev/null; kill -s CONT $others 2>/dev/null; exit 130' INT TERM

say() {
    printf 'replay: %s\\n' "$1" >&2
}

finish() {
    kill $others 2>/dev/null
    kill -s CONT $others 2>/dev/null  # what stands still hears nothing else
    if [ "$failed" = 1 ]; then say 'a step failed'; else say 'no step failed'; fi
    say "everything is in $base"
    exit "$failed"
}

after() {  # SECONDS SIGNAL PROCESS [SECONDS SIGNAL]: signal a process in a while
    (
        nap=
        trap 'kill $nap 2>/dev/null; exit' TERM
        sleep "$1" & nap=$!
        wait "$nap"
        kill -s "$2" "$3"
        [ $# -lt 5 ] || { sleep "$4" & nap=$!; wait "$nap"; kill -s "$5" "$3"; }
    ) >/dev/null 2>&1 </dev/null &
    watch="$watch $!"
}

beyond() {  # what was said last is for a served tool, and comes whatever becomes of the step
    others="$others ${watch##* }" watch=${watch% *}
}
"""
_END = """
finish
"""


def replay_script(order: Order, ended: Exit, decision: Decision, signals: Signals) -> str:
    """The script for an order, as it would be carried out again (``replay.as_it_was``), of an attempt that ended so."""
    return "".join(_Script(order, ended, decision, signals).parts())


class _Script:
    """One script in the making."""

    def __init__(self, order: Order, ended: Exit, decision: Decision, signals: Signals) -> None:
        self._order, self._late, self._decision = order, ended.late, decision
        self._needed: dict[str, str] = {}  # variables that must be set, and why
        self._secrets = secrets_of(order)
        self._words = dict(self._places())
        self._pattern = re.compile("|".join(map(re.escape, sorted(self._words, key=len, reverse=True))))
        sent = {fault.name: signals(fault) for fault in order.faults}
        self._faults = [(fault, sent[fault.name]) for fault in order.faults if self._possible(fault, sent)]

    def _places(self) -> Iterator[tuple[str, str]]:
        """Texts that are something else where the script runs, as words of the shell."""
        places = self._order.directories
        yield places.public, '"$base"'
        if places.chain is not None:
            yield places.chain, '"$base"/chain'
        named = {value: name for each in self._processes for name, value in each.env.items() if value}
        for number, secret in enumerate(self._secrets, 1):
            name = named.get(secret)
            yield secret, f'"${{{name if name and _is_name(name) else f"CAMPAIGN_SECRET_{number}"}}}"'

    @property
    def _processes(self) -> tuple[ServiceOrder | StepOrder, ...]:
        return (*self._order.services, *self._order.steps)

    def _possible(self, fault: FaultOrder, sent: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether signals do it, to a process that is there by then."""
        begun = [each.label for each in self._processes]
        after, target = fault.after or self._order.steps[0].label, fault.target
        there = begun[: begun.index(after) + 1] if after in begun else []
        return bool(sent[fault.name]) and target in there and fault.in_trace != "end"

    # --- the whole ----------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[str]:
        """Head, variables, processes, end; what the processes need is known only when they are written."""
        body = [*self._services(), *self._steps()]
        about = "\n".join(f"# {self._plain(line)}" for line in self._about())
        yield _HEAD.format(about=about, name=NAME)
        for name, why in self._needed.items():
            yield f': "${{{name}:?{why}}}"\n'
        yield from (self._beside(source) for source in self._traces())
        yield _BEGIN
        if self._order.directories.chain is not None:
            yield 'mkdir "$base/chain" || exit 3\n'
        yield from body
        yield _END

    def _about(self) -> Iterator[str]:
        order, decision = self._order, self._decision
        beside = "" if order.origin == PLAN else f"{order.origin}-"
        run = f"{order.campaign}/{order.key}@{beside}{order.attempt}"
        yield f"Carries out {run} again, as this does with campaign: campaign replay {quote(run)}"
        yield f"Then it came to: {decision.verdict}, {decision.reason or 'no reason'}"
        for source in self._traces():
            yield f"Needs beside it: {source}.  Whoever gets this script gets that too."
        left = list(self._left_out())
        yield "Left out here:" if left else "Nothing is left out here."
        yield from (f"  {each}" for each in left)

    def _left_out(self) -> Iterator[str]:
        done = {fault.name for fault, _ in self._faults}
        for fault in self._order.faults:
            if fault.name not in done:
                where = f"{fault.at_s:g} s into {fault.after or 'the first step'}"
                why = "the trace ends with it" if fault.in_trace == "end" else where
                yield f"the fault {fault.name} ({fault.fault}): {why}"
        for hold in self._order.holds:
            yield f"the held condition {hold.label} ({hold.fault}) {hold.settings}"
        for guard in self._order.guards:
            yield f"the guard {guard.label} ({guard.oracle})"
        for watch in self._order.watches:
            yield f"the watch {watch.label} ({watch.oracle})"
        for oracle in self._order.oracles:
            yield f"the oracle {oracle.label} ({oracle.oracle})"
        for expectation in self._order.expectations:
            yield f"the expectation {expectation.text}"
        if self._order.services:
            yield f"whether served tools are ready: they are given {_READY_S} s"

    # --- processes ----------------------------------------------------------------------------------------------

    def _services(self) -> Iterator[str]:
        for number, service in enumerate(self._order.services):
            yield f"\n# {self._plain(service.label)}: {self._plain(service.tool)}, served\n"
            yield from self._folder(service)
            yield self._command(service)
            yield f'pid_s{number}=$! others="$others $!"\nsleep {_READY_S}\n'

    def _steps(self) -> Iterator[str]:
        order = self._order
        for number, step in enumerate(order.steps):
            name = self._plain(step.label if step.index is None else f"{step.label}[{step.index}]")
            yield f"\nsay {quote(name)}\n"
            if step.replay is not None:
                yield self._copied(step.replay.source, step.replay.path)
            yield from self._folder(step)
            yield self._command(step)
            yield f"pid_t{number}=$! watch=\n"
            first = number == 0 or order.steps[number - 1].label != step.label
            here = [each for each in self._faults if (each[0].after or order.steps[0].label) == step.label]
            yield from (self._act(act, number) for act in _acts(here if first else ()))
            yield self._watched(min(step.timeout_s or order.timeout_s, order.timeout_s), number)
            yield f'{{ wait "$pid_t{number}"; }} 2>/dev/null; status=$?\nkill $watch 2>/dev/null\n'
            yield self._judged(step, name)

    def _command(self, process: ServiceOrder | StepOrder) -> str:
        words = [*self._environment(process.env), *self._argv(process.argv)]
        return " \\\n    ".join(["env -i", *words]) + " </dev/null &\n"

    def _argv(self, argv: Iterable[str]) -> list[str]:
        """As ``env`` takes it: what looks like an assignment, or an option, is handed to a shell instead."""
        words = [self._word(each) for each in argv]
        first = next(iter(argv), "")
        return ["/bin/sh", "-c", "'\"$@\"'", "sh", *words] if "=" in first or first.startswith("-") else words

    def _environment(self, env: Mapping[str, str]) -> Iterator[str]:
        for name, value in env.items():
            if is_harmless(name) or value.startswith(late("device.")[:-1]):
                yield f"{name}={self._word(value)}" if _is_name(name) else self._word(f"{name}=") + self._word(value)
            elif not _is_name(name):
                continue  # no shell can pass it on
            elif name in PASSED or name.startswith("LC_"):
                yield f'${{{name}+"{name}=${name}"}}'
            else:
                self._needed.setdefault(name, "its value is not recorded for people")
                yield f'"{name}=${name}"'

    def _folder(self, process: ServiceOrder | StepOrder) -> Iterator[str]:
        """Where it writes its trace."""
        if process.trace is not None:
            yield f'mkdir -p "$base"/{self._word(process.trace.path.rpartition("/")[0])} || exit 3\n'

    def _traces(self) -> list[str]:
        """The files beside the script that it needs."""
        return list(dict.fromkeys(step.replay.source for step in self._order.steps if step.replay is not None))

    def _beside(self, source: str) -> str:
        """Nothing is started where a trace is missing."""
        words = quote(f"replay: {self._plain(source)} is missing: it belongs beside this script, copy it along")
        return f'[ -f "$(dirname "$0")"/{self._word(source)} ] || {{ printf \'%s\\n\' {words} >&2; exit 3; }}\n'

    def _copied(self, source: str, path: str) -> str:
        """The trace that it carries out, from beside the script."""
        folder, target = self._word(path.rpartition("/")[0]), self._word(path)
        return f'mkdir -p "$base"/{folder} && cp "$here"/{self._word(source)} "$base"/{target} || exit 3\n'

    def _act(self, act: _Act, number: int) -> str:
        pid = self._pid(act.target, number)
        acts = f"after {_seconds(act.at_s)} {act.sent[0]} {pid}"
        over = f" {_seconds(act.end_s - act.at_s)} {act.sent[1]}" if len(act.sent) > 1 and act.end_s < inf else ""
        beyond = "; beyond" if pid.startswith('"$pid_s') else ""
        return f"{acts}{over}{beyond}  # {self._plain(', '.join(act.about))}\n"

    def _pid(self, target: str, number: int) -> str:
        for index, service in enumerate(self._order.services):
            if service.label == target:
                return f'"$pid_s{index}"'
        return f'"$pid_t{number}"'

    def _watched(self, seconds: float, number: int) -> str:
        """Out of time it is ended, as it would be."""
        return f'after {_seconds(seconds)} TERM "$pid_t{number}" {_GRACE_S} KILL\n'

    def _judged(self, step: StepOrder, name: str) -> str:
        excused = {128 + _number(sent[0]) for fault, sent in self._faults if fault.target == step.label}
        if step.replay is not None and not step.replay.to_the_end:  # its trace may end where a fault killed the tool
            excused.add(128 + signal.SIGKILL)
        fine = "|".join(str(each) for each in sorted({*step.ok_exits, *excused}))
        told = f'say {quote(name)}" ended with status $status"\n'
        if not step.counts:
            return told
        failing = "failed=1; finish" if self._order.all_steps else "failed=1"
        return f"{told}case $status in {fine}) ;; *) {failing} ;; esac\n"

    def _plain(self, text: str) -> str:
        """What may stand in a comment."""
        return "".join(char if char.isprintable() else "?" for char in mask_text(text, self._secrets))

    # --- words --------------------------------------------------------------------------------------------------

    def _word(self, text: str) -> str:
        """One word of the shell, whatever it holds; what is elsewhere now, or secret, is put in."""
        shown, at, pieces = show_late(text, self._late), 0, list[str]()
        for found in self._pattern.finditer(shown):
            pieces += [quote(shown[at : found.start()])] if found.start() > at else []
            pieces.append(self._replaced(found.group()))
            at = found.end()
        rest = shown[at:]
        return "".join([*pieces, quote(rest)] if rest or not pieces else pieces)

    def _replaced(self, text: str) -> str:
        word = self._words[text]
        if word.startswith('"${'):
            self._needed.setdefault(word[3:-2], "it is a secret")
        return word


class _Act(NamedTuple):
    """Signals to one process: at an instant, and when it is over, at infinity where it lasts."""

    target: str
    sent: tuple[str, ...]
    at_s: float
    end_s: float
    about: tuple[str, ...]


def _acts(faults: Iterable[tuple[FaultOrder, tuple[str, ...]]]) -> Iterator[_Act]:
    """What is to be sent: once for faults that act together and overlap on one process, until the last is over."""
    together: dict[tuple[str, tuple[str, ...]], _Act] = {}
    for fault, sent in sorted(faults, key=lambda each: each[0].at_s):
        end_s = inf if fault.for_s is None else fault.at_s + fault.for_s
        about = fault.fault if fault.name == fault.fault else f"{fault.name}: {fault.fault}"
        act = _Act(fault.target or "", sent, fault.at_s, end_s, (about,))
        if fault.overlaps != "counts":
            yield act
            continue
        before = together.get(act[:2])
        if before is not None and act.at_s <= before.end_s:
            act = before._replace(end_s=max(before.end_s, end_s), about=(*before.about, about))
        elif before is not None:
            yield before
        together[act[:2]] = act
    yield from together.values()


def _seconds(seconds: float) -> str:
    """As every sleep takes it."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _number(name: str) -> int:
    return signal.Signals[f"SIG{name}"].value


def _is_name(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII))
