"""The shape of a rule set, as a cerberus schema over nodes: what is wrong has the place of the node that is.

The leaves that cerberus sees are the scalars themselves, so that ``800mV`` or an all-digit fingerprint is read as what
its key means by it; each kind of leaf is a check of the language's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

import cerberus
from cerberus import errors

from campaign.diagnostics import Diagnostic, Span
from campaign.language.names import meant, shown
from campaign.plugins.names import is_name
from campaign.rules.reading import Entries, Items, Node, Scalar
from campaign.units import Dimension, Quantity, UnitError, Value, parse_number, parse_quantity

_Path: TypeAlias = "tuple[Any, ...]"

ORPHANS = ("fail", "cancel", "requeue", "adopt")
_HEX = frozenset("0123456789abcdef")
_LONGEST_TEXT = 4000
_MOST_PRIORITY = 1_000_000


# --- what scalars mean ------------------------------------------------------------------------------------------


def text_of(node: Node) -> str:
    """The text of a scalar, quoted or not; raises UnitError for what is none."""
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        raise UnitError("takes a text")
    if len(node.text) > _LONGEST_TEXT:
        raise UnitError(f"takes at most {_LONGEST_TEXT:,} characters")
    return node.text


def value_of(node: Node) -> Value:
    """A value as a spec would write it: true, 16, 0.9, 850mV, fft; raises UnitError for what is none.

    What merely looks like a number (hex, octal, NaN, infinities, exponents, foreign digits) is refused unless quoted.
    """
    if not isinstance(node, Scalar):
        raise UnitError("takes a single value")
    value = node.value
    if value is None:
        raise UnitError("takes a value, this is nothing")
    if not node.plain or not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    if _looks_like_number(value):
        return parse_quantity(value)
    return value


def number_of(node: Node) -> Quantity | int | Fraction:
    """A number or a quantity, quoted or not; raises UnitError."""
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        raise UnitError("takes a number or a quantity such as 850mV")
    text = text_of(node)
    try:
        return parse_number(text)
    except (UnitError, ValueError):
        return parse_quantity(text)


def _looks_like_number(text: str) -> bool:
    first = text.lstrip("+-.")[:1]
    return first.isdigit() or text.lstrip("+-").casefold() in (".nan", ".inf", "nan", "inf", "infinity")


def duration_of(node: Node) -> Quantity:
    """A duration of more than nothing; raises UnitError."""
    value = number_of(node)
    if not isinstance(value, Quantity) or value.dimension is not Dimension.DURATION or value.value <= 0:
        raise UnitError("takes a duration of more than 0s")
    return value


def whole_of(node: Node) -> int:
    """A whole number; raises UnitError."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST_PRIORITY:
        raise UnitError(f"takes a whole number, at most {_MOST_PRIORITY:,}")
    return value


def count_of(node: Node) -> int:
    """A whole number of at least one, quoted or not; raises UnitError."""
    value = number_of(node)
    if not isinstance(value, int) or not 1 <= value <= _MOST_PRIORITY:
        raise UnitError(f"takes a whole number from 1 to {_MOST_PRIORITY:,}")
    return value


def flag_of(node: Node) -> bool:
    """True or false; raises UnitError."""
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, bool):
        raise UnitError("takes true or false")
    return value


def date_of(node: Node) -> str:
    """A day as ``2027-01-31``; raises UnitError."""
    text = text_of(node)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UnitError("takes a day such as 2027-01-31") from None
    if day.isoformat() != text:
        raise UnitError("takes a day such as 2027-01-31")
    return text


def _name(node: Node) -> str:
    text = text_of(node)
    if not is_name(text):
        raise UnitError("takes a name: letters, digits, _ and single dashes inside")
    return text


def _dotted(node: Node) -> str:
    text = text_of(node)
    if not all(map(is_name, text.split("."))):
        raise UnitError("takes the name of a provider, such as host.temperature")
    return text


def _fingerprint(node: Node) -> str:
    text = text_of(node)
    if len(text) != 16 or not _HEX.issuperset(text):
        raise UnitError("takes a fingerprint: 16 hexadecimal digits")
    return text


def _by(node: Node) -> str:
    text = text_of(node)
    if not all(map(is_name, text.split("."))):
        raise UnitError("takes a setting, an axis, instance or cell")
    return text


def _unbounded(node: Node) -> str:
    return _one_of(node, ("deny", "allow"))


def _orphans(node: Node) -> str:
    return _one_of(node, ORPHANS)


