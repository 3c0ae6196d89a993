"""One instance with every clause that holds for it, merged by the rules of «once» and «adds».

Layers stand weakest first: campaign, groups from outer to inner, instance, tier, ``in TIER`` of the groups and then of
the instance, ``--set``.  A provider's own block is not a layer: it stays with its item and is read there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.names import shown, with_article
from campaign.language.syntax import (
    Block,
    Choice,
    Clause,
    Combine,
    Exclude,
    Expect,
    Group,
    Hole,
    In,
    Instance,
    Item,
    ItemKind,
    Options,
    PassEnv,
    Plain,
    Quantities,
    Setting,
    Sweep,
    Word,
    Words,
)
from campaign.plugins.names import canonical

LayerKind: TypeAlias = Literal["campaign", "group", "instance", "tier", "in", "set"]
Report: TypeAlias = Callable[[Diagnostic], None]

#: Items whose labels must differ from one another: both are processes, both are asked by ``oracle.LABEL``.
_NAMESPACE: dict[str, str] = {"run": "process", "serve": "process", "oracle": "oracle", "watch": "oracle"}


class Layer(Struct, frozen=True):
    """The clauses of one block; ``own`` is false for what an instance inherits."""

    kind: LayerKind
    clauses: tuple[Clause, ...]
    own: bool = False


class Scope(Struct, frozen=True):
    """An instance at its place: its full label and the groups round it, outer first.

    Of a group only the clauses are there, not what else stands in it, which may be thousands of instances.
    """

    label: tuple[str | Hole, ...]
    groups: tuple[Group, ...]
    instance: Instance

    @property
    def text(self) -> str:
        """The full label as written."""
        return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in self.label)


class Definition(Struct, frozen=True):
    """A value of a name, written in one layer: a setting, or an axis (``setting`` None)."""

    name: str
    layer: int
    span: Span
    setting: Setting | None = None
    sweep: Sweep | None = None
    override: bool = False


class AxisDraft(Struct, frozen=True):
    """An axis before its values are known: one sweep, or several tied by ``combine zip``."""

    names: tuple[str, ...]
    parts: tuple[Sweep, ...]
    layer: int

    @property
    def keys(self) -> frozenset[str]:
        """Its names, canonical."""
        return frozenset(canonical(name) for name in self.names)


class Condition(Struct, frozen=True):
    """An item that is there only where its axis has this value."""

    axis: str
    value: str


class Placed(Struct, frozen=True):
    """An item of the run with its final label; ``condition`` where it is one value of an axis."""

    kind: ItemKind
    label: str
    provider: Word
    body: tuple[Clause, ...]
    span: Span
    layer: int
    condition: Condition | None = None


class Merged(Struct):
    """Everything that holds for one instance in one tier.

    ``definitions`` and ``qualified`` list the values of each name (canonical; qualified by ``provider.parameter``),
    weakest first; ``expects`` and ``excludes`` say whether they are inherited.  ``once`` has the innermost clause by
    keyword, ``options`` and ``counts`` by keyword and name.  It is not ``whole`` where something was left out because
    it cannot stand beside the rest.
    """

    scope: Scope
    tier: str | None
    layers: tuple[Layer, ...]
    definitions: dict[str, list[Definition]]
    qualified: dict[str, list[Definition]]
    axes: list[AxisDraft]
    items: list[Placed]
    expects: list[tuple[Expect, bool]]
    excludes: list[tuple[Exclude, bool]]
    tags: list[Word]
    pass_env: list[tuple[Word, bool]]
    once: dict[str, Plain | Words | Combine | Options]
    options: dict[str, dict[str, Setting]]
    counts: dict[str, dict[str, Setting]]
    whole: bool = True


def layers_of(
    scope: Scope, campaign: Block | None, tier: Block | None, overrides: tuple[Setting, ...] = ()
) -> tuple[Layer, ...]:
    """The layers of an instance, weakest first."""
    layers = [Layer("campaign", campaign.body if campaign else (), False)]
    bodies = [*(group.body for group in scope.groups), scope.instance.body]
    for index, body in enumerate(bodies):
        own = index == len(bodies) - 1
        clauses = tuple(each for each in body if not isinstance(each, Group | Instance | In))
        layers.append(Layer("instance" if own else "group", clauses, own))
    if tier is not None:
        layers.append(Layer("tier", tier.body))
        for index, body in enumerate(bodies):
            layers += [
                Layer("in", each.body, index == len(bodies) - 1)
                for each in body
                if isinstance(each, In) and each.tier.text == tier.name.text
            ]
    if overrides:
        layers.append(Layer("set", overrides, True))
    return tuple(layers)


def merge(
    scope: Scope, campaign: Block | None, tier: Block | None, overrides: tuple[Setting, ...], report: Report
) -> Merged:
    """Merge all layers of an instance; reports what cannot stand together."""
    layers = layers_of(scope, campaign, tier, overrides)
    merger = _Merger(scope, tier, layers, report)
    for index, layer in enumerate(layers):
        merger.layer(index, layer)
    return merger.merged


class _Merger:
    def __init__(self, scope: Scope, tier: Block | None, layers: tuple[Layer, ...], report: Report) -> None:
        name = tier.name.text if tier else None
        self.merged = Merged(scope, name, layers, {}, {}, [], [], [], [], [], [], {}, {}, {})
        self.report = report

    def layer(self, index: int, layer: Layer) -> None:
        for clause in layer.clauses:
            self._clause(clause, index, layer)
        self._axes(layer, index)

    def _clause(self, clause: Clause, index: int, layer: Layer) -> None:
        merged = self.merged
        if isinstance(clause, Setting):
            self._define(clause, index, layer.kind == "set")
        elif isinstance(clause, Item):
            label = clause.label.text if clause.label else clause.provider.text
            self._place([Placed(clause.kind, label, clause.provider, clause.body, clause.span, index)])
        elif isinstance(clause, Sweep) and clause.kind is not None:
            self._place(_choices(clause, index), clause.names[0].text)
        elif isinstance(clause, Expect):
            merged.expects.append((clause, not layer.own))
        elif isinstance(clause, Exclude):
            merged.excludes.append((clause, not layer.own))
        elif isinstance(clause, PassEnv):
            merged.pass_env += clause.names
        elif isinstance(clause, Words) and clause.keyword == "tags":
            merged.tags += clause.words
        else:
            self._once(clause)

    def _once(self, clause: Clause) -> None:
        merged = self.merged
        if isinstance(clause, Options):
            if clause.keyword == "schedule":
                merged.once["schedule"] = clause
            named = merged.options.setdefault(clause.keyword, {})
            named.update({canonical(each.name.text): each for each in clause.body if isinstance(each, Setting)})
        elif isinstance(clause, Quantities):
            counts = merged.counts.setdefault(clause.keyword, {})
            counts.update({each.name.text: each for each in clause.counts})
        elif isinstance(clause, Combine):
            if clause.how != "zip":
                merged.once["combine"] = clause
        elif isinstance(clause, Plain | Words):
            merged.once[clause.keyword] = clause

    def _define(self, clause: Setting, index: int, override: bool) -> None:
        name = clause.name.text
        kept = self.merged.qualified if "." in name else self.merged.definitions
        provider, dot, parameter = name.rpartition(".")
        definition = Definition(name, index, clause.name.span, clause, None, override)
        kept.setdefault(f"{provider}{dot}{canonical(parameter)}", []).append(definition)

    # --- axes

    def _axes(self, layer: Layer, index: int) -> None:
        sweeps = [clause for clause in layer.clauses if isinstance(clause, Sweep)]
        if not sweeps:
            return
        zipped = any(isinstance(clause, Combine) and clause.how == "zip" for clause in layer.clauses)
        ties = [tuple(sweeps)] if zipped else [(sweep,) for sweep in sweeps]
        for parts in ties:
            names = tuple(word.text for sweep in parts for word in sweep.names)
            self._axis(AxisDraft(names, parts, index))
        for sweep in sweeps:
            for word in sweep.names:
                definition = Definition(word.text, index, word.span, None, sweep)
                self.merged.definitions.setdefault(canonical(word.text), []).append(definition)

    def _axis(self, draft: AxisDraft) -> None:
        axes = self.merged.axes
        replaced = [position for position, other in enumerate(axes) if other.keys & draft.keys]
        for position in replaced:
            lost = axes[position].keys - draft.keys
            if lost and axes[position].layer != draft.layer:
                self._partly(axes[position], draft)
        if not replaced:
            axes.append(draft)
            return
        for position in replaced[1:][::-1]:
            del axes[position]
        self._forget_choices(axes[replaced[0]], draft)
        axes[replaced[0]] = draft

    def _partly(self, outer: AxisDraft, inner: AxisDraft) -> None:
        names = ", ".join(outer.names)
        summary = f"this replaces only a part of the joint axis ({shown(names)})"
        related = (Related(outer.parts[0].span, "tied together here"),)
        self.merged.whole = False
        self.report(Diagnostic("CAMP151", summary, inner.parts[0].span, "sweep all of its names, or none", related))

    def _forget_choices(self, outer: AxisDraft, inner: AxisDraft) -> None:
        """The providers of an axis that was replaced go with it; those of the inner one are placed already."""
        gone = {canonical(part.names[0].text) for part in outer.parts if part.kind is not None}
        self.merged.items = [
            item
            for item in self.merged.items
            if item.condition is None or item.layer >= inner.layer or canonical(item.condition.axis) not in gone
        ]

    # --- items

    def _place(self, placed: list[Placed], axis: str | None = None) -> None:
        """Add items; one of a label that is there already takes its place, the values of an axis likewise."""
        items = self.merged.items
        if axis is not None:
            key = canonical(axis)
            old = [i for i, item in enumerate(items) if item.condition and canonical(item.condition.axis) == key]
            if old:
                items[old[0] : old[0]] = placed
                self.merged.items = [item for item in items if item in placed or not _of_axis(item, key)]
                return
        for item in placed:
            position = next((i for i, other in enumerate(items) if _same_label(other, item)), None)
            if position is None:
                items.append(item)
            else:
                self._replace(items, position, item)

    def _replace(self, items: list[Placed], position: int, item: Placed) -> None:
        other = items[position]
        if other.layer == item.layer or other.kind != item.kind:
            self.merged.whole = False
            where = "here first" if other.layer == item.layer else f"{with_article(other.kind)} outside"
            summary = f"the label {shown(item.label)} is taken"
            hint = f"give it a label of its own: {item.kind} other: {item.provider.text}"
            self.report(Diagnostic("CAMP103", summary, item.span, hint, (Related(other.span, where),)))
            return
        items[position] = item


def _of_axis(item: Placed, key: str) -> bool:
    return item.condition is not None and canonical(item.condition.axis) == key


def _same_label(one: Placed, other: Placed) -> bool:
    return one.label == other.label and _namespace(one.kind) == _namespace(other.kind)


def _namespace(kind: str) -> str:
    return _NAMESPACE.get(kind, kind)


def _choices(sweep: Sweep, layer: int) -> list[Placed]:
    axis = sweep.names[0].text
    return [_choice(choice, sweep, axis, layer) for choice in sweep.choices if choice.provider is not None]


def _choice(choice: Choice, sweep: Sweep, axis: str, layer: int) -> Placed:
    assert choice.provider is not None
    assert sweep.kind is not None
    label = choice.label.text
    return Placed(sweep.kind, label, choice.provider, choice.body, choice.span, layer, Condition(axis, label))


def scopes(declarations: Iterable[object]) -> list[Scope]:
    """Every instance of a spec at its place, in order of writing; needs no stack of the groups' depth."""
    found: list[Scope] = []
    waiting: list[tuple[object, tuple[Group, ...]]] = []
    waiting += [(each, ()) for each in declarations][::-1]
    while waiting:
        declaration, groups = waiting.pop()
        if isinstance(declaration, Instance):
            found.append(Scope(_label(groups, declaration), groups, declaration))
        elif isinstance(declaration, Group):
            clauses = tuple(each for each in declaration.body if not isinstance(each, Group | Instance))
            inside = (*groups, replace(declaration, body=clauses))
            waiting += [(each, inside) for each in declaration.body if isinstance(each, Group | Instance)][::-1]
    return found


def _label(groups: tuple[Group, ...], instance: Instance) -> tuple[str | Hole, ...]:
    parts: list[str | Hole] = []
    for group in groups:
        parts += [*group.label.parts, "."]
    return (*parts, *instance.label.parts)
