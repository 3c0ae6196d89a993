"""Several rule sets as one rule book: limits intersect, duties add up, keyed rules give way to later ones.

Composing can only tighten: ``override`` alone replaces a limit, and only one that its own set extends.  The order in
which independent sets are named does not matter: they stand by priority, then by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from campaign.diagnostics import Diagnostic, Related
from campaign.language.names import shown
from campaign.plugins.names import canonical
from campaign.rules.limits import dimension, leaves_no_value, same
from campaign.rules.structs import Bound, Choice, Limit, Override, RuleBook, RuleSet, Sla

Report = Callable[[Diagnostic], None]
_Rule = TypeVar("_Rule")


class Loaded(Struct, frozen=True):
    """A rule set with those that it extends, left to right."""

    rule_set: RuleSet
    bases: tuple[Loaded, ...] = ()


def compose(bound: Iterable[Loaded], report: Report) -> RuleBook:
    """What sets that are bound side by side come to; what contradicts itself is reported."""
    composer = _Composer(report)
    ordered = sorted(bound, key=lambda each: (each.rule_set.priority, each.rule_set.name, each.rule_set.path))
    books = [composer.one(each) for each in ordered]
    return composer.beside(books)


class _Composer:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._known: dict[str, RuleBook] = {}

    def one(self, loaded: Loaded) -> RuleBook:
        """What a set and all that it extends come to; ``match`` is its own."""
        path = loaded.rule_set.path
        if path not in self._known:
            inherited = self.beside([replace(self.one(base), match=()) for base in loaded.bases])
            own = _own(loaded.rule_set)
            book = self._meet(self._overridden(inherited, own, loaded.rule_set), own)
            self._known[path] = replace(book, names=(loaded.rule_set.name,))
        return self._known[path]

    def beside(self, books: Sequence[RuleBook]) -> RuleBook:
        """Books side by side, the strongest last."""
        result = RuleBook()
        for book in books:
            result = self._meet(result, book)
        return result

    def _overridden(self, inherited: RuleBook, own: RuleBook, rule_set: RuleSet) -> RuleBook:
        """What is inherited without the limits that an ``override`` of the set replaces."""
        limits, made = dict(inherited.limits), list(inherited.overrides)
        for key, limit in own.limits.items():
            if limit.override is None:
                continue
            replaced = limits.pop(key, None)
            if replaced is None:
                summary = f"{shown(limit.name)} overrides nothing: no set that {rule_set.name} extends limits it"
                hint = "take out override: true; sets bound side by side cannot be overridden"
                self._report(Diagnostic("CAMP313", summary, limit.override.span, hint))
            else:
                made.append(Override(key, limit.override, replaced.origins))
        return replace(inherited, limits=limits, overrides=tuple(made))

    def _meet(self, left: RuleBook, right: RuleBook) -> RuleBook:
        """Both at once; what is keyed is the right one's."""
        return RuleBook(
            names=tuple(dict.fromkeys((*left.names, *right.names))),
            limits=self._limits(left.limits, right.limits),
            unbounded=left.unbounded or right.unbounded,
            slas=_shorter(left.slas, right.slas),
            guards=_both(left.guards, right.guards),
            requires=_both(left.requires, right.requires),
            triage={**left.triage, **right.triage},
            quarantine={**left.quarantine, **right.quarantine},
            merges=_both(left.merges, right.merges),
            splits=_both(left.splits, right.splits),
            skips=_both(left.skips, right.skips),
            orphans=right.orphans or left.orphans,
            overrides=_both(left.overrides, right.overrides),
            match=_both(left.match, right.match),
        )

    def _limits(self, left: Mapping[str, Limit], right: Mapping[str, Limit]) -> dict[str, Limit]:
        result = dict(left)
        for key, limit in right.items():
            result[key] = self._intersect(result[key], limit) if key in result else limit
        return result

    def _intersect(self, left: Limit, right: Limit) -> Limit:
        kinds = {dimension(b.value) for each in (left, right) for b in (each.low, each.high) if b is not None}
        if len(kinds) > 1:
            self._contradict(f"is limited as a {' here and as a '.join(sorted(kinds))}", left, right)
            return left
        met = Limit(
            key=left.key,
            name=left.name,
            low=_tighter(left.low, right.low, lowest=False),
            high=_tighter(left.high, right.high, lowest=True),
            allowed=_common(left.allowed, right.allowed),
            override=left.override or right.override,
        )
        empty = leaves_no_value(met)
        if empty is not None:
            self._contradict(empty, left, right)
        return met

    def _contradict(self, what: str, left: Limit, right: Limit) -> None:
        """Both sources are named: neither alone is wrong."""
        first, second = left.origins[0], next((o for o in right.origins if o not in left.origins), right.origins[0])
        summary = f"{shown(right.name)} {what}: {first.rule_set} and {second.rule_set} cannot both hold"
        related = (Related(first.span, f"limited by {first.rule_set} here"),)
        self._report(Diagnostic("CAMP312", summary, second.span, None, related))


def _own(rule_set: RuleSet) -> RuleBook:
    return RuleBook(
        names=(rule_set.name,),
        limits=rule_set.limits,
        unbounded=rule_set.unbounded,
        slas=rule_set.slas,
        guards=rule_set.guards,
        requires=rule_set.requires,
        triage={canonical(each.id): each for each in rule_set.triage},
        quarantine={each.fingerprint: each for each in rule_set.quarantine},
        merges=rule_set.merges,
        splits=rule_set.splits,
        skips=rule_set.skips,
        orphans=rule_set.orphans,
        match=((rule_set.name, rule_set.match),) if rule_set.match else (),
    )


def _both(left: tuple[_Rule, ...], right: tuple[_Rule, ...]) -> tuple[_Rule, ...]:
    """All of both, each once: what two sets inherit from one is one rule."""
    found: list[_Rule] = []
    for each in (*left, *right):
        if each not in found:
            found.append(each)
    return tuple(found)


def _shorter(left: Mapping[str, Sla], right: Mapping[str, Sla]) -> dict[str, Sla]:
    """The times of both, of two for one fault the shorter; of equal ones the left one."""
    found = dict(left)
    for key, sla in right.items():
        if key not in found or sla.within.value < found[key].within.value:
            found[key] = sla
    return found


def _tighter(left: Bound | None, right: Bound | None, *, lowest: bool) -> Bound | None:
    """The end that leaves less; of equal ones the left one."""
    if left is None or right is None:
        return left or right
    stricter = right.value < left.value if lowest else right.value > left.value
    return right if stricter else left


def _common(left: Choice | None, right: Choice | None) -> Choice | None:
    if left is None or right is None:
        return left or right
    values = tuple(value for value in left.values if any(same(value, other) for other in right.values))
    return Choice(values, tuple(dict.fromkeys((*left.origins, *right.origins))))
