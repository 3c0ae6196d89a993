"""One rule set from its bytes: read, shaped, every value and condition understood, every mistake at its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from campaign.diagnostics import Diagnostic, Related, Span, failed
from campaign.language.names import meant, shown
from campaign.language.source import Source
from campaign.language.typecheck import PARAMETER_TYPES
from campaign.plugins.names import canonical, is_name, objection
from campaign.rules import schema
from campaign.rules.conditions import check_name, read_condition
from campaign.rules.limits import dimension, leaves_no_value
from campaign.rules.reading import Entries, Items, Node, Scalar, read_document
from campaign.rules.structs import (
    TYPE,
    Bound,
    Choice,
    Example,
    Extended,
    Guard,
    Limit,
    Match,
    Merge,
    Number,
    Origin,
    Orphans,
    Quarantine,
    Require,
    RuleSet,
    Skip,
    Sla,
    Split,
    Triage,
)
from campaign.units import Value, format_value

_Found = TypeVar("_Found")


def load_rule_set(path: str, data: bytes) -> tuple[RuleSet | None, list[Diagnostic]]:
    """The rule set in ``data``, and everything that is wrong with it, by place; None where anything is."""
    document, found = read_document(path, data)
    if document is None:
        return None, found
    found, sound = schema.judge(document.root)
    loader = _Loader(sound, document.source)
    rule_set = loader.rule_set()
    found += loader.found
    return (None if failed(found) else rule_set), _sorted(found)


def _sorted(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    return sorted(dict.fromkeys(found), key=lambda each: (each.span.line, each.span.column) if each.span else (0, 0))


class _Loader:
    """Turns nodes whose shape is right into rules."""

    def __init__(self, root: Entries, source: Source) -> None:
        self.root, self.source = root, source
        self.found: list[Diagnostic] = []
        self.name = schema.text_of(root.entries["name"])

    def rule_set(self) -> RuleSet:
        root = self.root.entries
        unbounded = root.get("unbounded")
        regrouped = self._each("fingerprints", self._fingerprints)
        return RuleSet(
            name=self.name,
            path=self.source.path,
            span=root["name"].span,
            about=_text(root.get("about")),
            extends=tuple(Extended(schema.text_of(each), each.span) for each in _items(root.get("extends"))),
            priority=schema.whole_of(root["priority"]) if "priority" in root else 0,
            match=self._match(root.get("match")),
            limits=self._limits(root.get("limits")),
            unbounded=self._origin(unbounded) if unbounded and schema.text_of(unbounded) == "deny" else None,
            slas=self._slas(root.get("sla")),
            guards=self._each("guard", self._guard),
            requires=self._each("require", self._require),
            triage=self._keyed(self._each("triage", self._triage), lambda each: canonical(each.id)),
            quarantine=self._keyed(self._each("quarantine", self._quarantine), lambda each: each.fingerprint),
            merges=tuple(each for each in regrouped if isinstance(each, Merge)),
            splits=tuple(each for each in regrouped if isinstance(each, Split)),
            skips=self._each("skip", self._skip),
            orphans=self._orphans(root.get("orphans")),
            examples=self._examples(root.get("examples")),
        )

    def _origin(self, node: Node, why: Node | None = None) -> Origin:
        return Origin(self.name, node.span, _text(why))

    def _error(self, code: str, summary: str, span: Span, hint: str | None = None) -> None:
        self.found.append(Diagnostic(code, summary, span, hint))

    def _each(self, key: str, read: Callable[[Entries], _Found | None]) -> tuple[_Found, ...]:
        entries = (each for each in _items(self.root.entries.get(key)) if isinstance(each, Entries))
        return tuple(made for each in entries if (made := read(each)) is not None)

    def _keyed(self, rules: tuple[_Found, ...], key: Callable[[_Found], str]) -> tuple[_Found, ...]:
        """Rules of which each has a key of its own."""
        first: dict[str, Any] = {}
        for rule in rules:
            earlier: Any = first.setdefault(key(rule), rule)
            if earlier is not rule:
                self._twice(key(rule), rule.origin.span, earlier.origin.span)  # type: ignore[attr-defined]
        return rules

    def _twice(self, name: str, span: Span, first: Span) -> None:
        related = (Related(first, "given here first"),)
        self.found.append(Diagnostic("CAMP303", f"{shown(name)} is given twice", span, None, related))

    # --- limits

    def _limits(self, node: Node | None) -> dict[str, Limit]:
        limits: dict[str, Limit] = {}
        for name, entry in node.entries.items() if isinstance(node, Entries) else ():
            place = node.keys[name].span  # type: ignore[union-attr]
            key = self._limit_key(name, place)
            if key is None or not isinstance(entry, Entries):
                continue
            if key in limits:
                first = node.keys[limits[key].name].span  # type: ignore[union-attr]
                related = (Related(first, f"spelt {shown(limits[key].name)} here"),)
                summary = f"{shown(name)} is the name {shown(limits[key].name)} in another spelling"
                self.found.append(Diagnostic("CAMP303", summary, place, None, related))
                continue
            limit = self._limit(key, name, place, entry)
            if limit is not None:
                limits[key] = limit
        return limits

    def _limit_key(self, name: str, span: Span) -> str | None:
        """The key of a limit, canonical; None for what binds nothing, which is reported."""
        parts = name.split(".")
        if not all(map(is_name, parts)):
            self._error("CAMP306", f"{shown(name)} is no name that a parameter can have", span)
            return None
        key = canonical(name)
        kind = key.removeprefix(TYPE)
        if kind != key and kind not in PARAMETER_TYPES:
            hint = meant(kind, PARAMETER_TYPES) or f"types are {', '.join(PARAMETER_TYPES)}"
            self._error("CAMP306", f"no type is called {shown(kind)}", span, hint)
            return None
        if kind == key and (why := objection(parts[-1])) is not None:
            hint = "limit the parameter that is meant, by its own name"
            self._error("CAMP306", f"{shown(name)} binds nothing: {parts[-1]} {why}", span, hint)
            return None
        return key

    def _limit(self, key: str, name: str, place: Span, entry: Entries) -> Limit | None:
        rules = entry.entries
        origin = Origin(self.name, place, _text(rules.get("why")))
        if not {"min", "max", "in"} & set(rules):
            self._error("CAMP301", f"{shown(name)} limits nothing", place, "give it min, max or in")
            return None
        low, high = (self._bound(rules.get(end), origin) for end in ("min", "max"))
        allowed = tuple(schema.value_of(each) for each in _items(rules.get("in")))
        override = self._override(rules.get("override"), origin, place)
        limit = Limit(
            key=key,
            name=name,
            low=low,
            high=high,
            allowed=Choice(allowed, (origin,)) if allowed else None,
            override=override,
        )
        return limit if self._fits(limit, rules, place) else None

    def _bound(self, node: Node | None, origin: Origin) -> Bound | None:
        return None if node is None else Bound(schema.number_of(node), Origin(self.name, node.span, origin.why))

    def _override(self, node: Node | None, origin: Origin, place: Span) -> Origin | None:
        if node is None or not schema.flag_of(node):
            return None
        if origin.why is None:
            self._error("CAMP313", "an override says why", node.span, 'write: override: true, why: "…"')
        return Origin(self.name, place, origin.why)

    def _fits(self, limit: Limit, rules: Mapping[str, Node], place: Span) -> bool:
        """Whether the values of a limit are of one kind, the one that its key asks for, and leave something over."""
        kind = limit.key.removeprefix(TYPE) if limit.key.startswith(TYPE) else None
        for end, bound in (("min", limit.low), ("max", limit.high)):
            wrong = None if bound is None or kind is None else _unlike(kind, bound.value)
            if wrong is not None:
                self._error("CAMP306", f"{end} {wrong}", rules[end].span)
                return False
        low, high = limit.low, limit.high
        if low is not None and high is not None:
            if dimension(low.value) != dimension(high.value):
                self._error("CAMP306", f"min is {_kind(low.value)}, max is {_kind(high.value)}", rules["max"].span)
                return False
            if low.value > high.value:
                self._error("CAMP312", f"{shown(limit.name)} leaves no value: min is more than max", place)
                return False
        if (empty := leaves_no_value(limit)) is not None:
            self._error("CAMP312", f"{shown(limit.name)} {empty}", place)
            return False
        return True

    def _slas(self, node: Node | None) -> dict[str, Sla]:
        """By canonical names of models and labels; two spellings of one are an error."""
        found: dict[str, Sla] = {}
        for name, within in node.entries.items() if isinstance(node, Entries) else ():
            place = node.keys[name].span  # type: ignore[union-attr]
            if not all(map(is_name, name.split("."))):
                hint = "name a model (PLUGIN.FAULT) or the label of a fault"
                self._error("CAMP306", f"{shown(name)} is no name that a fault can have", place, hint)
            elif canonical(name) in found:
                self._twice(name, place, found[canonical(name)].origin.span)
            else:
                found[canonical(name)] = Sla(name, schema.duration_of(within), Origin(self.name, place))
        return found

    # --- the other rules

    def _match(self, node: Node | None) -> tuple[Match, ...]:
        if not isinstance(node, Entries):
            return ()
        return tuple(
            Match(name, plain(wanted), Origin(self.name, node.keys[name].span)) for name, wanted in node.entries.items()
        )

    def _guard(self, entry: Entries) -> Guard:
        settings = {name: _setting(node) for name, node in entry.entries.items() if name not in ("oracle", "every")}
        return Guard(
            oracle=schema.text_of(entry.entries["oracle"]),
            every=schema.duration_of(entry.entries["every"]),
            settings=settings,
            origin=self._origin(entry),
        )

    def _require(self, entry: Entries) -> Require:
        return Require(
            tags=_texts(entry.entries.get("tags")),
            oracle=schema.text_of(entry.entries["oracle"]),
            origin=self._origin(entry, entry.entries.get("why")),
        )

    def _triage(self, entry: Entries) -> Triage | None:
        when = entry.entries["when"]
        assert isinstance(when, Scalar), "the schema asks for a text"
        tree, wrong = read_condition(when, self.source)
        self.found += wrong
        if tree is None:
            return None
        return Triage(
            id=schema.text_of(entry.entries["id"]),
            when=" ".join(when.text.split()),
            tree=tree,
            cause=_text(entry.entries.get("cause")),
            fix=_text(entry.entries.get("fix")),
            where=_texts(entry.entries.get("where")),
            suspicious="suspicious" in entry.entries and schema.flag_of(entry.entries["suspicious"]),
            origin=self._origin(entry.entries["id"]),
        )

    def _quarantine(self, entry: Entries) -> Quarantine:
        return Quarantine(
            fingerprint=schema.text_of(entry.entries["fingerprint"]),
            issue=schema.text_of(entry.entries["issue"]),
            until=schema.date_of(entry.entries["until"]),
            owner=_text(entry.entries.get("owner")),
            runs=schema.count_of(entry.entries["runs"]) if "runs" in entry.entries else None,
            origin=self._origin(entry.entries["fingerprint"], entry.entries.get("why")),
        )

    def _fingerprints(self, entry: Entries) -> Merge | Split | None:
        keys = set(entry.entries) - {"why"}
        origin = self._origin(entry, entry.entries.get("why"))
        if keys == {"same"}:
            return Merge(same=_texts(entry.entries["same"]), origin=origin)
        if keys == {"split", "by"}:
            split, by = (schema.text_of(entry.entries[key]) for key in ("split", "by"))
            return Split(fingerprint=split, by=by, origin=origin)
        hint = "write {same: [A, B]} to make failures one, {split: A, by: SETTING} to tell one apart"
        self._error("CAMP301", "this neither merges fingerprints nor splits one", entry.span, hint)
        return None

    def _skip(self, entry: Entries) -> Skip | None:
        if not {"cell", "instance", "tags"} & set(entry.entries):
            self._error("CAMP301", "this skips nothing", entry.span, "say which cell:, instance: or tags:")
            return None
        return Skip(
            cell=_text(entry.entries.get("cell")),
            instance=_text(entry.entries.get("instance")),
            tags=_texts(entry.entries.get("tags")),
            issue=_text(entry.entries.get("issue")),
            origin=self._origin(entry, entry.entries["why"]),
        )

    def _orphans(self, node: Node | None) -> Orphans | None:
        return None if node is None else Orphans(schema.text_of(node), self._origin(node))

    def _examples(self, node: Node | None) -> tuple[Example, ...]:
        made: list[Example] = []
        for kind, examples in node.entries.items() if isinstance(node, Entries) else ():
            subject, wanted = _EXAMPLES[kind]
            for each in _items(examples):
                given = plain(each) if subject == "host" else _values(each)
                if subject == "failure" and isinstance(each, Entries):
                    self.found += [wrong for name, key in each.keys.items() for wrong in check_name(name, key.span)]
                made.append(Example(kind=subject, given=given, wanted=wanted, origin=self._origin(each)))
        return tuple(made)


#: What each list of examples is about, and whether what it gives must be taken.
_EXAMPLES = {
    "pass": ("values", True),
    "refuse": ("values", False),
    "match": ("host", True),
    "no-match": ("host", False),
    "triaged": ("failure", True),
    "not-triaged": ("failure", False),
}


def plain(node: Node) -> Any:
    """A node as plain data: mappings, lists, texts, numbers, true, false, None."""
    if isinstance(node, Entries):
        return {key: plain(value) for key, value in node.entries.items()}
    return [plain(item) for item in node.items] if isinstance(node, Items) else node.value


def _unlike(kind: str, value: Number) -> str | None:
    """What is wrong with an end of ``type.KIND``; None where it fits."""
    wanted = "number" if kind in ("int", "decimal", "ratio") else kind
    if wanted in ("string", "path", "bool"):
        return f"means nothing of a {kind}: it has no order"
    if dimension(value) != wanted:
        return f"is {_kind(value)}, and this limits every {kind}"
    return None


def _kind(value: Number) -> str:
    kind = dimension(value)
    return f"the number {format_value(value)}" if kind == "number" else f"a {kind}"


def _setting(node: Node) -> Value:
    value = schema.value_of(node)
    try:
        return schema.number_of(node) if isinstance(value, str) else value
    except ValueError:
        return value


def _values(node: Node) -> dict[str, Value]:
    return {name: _given(value) for name, value in node.entries.items()} if isinstance(node, Entries) else {}


def _given(node: Node) -> Value:
    return tuple(map(_setting, node.items)) if isinstance(node, Items) else _setting(node)


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Items) else ()


def _text(node: Node | None) -> str | None:
    return None if node is None else schema.text_of(node)


def _texts(node: Node | None) -> tuple[str, ...]:
    return tuple(schema.text_of(each) for each in _items(node))
