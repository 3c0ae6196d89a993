"""Names of functions as they are written, without what compilers add and what differs between builds."""

from __future__ import annotations

import re2

#: What compilers add to a copy of a function, and hashes in mangled names.
_SUFFIX = re2.compile(
    r"(?:\[abi:\w+\]|\.(?:isra|part|constprop|cold|llvm|lto_priv|clone|localalias)(?:\.\d+)*|\.\d+|::h[0-9a-f]{16})+$"
)
_CLONE = re2.compile(r"\s*\[clone [^\]]*\]|\s*\(\.[a-z]+(?:\.\d+)*\)$")
_OPENING = {"<": ">", "(": ")", "{": "}", "[": "]"}
_OPERATOR = re2.compile(r"operator\s?(?:<=>|<<=?|>>=?|<=|>=|->\*?|<|>|\(\))")


def function(text: str) -> str:
    """``void a::b<int>(char const*) const`` as ``a::b``; what follows the name does not matter."""
    text = (
        _CLONE.sub("", text.strip())
        .replace("(anonymous namespace)", "anonymous")
        .replace("`anonymous namespace'", "anonymous")
    )
    text = text.replace("operator new", "operator_new").replace("operator delete", "operator_delete")
    operator = _OPERATOR.search(text)
    if operator:  # its angle brackets are part of the name
        head = _plain(text[: operator.start()])
        return _last_word(head) + str(operator.group()).replace(" ", "")
    return suffixless(_last_word(_plain(text)))


def suffixless(name: str) -> str:
    """A symbol without what a compiler added to it."""
    return str(_SUFFIX.sub("", name))


def _plain(text: str) -> str:
    """``text`` up to the parameters of the function, without template arguments."""
    kept: list[str] = []
    depth = 0
    for at, char in enumerate(text):
        if char == "<" and (at or text[at + 1 : at + 2].isalnum()):
            depth += 1
        elif char == ">" and depth:
            depth -= 1
        elif char == "(" and not depth and kept:
            break
        elif not depth:
            kept.append(char)
    return "".join(kept)


def _last_word(text: str) -> str:
    words = text.split()
    if not words:
        return ""
    return words[-1] if words[-1] != "const" or len(words) == 1 else words[-2]
