"""``campaign`` and ``python -m campaign``: an interrupt is heeded from the first moment, and once."""

from __future__ import annotations

import gc
import signal
import sys
from typing import NoReturn

_INTERRUPTED = 130
#: New objects between two looks for garbage: what a start makes stays, and looking through it costs a short verb 5 %.
_OBJECTS = 20_000


def main() -> NoReturn:
    """The entry point; leaves with one of the statuses of ``ExitStatus``."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where our caller had it ignored
        signal.signal(signal.SIGINT, _interrupt)
    gc.set_threshold(_OBJECTS)
    try:
        from campaign.cli.main import main as command  # late: this is what an interrupt may come in the middle of

        command()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _interrupt(*_: object) -> NoReturn:
    """The first one ends what goes on; those that follow must not end the ending."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
