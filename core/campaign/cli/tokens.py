"""``--tokens``: what happens, one line each on standard output, for editors and CI.

A line is ``::campaign KIND=WORD name=value …``, every value percent-encoded (RFC 3986, UTF-8).  The kinds and
their names stand in ``docs/reference/tokens.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TextIO
from urllib.parse import quote

from campaign.diagnostics import CampaignError, ExitStatus
from campaign.engine.audience import Watcher
from campaign.engine.capacity import Capacity
from campaign.records import EventView, RunView

#: These stay readable; a colon does not, so that no line can be taken for another tool's ``::command::``.
_SAFE = "/,=#+@()[]"


class Writer(Protocol):
    """Who writes tokens, or nobody."""

    def say(self, kind: str, word: object, /, **values: object) -> None:
        """One line; values that are None are left out."""

    def flush(self) -> None:
        """Let it be read now."""


class Silent:
    """Nobody asked for tokens."""

    def say(self, kind: str, word: object, /, **values: object) -> None:
        """Write nothing."""

    def flush(self) -> None:
        """Nothing to do."""


class Tokens:
    """Writes tokens to a stream; that nobody reads them any more does not change what the campaign comes to."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def say(self, kind: str, word: object, /, **values: object) -> None:
        """One line; values that are None are left out."""
        self._attempt(lambda stream: stream.write(token(kind, word, **values) + "\n"))
        if kind == "stage":
            self.flush()

    def flush(self) -> None:
        """Let it be read now."""
        self._attempt(lambda stream: stream.flush())

    def _attempt(self, work: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            work(self._stream)
        except (OSError, ValueError):
            self._stream = None


def token(kind: str, word: object, /, **values: object) -> str:
    """One token as a line, without its end."""
    pairs = {kind: word, **values}
    return " ".join(
        [
            "::campaign",
            *(f"{name}={quote(str(value), safe=_SAFE)}" for name, value in pairs.items() if value is not None),
        ]
    )


@contextmanager
def told(tokens: Writer) -> Iterator[None]:
    """What ends the campaign before its time is told too."""
    try:
        yield
    except CampaignError as error:
        code = next((each.code for each in error.diagnostics), None)
        tokens.say("stage", "end", status=int(error.status), code=code)
        raise
    except KeyboardInterrupt:
        tokens.say("stage", "end", status=int(ExitStatus.INTERRUPTED))
        raise


def tell_devices(tokens: Writer, capacity: Capacity, served: Mapping[str, int] | None = None) -> None:
    """The named slots of this machine; ``served``: as many of each as the daemon has, which may know better."""
    for name, slot in capacity.named.items():
        count = (served or {}).get(name, slot.count)
        same = count == slot.count
        tokens.say(
            "device",
            name,
            count=count,
            origin=slot.origin if same else None,
            why_none=slot.why_none if same else None,
        )


class TokenWatcher:
    """Writes tokens of what another watcher is told too."""

    def __init__(self, tokens: Writer, watcher: Watcher) -> None:
        self._tokens, self._watcher = tokens, watcher
        self._total: int | None = None
        self._done = self._said = 0
        self._verdicts: Counter[str] = Counter()

    def begin(self, total: int | None, done: int) -> None:
        """So many runs are planned, ``done`` of them were done before."""
        self._total, self._done, self._said = total, done, done
        self._watcher.begin(total, done)
        self._progress()

    def moved(self, event: EventView) -> None:
        """An attempt changed its state."""
        self._watcher.moved(event)
        self._tokens.say("queue", event.to_state, run=event.key, attempt=event.attempt, cause=event.cause)

    def finished(self, view: RunView, *, final: bool) -> None:
        """An attempt is done; ``final``: it decides its run."""
        self._watcher.finished(view, final=final)
        if final:
            self._done += 1
            self._verdicts[view.verdict or ""] += 1
        failure, granted = view.failure, view.resources.granted
        self._tokens.say(
            "result",
            view.verdict,
            run=view.key,
            attempt=view.attempt,
            final=str(final).lower(),
            failure=failure.kind if failure else None,
            message=failure.message if failure else None,
            granted=_indexes(granted) if granted else None,
            fallback=view.resources.fallback_reason,
        )

    def flush(self) -> None:
        """Everything that is known by now was told."""
        self._watcher.flush()
        if self._done > self._said:
            self._progress()
        self._tokens.flush()

    def note(self, text: str) -> None:
        """A line for the person."""
        self._watcher.note(text)
        self._tokens.say("note", text)
        self._tokens.flush()

    def end(self) -> None:
        """Nothing more comes."""
        self._watcher.end()
        self._tokens.flush()

    def _progress(self) -> None:
        self._said = self._done
        self._tokens.say("progress", self._done, total=self._total, **self._verdicts)
        self._tokens.flush()


def _indexes(granted: Mapping[str, tuple[int, ...]]) -> str:
    """``gpu=0,1``; several slots are told apart by ``+``."""
    return "+".join(f"{name}={','.join(map(str, held))}" for name, held in granted.items())
