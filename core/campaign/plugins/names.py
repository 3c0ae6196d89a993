"""Names that providers and parameters may bear, and when two spellings are the same name."""

from __future__ import annotations

import re

#: A name of the language: letters, digits and ``_``; single dashes inside.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*")
_DASHES = str.maketrans("-", "_")

#: Settings in a provider's block that instruct the engine; no provider may declare them.
ENGINE_OWNED = frozenset(
    ("at", "for", "sla", "target", "after", "every", "required", "advisory", "over", "ok-exits", "timeout", "faults")
)
#: Names with a meaning of their own in expressions; no parameter or axis may bear them.
RESERVED = frozenset(
    (
        "seed",
        "tier",
        "attempt",
        "output",
        "elapsed",
        "exit",
        "step",
        "oracle",
        "fault",
        "faults",
        "metrics",
        "failure",
        "verdict",
    )
)
#: What ``{workdir}`` and its like mean in a text, beside what is reserved; no parameter may hide it.
PLACEHOLDERS = frozenset(("workdir", "chaindir", "campaign", "instance", "cell", "trace"))


def is_name(text: object) -> bool:
    """Whether ``text`` is a name of the language, without dots."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def canonical(name: str) -> str:
    """What two spellings of one name share: case, ``-`` and ``_`` do not tell names apart."""
    return name.translate(_DASHES).casefold()


def full_name(plugin: str, provider: str) -> str:
    """How a spec calls a provider; one that is named like its entry point is called by that alone."""
    return provider if provider == plugin else f"{plugin}.{provider}"


def split_name(name: str) -> tuple[str, str]:
    """A full name's entry point and provider: ``sqlite.writer``, ``command``."""
    plugin, dot, provider = name.partition(".")
    return (plugin, provider) if dot else (plugin, plugin)


_OWNED_CANONICAL = {canonical(name): name for name in ENGINE_OWNED}
_RESERVED_CANONICAL = frozenset(map(canonical, RESERVED))


def is_reserved(name: str) -> bool:
    """Whether no parameter and no axis may bear this name, because expressions mean something else by it."""
    return canonical(name) in _RESERVED_CANONICAL


def objection(name: object) -> str | None:
    """Why no parameter may bear this name, as the end of a sentence that starts with the name; None where one may."""
    if not isinstance(name, str) or not is_name(name):
        return "is not a name (letters, digits, _, single dashes inside)"
    if canonical(name) in _OWNED_CANONICAL:
        return "belongs to the engine in every provider's block"
    if is_reserved(name):
        return "is reserved: it has a meaning of its own in expressions"
    if canonical(name) in PLACEHOLDERS:
        return f"is what {{{canonical(name)}}} means in every text"
    return None


def kind_of(value: object) -> str:
    """What a value is, with its article: ``an int``, ``a str``, ``nothing``."""
    kind = type(value).__name__
    return "nothing" if value is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
