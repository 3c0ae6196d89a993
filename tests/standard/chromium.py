"""A real Chromium without a screen, spoken to over its pipe (Chrome DevTools Protocol): JSON texts, each ended by NUL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

_LIFETIME_S = 300.0
_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: No sandbox: as root there is none; no network: what a page asks for cannot be had.
_FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-extensions",
    ),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update"),
    *("--remote-debugging-pipe", "--hide-scrollbars", "--font-render-hinting=none"),
)
#: Chromium reads what it is told from 3 and answers on 4, whatever our numbers are.
_PLACED = """
import fcntl, os, sys
spare = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
for target, fd in zip((3, 4), spare):
    os.dup2(fd, target)
os.execv(sys.argv[3], sys.argv[3:])
"""


def found() -> str | None:
    """The program, where this machine has one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class NotStartedError(Exception):
    """Chromium is there and does not start: no shared memory, say."""


class Page:
    """One tab; ``requests`` are the addresses that it asked for, ``complaints`` what it wrote to the console."""

    def __init__(self, asking: int, answering: int) -> None:
        self._asking, self._answers = asking, os.fdopen(answering, "rb")
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A method's result, whatever is told meanwhile."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._asking, json.dumps(message).encode() + b"\0")
        while (told := self._told()).get("id") != self._number:
            pass
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    def _told(self) -> dict[str, Any]:
        text = bytearray()
        while (letter := self._answers.read(1)) != b"\0":
            assert letter, "Chromium is gone"
            text += letter
        told: dict[str, Any] = json.loads(text)
        params = told.get("params", {})
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif told.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(json.dumps(params))
        elif told.get("method") == "Page.javascriptDialogOpening":
            self.complaints.append("a dialog")
        return told

    def look(self, width: int, *, dark: bool = False, phone: bool = False, media: str = "screen") -> None:
        """From now on as a screen of that width, or as paper, shows it."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, file: Path) -> None:
        """Load a page, scripts and all."""
        self.ask("Page.navigate", url=file.as_uri())
        while self._told().get("method") != "Page.loadEventFired":
            pass

    def value(self, script: str) -> Any:
        """What an expression comes to in the page."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def picture(self, whole: bool = True) -> bytes:
        """The page as a PNG, as long as it is."""
        return b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def paper(self) -> bytes:
        """The page as a PDF."""
        return b64decode(self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])


@contextmanager
def browsing(profile: Path) -> Iterator[Page]:
    """A browser of its own, with an empty profile; it is gone at the end."""
    program = found()
    assert program is not None
    theirs_in, asking = os.pipe()
    answering, theirs_out = os.pipe()

    command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    command = [sys.executable, "-c", _PLACED, str(theirs_in), str(theirs_out), *command]
    pipes = (theirs_in, theirs_out)
    running = subprocess.Popen(command, pass_fds=pipes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(theirs_in)
    os.close(theirs_out)
    watchdog = Timer(_LIFETIME_S, running.kill)  # one that hangs must not keep the tests waiting
    watchdog.start()
    try:
        try:
            page = Page(asking, answering)
        except (AssertionError, BrokenPipeError) as error:
            raise NotStartedError(f"Chromium does not start here: {error}") from error
        yield page
    finally:
        watchdog.cancel()
        running.kill()
        running.wait()
        os.close(asking)