def _one_of(node: Node, words: Sequence[str]) -> str:
    text = text_of(node)
    if text not in words:
        raise UnitError(f"takes {' or '.join(words)}")
    return text


#: What ``campaign quarantine`` and ``campaign rules tighten`` are given on the command line, by its key in the file.
_GIVEN: Mapping[str, Callable[[Node], object]] = {
    "fingerprint": _fingerprint,
    "issue": text_of,
    "until": date_of,
    "owner": text_of,
    "runs": count_of,
    "min": number_of,
    "max": number_of,
    "why": text_of,
}


def objection_to(key: str, text: str) -> str | None:
    """Why a key cannot have this text for its value, as the end of a sentence; None where it can."""
    try:
        _GIVEN[key](Scalar(text, False, Span("", 1, 1, 1, 1), 0, text))
    except (UnitError, ValueError) as refused:
        return str(refused)
    return None


# --- the schema -------------------------------------------------------------------------------------------------


def _leaf(read: Callable[[Node], object], **rules: Any) -> dict[str, Any]:
    """A scalar that ``read`` must be able to read."""

    def check(field: str, node: Any, error: Callable[[str, str], None]) -> None:
        try:
            read(node)
        except UnitError as refused:
            error(field, str(refused))

    return {"check_with": check, **rules}


def _list(items: dict[str, Any], **rules: Any) -> dict[str, Any]:
    return {"type": "list", "schema": items, **rules}


def _mapping(schema: dict[str, Any], **rules: Any) -> dict[str, Any]:
    return {"type": "dict", "schema": schema, **rules}


_LIMIT = {
    "min": _leaf(number_of),
    "max": _leaf(number_of),
    "in": _list(_leaf(value_of), minlength=1),
    "override": _leaf(flag_of),
    "why": _leaf(text_of),
}
_VALUES = _list({"type": "dict", "valuesrules": _leaf(value_of)})
_FACTS = _list({"type": "dict"})
#: What is said of a run: values, lists of them, and with ``record`` a whole ``run.json``.
_RUNS = _list({"type": "dict", "valuesrules": {"anyof": [_leaf(value_of), _list(_leaf(value_of))]}})
SCHEMA: dict[str, Any] = {
    "name": _leaf(_name, required=True),
    "about": _leaf(text_of),
    "extends": _list(_leaf(text_of)),
    "priority": _leaf(whole_of),
    "match": {"type": "dict"},
    "limits": {"type": "dict", "valuesrules": _mapping(_LIMIT)},
    "unbounded": _leaf(_unbounded),
    "sla": {"type": "dict", "valuesrules": _leaf(duration_of)},
    "guard": _list(
        {
            "type": "dict",
            "schema": {"oracle": _leaf(_dotted, required=True), "every": _leaf(duration_of, required=True)},
            "allow_unknown": _leaf(value_of),
        }
    ),
    "require": _list(
        _mapping(
            {
                "tags": _list(_leaf(text_of), required=True, minlength=1),
                "oracle": _leaf(_dotted, required=True),
                "why": _leaf(text_of),
            }
        )
    ),
    "triage": _list(
        _mapping(
            {
                "id": _leaf(_name, required=True),
                "when": _leaf(text_of, required=True),
                "cause": _leaf(text_of),
                "fix": _leaf(text_of),
                "where": _list(_leaf(text_of)),
                "suspicious": _leaf(flag_of),
            }
        )
    ),
    "quarantine": _list(
        _mapping(
            {
                "fingerprint": _leaf(_fingerprint, required=True),
                "issue": _leaf(text_of, required=True),
                "until": _leaf(date_of, required=True),
                "owner": _leaf(text_of),
                "runs": _leaf(count_of),
                "why": _leaf(text_of),
            }
        )
    ),
    "fingerprints": _list(
        _mapping(
            {
                "same": _list(_leaf(_fingerprint), minlength=2),
                "split": _leaf(_fingerprint),
                "by": _leaf(_by),
                "why": _leaf(text_of, required=True),
            }
        )
    ),
    "skip": _list(
        _mapping(
            {
                "cell": _leaf(text_of),
                "instance": _leaf(text_of),
                "tags": _list(_leaf(text_of), minlength=1),
                "why": _leaf(text_of, required=True),
                "issue": _leaf(text_of),
            }
        )
    ),
    "orphans": _leaf(_orphans),
    "examples": _mapping(
        {
            "pass": _VALUES,
            "refuse": _VALUES,
            "match": _FACTS,
            "no-match": _FACTS,
            "triaged": _RUNS,
            "not-triaged": _RUNS,
        }
    ),
}


