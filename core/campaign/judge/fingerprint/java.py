"""Java and its kin: an exception and its frames; of a chain the cause at its root."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise

_HEAD = re2.compile(r"^(?:.*?\s)?((?:[a-z_$][\w$]*\.)+[\w$]+|[A-Z][\w$]*(?:Exception|Error))(?::.*)?$")
_CAUSE = re2.compile(r"^\s*Caused by: ([\w.$]+)")
_SOURCE = r"[\w$-]+\.(?:java|kt|scala|groovy|clj)(?::\d+)?|Native Method|Unknown Source|<generated>|SourceFile.*"
_FRAME = re2.compile(rf"^\s*at (?:[\w.@-]+/{{1,2}})*([\w.$<>]+)\((?:{_SOURCE})\)")
_NUMBERED = re2.compile(r"\$\$?[\w$]*Lambda.*|\$\d+|\$\$.*|lambda\$|\d{3,}")

_NOISE = noise(
    starts="""
    java. javax. jdk. sun. com.sun. kotlin. scala. groovy.lang. clojure.lang. junit. org.junit. org.testng.
    org.hamcrest. org.assertj. org.mockito. org.opentest4j. org.gradle. org.apache.maven.
    com.code_intelligence.jazzer. com.google.common.base.Preconditions.
    """
)


def _read(lines: Sequence[str]) -> Found | None:
    frames, head = _frames(lines[1:]), _HEAD.search(lines[0])
    if not frames or head is None:
        return None
    name, start = head.group(1), 0
    for at, line in enumerate(lines):
        cause = _CAUSE.search(line)
        if cause:
            name, start = cause.group(1), at
    return Found(name, tuple(_frames(lines[start + 1 :]) or frames), _NOISE)


def _frames(lines: Sequence[str]) -> list[str]:
    names: list[str] = []
    for line in lines:
        match = _FRAME.search(line)
        if match:
            names.append(_NUMBERED.sub("", match.group(1)))
        elif names or line.startswith(("Caused by", "Exception in")):
            break
    return names


FORM = Form(
    "java",
    r"^(?:.*\s)?(?:[\w$]+\.)*[A-Z][\w$]*(?:Exception|Error|Throwable|Failure)\b(?::.*)?$|^Exception in thread ",
    _read,
)
