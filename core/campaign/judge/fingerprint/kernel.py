"""The Linux kernel: ``BUG:``, ``WARNING:``, ``Oops`` and their like, and the call trace that follows.

What is known here is how the kernel writes reports (its ``Documentation/admin-guide/bug-hunting.rst`` and
``dev-tools``) and which families of functions only report, allocate, lock or copy for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto

import re2
from msgspec import Struct

from campaign.judge.fingerprint.forms import NOTHING, Form, Found, Pattern
from campaign.judge.fingerprint.kernel_noise import BESIDE, COMMON, ENTRY, HELPING
from campaign.judge.fingerprint.masking import masked
from campaign.judge.fingerprint.names import suffixless


class Where(Enum):
    """Which function of a trace is to blame."""

    LEAF = auto()  # the innermost one that is no machinery
    ROOT = auto()  # the outermost: where a stall was caught is chance
    TRACE = auto()  # the innermost one of the trace; a function that the text names is not where it happened
    NOBODY = auto()


class Kind(Struct, frozen=True):
    """A kind of report: how its first line reads (groups enter the headline, masked) and whom to blame."""

    pattern: Pattern
    headline: str
    where: Where = Where.LEAF


def _kind(pattern: str, headline: str, where: Where = Where.LEAF) -> Kind:
    return Kind(re2.compile(pattern), headline, where)


_OVERFLOW = "stack overflow"

#: In the order in which they are tried on a line.
_KINDS = (
    _kind(r"BUG: KASAN: (?:double-free|invalid-free)", "KASAN invalid-free"),  # of old: double-free or invalid-free
    _kind(r"BUG: (KASAN|KMSAN|KCSAN|KFENCE): ([a-zA-Z-]+(?: or [a-z-]+)*(?: [a-z]+)*?)(?: in | on |$)", "{0} {1}"),
    _kind(r"UBSAN: ([A-Za-z][A-Za-z -]+?)(?: in |$)", "UBSAN {0}"),
    _kind(r"[Uu]nable to handle (?:kernel )?(NULL pointer|paging request|access|page fault)", "bad access {0}"),
    _kind(r"BUG: kernel NULL pointer dereference", "bad access NULL pointer"),
    _kind(r"(general protection fault|divide error|invalid opcode|stack segment|double fault|bad access)\b", "{0}"),
    _kind(r"[Kk]ernel BUG at ", "kernel BUG"),
    _kind(r"WARNING: (?:CPU: \d+ PID: \d+ )?at ", "WARNING"),
    _kind(r"WARNING: CPU: \d+ PID: \d+ .* at ", "WARNING"),
    _kind(r"INFO: task .* blocked for more than", "task hung"),
    _kind(r"INFO: task .* can't die", "task cannot die"),
    _kind(r"INFO: rcu\w* (?:self-)?detected (?:expedited )?stall", "rcu stall", Where.ROOT),
    _kind(r"BUG: soft lockup", "soft lockup", Where.ROOT),
    _kind(r"hard LOCKUP", "hard lockup", Where.ROOT),
    _kind(r"BUG: workqueue lockup", "workqueue lockup", Where.NOBODY),
    _kind(r"(corrupted stack end|kernel stack overflow|stack guard page)", _OVERFLOW + " {0}", Where.ROOT),
    _kind(
        r"possible (?:circular|recursive) locking|possible irq lock inversion|inconsistent lock state"
        r"|(?:irq-safe|irq-unsafe|IRQ-safe) -> .*(?:unsafe)|(?:inconsistent|lock order) .*detected",
        "possible deadlock",
    ),
    _kind(r"suspicious RCU usage", "suspicious RCU usage"),
    _kind(
        r"BUG: (sleeping function called from invalid context|scheduling while atomic|using \w+\(\) in preemptible)",
        "BUG {0}",
    ),
    _kind(r"ODEBUG: (\w+ \w+)", "ODEBUG {0}", Where.TRACE),
    _kind(r"BUG: memory leak|unreferenced object", "memory leak"),
    _kind(r"INFO: trying to register non-static key", "non-static key"),
    _kind(r"Unhandled fault: ([a-z -]+)|(Alignment trap)", "fault {0}{1}"),
    _kind(r"Internal error: |Oops: ", "Oops"),
    _kind(r"unregister_netdevice: waiting for \S+ to become free", "unregister_netdevice: waiting", Where.NOBODY),
    _kind(r"[Kk]ernel panic - not syncing: ([^:(]*)", "panic {0}"),
    _kind(r"(BUG|INFO|WARNING): ([^:(\[]*)", "{0} {1}"),
)

_ANY = (
    r"\bBUG: |UBSAN: |\bPANIC: |[Uu]nable to handle kernel|[Kk]ernel BUG at |[Kk]ernel panic - not syncing|hard LOCKUP"
    r"|(?:general protection fault|divide error|invalid opcode|stack segment|double fault): "
    r"|(?:Internal error|Oops|Unhandled fault): |general protection fault, "
    r"|Alignment trap: |ODEBUG: |unregister_netdevice: waiting|unreferenced object 0x"
    r"|WARNING: (?:CPU: |at |possible |suspicious |inconsistent |bad |held |nested |lock |refcount )"
    r"|INFO: (?:task |rcu|possible |suspicious |inconsistent |trying |lockdep)"
)

#: ``[  72.1][ T28]`` or ``<4>[  72.1]``; the second tag tells apart who prints where two print at once.
_STAMP = r"\[ *\d+\.\d+\](?:\[ *([TC]\d+)\])? ?"
_PREFIX = re2.compile(r"^(?:<\d+>)?\s*" + _STAMP)
#: The first line may follow what somebody else has begun to print.
_FIRST = re2.compile(r"^.*?" + _STAMP)
_NAME = r"([A-Za-z_][\w.$]*)"
_SYMBOL = re2.compile(_NAME + r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?")
_FRAME = re2.compile(
    r"^\s*(?:#\d+:? )?(?:</?[A-Z]+> *)*(?:\[<?[0-9a-f]{8,}>?\]\s*)*(\? )?(?:0x[0-9a-f]+ )?\(?"
    rf"{_NAME}(?:\+0x[0-9a-f]+/0x[0-9a-f]+|\) from )"
)
_COUNTER = re2.compile(
    rf"^(?:RIP|EIP|IP|pc|PC|NIP|epc)\b ?:.*?{_NAME}\+0x[0-9a-f]+|^(?:PC is at|pc : \[?) ?{_NAME}\+0x"
)
_TRACE = re2.compile(r"(?i)^\s*(?:call trace|(?:stack )?backtrace)\b.*:|^Stack:$")
_BEGIN = re2.compile(_TRACE.pattern + r"|^NMI backtrace for cpu")
_ACCESS = re2.compile(r"^(Read|Write|write|read) (?:of size|at addr|to 0x)")
_WANTED = re2.compile(r"is trying to (?:acquire|release) lock|changed the state of lock:|\btakes:|still held there")
_END = re2.compile(
    r"^(?:Allocated by|Freed by|Kernel Offset|Rebooting in|Modules linked in|---\[ end|The buggy address|Memory state"
    r"|Uninit was|Local variable|Showing all locks|other info that|-> #\d|the existing dependency)"
)
#: A trace that another subsystem prints into a report: it made an allocation fail on purpose.
_INJECTED = "FAULT_INJECTION"
_FILE = re2.compile(r"([\w-]+\.[chS]|[\w-]+\.rs):\d+")
_NEAR = 6  # lines
_BRACES = re2.compile(r"\{[^}]*\}")
_WORD = re2.compile(r"[A-Za-z][\w'-]*(?:\(\))?")

#: Waits for every processor: who does not answer is the cause, not who asks.  All flavours of one are one.
_GLOBAL_WAITS = (
    (re2.compile(r"_*synchronize_(?:s?rcu|sched|net)\w*"), "synchronize_rcu"),
    (re2.compile(r"_*smp_call_function\w*"), "smp_call_function"),
)
_WAIT_NAMES = frozenset(name for _, name in _GLOBAL_WAITS)
_SCHEDULED = re2.compile(r"schedule|switch_to|preempt_schedule\w*")


def _read(lines: Sequence[str]) -> Found | None:
    tagged = [_untagged(line) for line in lines]
    text, context = _untagged(lines[0], _FIRST)
    kind, groups = _recognised(text)
    if kind is None:
        return None
    own = [text, *(line for line, tag in tagged[1:] if tag == context or tag is None)]
    headline = kind.headline.format(*(_words(group or "") for group in groups)).strip()
    if headline.startswith("KASAN"):
        access = next((match.group(1).lower() for match in map(_ACCESS.search, own[1:4]) if match), None)
        headline = " ".join(filter(None, (headline, access)))
    if kind.where is Where.ROOT:
        return Found(headline, tuple(_stalled(own, out_of_it=not headline.startswith(_OVERFLOW))), most=1)
    named = tuple(_named(own)) if kind.where is Where.LEAF else ()
    frames = (*named, *next(_traces(own), [])) if kind.where is not Where.NOBODY else ()
    if all(name in HELPING for name in frames) and (place := _place(own)):
        frames = (place,)
    only_helpers = bool(named) and all(name in HELPING for name in frames)  # then the one that the text names counts
    return Found(headline, frames, NOTHING if only_helpers else HELPING, most=1)


def _untagged(line: str, prefix: Pattern = _PREFIX) -> tuple[str, str | None]:
    match = prefix.search(line)
    return (line[match.end() :], match.group(1)) if match else (line, None)


def _words(text: str) -> str:
    """The plain words of a headline: no numbers, names in braces or quotes."""
    return " ".join(match.group() for match in _WORD.finditer(masked(_BRACES.sub("", text))))


def _recognised(text: str) -> tuple[Kind | None, tuple[str, ...]]:
    for kind in _KINDS:
        match = kind.pattern.search(text)
        if match:
            return kind, match.groups()
    return None, ()


def _stalled(lines: Sequence[str], *, out_of_it: bool) -> Iterator[str]:
    """Of a stall: what it waits for, else its outermost function of its own, else where it was caught.

    A task that was scheduled out did not stall a processor (``out_of_it``); its trace says nothing.
    """
    for trace in _traces(lines):
        busy = [name for name in trace if name not in BESIDE]
        if not busy or (out_of_it and _SCHEDULED.fullmatch(trace[0])):
            continue
        waits = [name for name in trace if name in _WAIT_NAMES]
        own = [name for name in reversed(trace) if name not in COMMON]
        yield from (waits or own or [name for name in busy if name not in ENTRY])[:1]
        return


def _name(symbol: str) -> str:
    """One name for all flavours of a function: without what compilers add and the underscores of inner variants."""
    symbol = suffixless(symbol)
    return next((name for pattern, name in _GLOBAL_WAITS if pattern.fullmatch(symbol)), symbol).lstrip("_")


def _named(lines: Sequence[str]) -> Iterator[str]:
    """Functions outside the trace: of the first line, of the lock that is wanted, of the instruction pointer."""
    first = _SYMBOL.search(lines[0])
    if first:
        yield _name(first.group(1))
    wanted = False
    for line in lines[1:]:
        if _TRACE.search(line):
            break
        counter = _COUNTER.search(line)
        if counter:
            yield _name(counter.group(1) or counter.group(2))
            break
        if wanted and (lock := _SYMBOL.search(line)):
            yield _name(lock.group(1))
            wanted = False
        wanted = wanted or bool(_WANTED.search(line))


def _place(lines: Sequence[str]) -> str | None:
    """The source file that a report without a telling function names."""
    match = next((match for match in map(_FILE.search, lines[:_NEAR]) if match), None)
    return str(match.group(1)) if match else None


def _traces(lines: Sequence[str]) -> Iterator[list[str]]:
    """The functions of each trace, innermost first, without the unreliable ones (``? function``)."""
    names: list[str] = []
    inside = injected = False
    for line in lines[1:]:
        if _BEGIN.search(line) or (names and _END.search(line)):
            if names and not injected:
                yield names
            injected = injected and not names
            names, inside = [], bool(_BEGIN.search(line))
        elif _INJECTED in line:
            injected = True
        elif frame := _FRAME.search(line):
            names += [] if frame.group(1) else [_name(frame.group(2))]
        elif inside and (counter := _COUNTER.search(line)):
            names.append(_name(counter.group(1) or counter.group(2)))
    if names and not injected:
        yield names


FORM = Form("kernel", _ANY, _read)
