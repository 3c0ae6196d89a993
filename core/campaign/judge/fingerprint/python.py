"""Python: a traceback; of a chain the first one, which is where it began."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise

_FRAME = re2.compile(r'^\s*(?:\|\s*)*File "(.*)", line \d+(?:, in (.*))?$')
_ERROR = re2.compile(r"^\s*(?:\|\s*)*((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?::.*)?$")
#: The interpreter's own library, and those who only call.
_CALLERS = ("_pytest", "pluggy", "click", "hypothesis", "atheris")
_MACHINERY = re2.compile(
    r"^<(?:frozen|string|stdin|attrs|decorator)|/lib/python[\d.]*/(?:[a-z_]+/)*\w+\.py$"
    rf"|/(?:site|dist)-packages/(?:{'|'.join(_CALLERS)})\b"
)
_LIBRARY = " (library)"


def _read(lines: Sequence[str]) -> Found | None:
    names: list[str] = []
    name = ""
    for line in lines[1:]:
        match = _FRAME.search(line)
        if match:
            names.append(_name(match.group(1), match.group(2) or "<module>"))
        elif names and line.strip() and not line.startswith(("  ", "\t")):
            error = _ERROR.search(line)
            name = error.group(1) if error else ""
            break
    if not names:
        return None
    if all(each.endswith(_LIBRARY) for each in names):
        names = [each.removesuffix(_LIBRARY) for each in names]
    return Found(name.rpartition(".")[2], tuple(reversed(names)), noise(contains=_LIBRARY))


def _name(path: str, name: str) -> str:
    """``module.py:function``: the file without its folders, for those are where it happens to be installed."""
    module = path.replace("\\", "/").rpartition("/")[2]
    return f"{module}:{name}" + (_LIBRARY if _MACHINERY.search(path.replace("\\", "/")) else "")


FORM = Form("python", r"Traceback \(most recent call last\):", _read)