class _Handler(errors.BaseErrorHandler):  # type: ignore[misc]
    """Cerberus' errors as they are, leaves only."""

    def __call__(self, found: Iterable[Any]) -> list[Any]:
        return [leaf for error in found for leaf in _leaves(error)]


def _leaves(error: Any) -> list[Any]:
    return [leaf for child in error.child_errors for leaf in _leaves(child)] if error.is_group_error else [error]


@cache
def _validator() -> cerberus.Validator:
    return cerberus.Validator(SCHEMA, error_handler=_Handler())


def judge(root: Entries) -> tuple[list[Diagnostic], Entries]:
    """Everything about the shape of a rule set that is wrong, in no particular order, and the root without it."""
    validator = _validator()
    validator.validate({key: _plain(node) for key, node in root.entries.items()}, normalize=False)
    wrong = [tuple(error.document_path) for error in validator.errors]
    return [_diagnostic(error, root) for error in validator.errors], _without(root, wrong) if wrong else root


def _without(root: Entries, wrong: Sequence[_Path]) -> Entries:
    """A rule set without the rules that are wrong: each as a whole, so that the others can still be judged."""
    entries = dict(root.entries)
    for key in {path[0] for path in wrong if path}:
        node = entries.pop(key, None)
        parts = {path[1] if len(path) > 1 else None for path in wrong if path[0] == key}
        if isinstance(node, Items) and None not in parts:
            entries[key] = Items(tuple(each for at, each in enumerate(node.items) if at not in parts), node.span)
        elif isinstance(node, Entries) and None not in parts:
            kept = {name: each for name, each in node.entries.items() if name not in parts}
            entries[key] = Entries(kept, node.keys, node.span)
    entries.setdefault("name", Scalar("unnamed", False, root.span, 0, "unnamed"))
    return Entries(entries, root.keys, root.span)


def _plain(node: Node) -> Any:
    """A node as cerberus walks it: mappings and lists, with scalars for leaves."""
    if isinstance(node, Entries):
        return {key: _plain(value) for key, value in node.entries.items()}
    return [_plain(item) for item in node.items] if isinstance(node, Items) else node


def _diagnostic(error: Any, root: Entries) -> Diagnostic:
    path: _Path = tuple(error.document_path)
    name = shown(str(path[-1])) if path and isinstance(path[-1], str) else "this"
    if error.code == errors.UNKNOWN_FIELD.code:
        known = _known(path[:-1])
        hint = meant(str(path[-1]), known) or f"here stand {', '.join(known)}"
        return Diagnostic("CAMP302", f"{name} is no key here", _key(root, path), hint)
    if error.code == errors.REQUIRED_FIELD.code:
        return Diagnostic("CAMP301", f"{name} must be given", _value(root, path[:-1]))
    if error.code == errors.BAD_TYPE.code:
        kind = {"dict": "a mapping of keys to values", "list": "a list"}[error.constraint]
        return Diagnostic("CAMP301", f"{name} takes {kind}", _value(root, path))
    if error.code == errors.MIN_LENGTH.code:
        return Diagnostic("CAMP301", f"{name} cannot be empty", _value(root, path))
    reason = error.info[0] if error.info else f"breaks the rule {error.rule}"
    return Diagnostic("CAMP306", f"{name} {reason}", _value(root, path))


def _known(path: _Path) -> list[str]:
    """The keys that may stand at a path."""
    schema: Mapping[str, Any] = {"type": "dict", "schema": SCHEMA}
    for part in path:
        inner = schema.get("schema", {})
        schema = inner if schema.get("type") == "list" else inner.get(part, schema.get("valuesrules", {}))
    return [str(key) for key in schema.get("schema", ())]


def _node(root: Node, path: _Path) -> Node:
    """The node at a path, as far as there is one."""
    node = root
    for part in path:
        if isinstance(node, Entries) and part in node.entries:
            node = node.entries[part]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
    return node


def _value(root: Entries, path: _Path) -> Span:
    span = _node(root, path).span
    if span.line == span.end_line or not path:
        return span
    return _key(root, path)  # of something long the key says it better


def _key(root: Entries, path: _Path) -> Span:
    holder = _node(root, path[:-1])
    if isinstance(holder, Entries) and path[-1] in holder.keys:
        return holder.keys[path[-1]].span
    return holder.span
