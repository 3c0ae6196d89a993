"""A stranger's reporter: whatever it raises is told with its name, and what cannot be written is never hidden by it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from campaign.analysis.recorded import rendered
from campaign.analysis.reporting import Wanted, objection
from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plugins.api import Reporter, UnableError
from campaign.plugins.results import Results

RESULTS: Results = None  # type: ignore[assignment]  # what is not looked at


class Stranger(Reporter):
    name = "stranger"
    about = "does what a test wants"
    filename = "stranger.txt"

    def __init__(self, act: Callable[[Callable[[Any], None]], None]) -> None:
        self._act = act

    def render(self, results: Results, settings: Any, write: Callable[[str | bytes], None]) -> None:
        self._act(write)

    def objection(self, file: str, settings: Any) -> str | None:
        raise KeyError(file)


def made(act: Callable[[Callable[[Any], None]], None]) -> Wanted:
    return Wanted(Stranger(act), {}, "stranger.txt", "plugin odd (campaign-odd 1.2)")


def raising(error: BaseException) -> Callable[[Any], None]:
    def act(_write: Any) -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (raising(UnableError("no axis")), "no axis"),
        (raising(RuntimeError("two\nlines")), "plugin odd (campaign-odd 1.2) raises RuntimeError: two lines"),
        (raising(SystemExit(3)), "plugin odd (campaign-odd 1.2) raises SystemExit: 3"),
        (raising(FileNotFoundError(errno.ENOENT, "No such file", "t")), "plugin odd (campaign-odd 1.2) raises "),
        (lambda write: write(None), "plugin odd (campaign-odd 1.2) raises TypeError: "),
    ],
)
def test_what_a_reporter_raises_names_it(act: Callable[[Any], None], why: str) -> None:
    pieces = bytearray()
    with pytest.raises(CampaignError) as caught:
        rendered(made(act), RESULTS, pieces.extend)
    (told,) = caught.value.diagnostics
    assert (told.code, told.summary.startswith(f"the report stranger cannot be written: {why}")) == ("CAMP592", True)


def test_an_objection_that_raises_names_it_too() -> None:
    with pytest.raises(CampaignError, match=r"plugin odd \(campaign-odd 1.2\) raises KeyError: 'x.png'"):
        objection(made(lambda _write: None), "x.png")


def test_what_the_campaign_itself_says_stays_as_it_is() -> None:
    own = CampaignError([Diagnostic("CAMP589", "no axis is called volts")])
    with pytest.raises(CampaignError) as caught:
        rendered(made(raising(own)), RESULTS, lambda _piece: None)
    assert caught.value is own


def hides(write: Callable[[str], None]) -> None:
    try:
        write("text")
    except OSError:
        return


def replaces(write: Callable[[str], None]) -> None:
    try:
        write("text")
    except OSError as error:
        raise RuntimeError("something else") from error


@pytest.mark.parametrize("act", [lambda write: write("text"), hides, replaces])
def test_a_disk_that_is_full_is_never_hidden(act: Callable[[Any], None]) -> None:
    def full(_piece: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        rendered(made(act), RESULTS, full)
