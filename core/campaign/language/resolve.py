"""Everything that can be known of a spec without running it: names, types, units, limits, for no tier and every tier.

``check`` reads, resolves and judges a whole spec and reports every mistake once, at its place.  ``Checked`` is what is
left when all is well, and what plans are compiled from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Severity, Span
from campaign.language.clauses import check_body, check_names, distinct_blocks
from campaign.language.files import Reader, Spec, load
from campaign.language.instances import understand
from campaign.language.limits import check_limits
from campaign.language.names import Spelling, meant, shown
from campaign.language.policies import check_policies
from campaign.language.providers import Facts, ProviderLookup, Providers
from campaign.language.reports import Report, check_reports
from campaign.language.scopes import Scope, merge, scopes
from campaign.language.selection import holds_in, matches_label
from campaign.language.syntax import (
    Block,
    Clause,
    Declaration,
    Group,
    In,
    Instance,
    Item,
    Rules,
    Setting,
    Sweep,
    Use,
    Words,
)
from campaign.language.tools import declare
from campaign.language.uses import Uses
from campaign.language.whole import understand_whole

__all__ = ["Checked", "Reader", "check"]


_Holder: TypeAlias = Block | Group | Instance | In


class Checked(Struct, frozen=True, kw_only=True):
    """A spec that was read and understood.

    ``files`` are the bytes of every file by path, for the snapshot; ``uses`` the plugins it names; ``axes`` and
    ``choices`` the names and the providers' labels of all sweeps.  ``sound`` is false
    where an error was found: then nothing may be planned from it.
    """

    path: str
    files: dict[str, bytes]
    uses: tuple[str, ...]
    rules: tuple[Rules, ...]
    campaign: Block | None
    tiers: dict[str, Block]
    tools: dict[str, Facts]
    reports: tuple[Report, ...]
    instances: tuple[Scope, ...]
    axes: frozenset[str]
    choices: frozenset[str]
    sound: bool

    @property
    def name(self) -> str:
        """The campaign's name, empty for a fragment."""
        return self.campaign.name.text if self.campaign else ""

    def providers(self, find: ProviderLookup, lost: bool = False) -> Providers:
        """The providers that this spec can name; ``lost``: it might have declared others."""
        return Providers(self.tools, find, self.axes, self.choices, lost)

    def holding(self, tier: str | None) -> list[Scope]:
        """The instances that the tier holds (None: no tier)."""
        block = None if tier is None else self.tiers[tier]
        return [scope for scope in self.instances if holds_in(scope, block)]


def check(path: str, read: Reader, find: ProviderLookup) -> tuple[Checked | None, list[Diagnostic]]:
    """Check the spec at ``path``; the diagnostics are sorted by place, each there once.

    A file without ``campaign`` is a fragment that others include: it is checked as far as it goes, and only what runs
    it asks for a campaign.  None where not even the file could be read.
    """
    spec, found = load(path, read)
    if spec.path not in spec.files:
        return None, found
    checker = _Checker(spec, find, found)
    checked = checker.checked()
    return checked, _sorted(checker.found, spec.path)


def _sorted(found: Iterable[Diagnostic], first: str) -> list[Diagnostic]:
    unique = {(each.code, each.span, each.summary): each for each in reversed(list(found))}
    return sorted(unique.values(), key=lambda each: _place(each.span, first))


def _place(span: Span | None, first: str) -> tuple[bool, bool, str, int, int]:
    if span is None:
        return (False, False, "", 0, 0)
    return (True, span.file != first, span.file, span.line, span.column)


class _Checker:
    def __init__(self, spec: Spec, find: ProviderLookup, found: list[Diagnostic]) -> None:
        self.spec = spec
        self.find = find
        self.found = found

    def report(self, diagnostic: Diagnostic) -> None:
        self.found.append(diagnostic)

    def checked(self) -> Checked:
        declarations = self.spec.declarations
        blocks = [each for each in declarations if isinstance(each, Block)]
        campaign = self._campaign([block for block in blocks if block.keyword == "campaign"])
        tiers = distinct_blocks((block for block in blocks if block.keyword == "tier"), self.report)
        tools = distinct_blocks((block for block in blocks if block.keyword == "tool"), self.report)
        uses = self._uses([each for each in declarations if isinstance(each, Use)])
        self._blocks(declarations, campaign, tiers)
        checked = Checked(
            path=self.spec.path,
            files=self.spec.files,
            uses=uses,
            rules=tuple(each for each in declarations if isinstance(each, Rules)),
            campaign=campaign,
            tiers=tiers,
            tools={name: declare(block, self.report, self._is_damaged(block)) for name, block in tools.items()},
            reports=check_reports((b for b in blocks if b.keyword == "report"), self.find, self.report),
            instances=tuple(scopes(declarations)),
            axes=frozenset(name.text for sweep in _sweeps(declarations) for name in sweep.names),
            choices=frozenset(choice.label.text for sweep in _sweeps(declarations) for choice in sweep.choices),
            sound=True,
        )
        self._spelling(checked, declarations)
        self._instances(checked)
        errors = any(each.severity is Severity.ERROR for each in self.found)
        return checked if not errors else _unsound(checked)

    def _campaign(self, blocks: Sequence[Block]) -> Block | None:
        for block in blocks[1:]:
            summary = "a spec has one campaign, this is another one"
            self.report(Diagnostic("CAMP133", summary, block.name.span, None))
        return blocks[0] if blocks else None

    def _uses(self, uses: Sequence[Use]) -> tuple[str, ...]:
        words = {word.text: word for use in uses for word in use.names}
        for word in words.values():
            for each in self.find.use([word.text]):
                self.report(Diagnostic(each.code, each.summary, word.span, each.hint, (), each.severity, each.status))
        return tuple(words)

    # --- blocks, each by itself

    def _blocks(self, declarations: Sequence[Declaration], campaign: Block | None, tiers: dict[str, Block]) -> None:
        if campaign is not None:
            self._block("C", campaign, tiers)
        for tier in tiers.values():
            self._block("T", tier, tiers)
        for holder in _holders(declarations):
            self._block("G" if isinstance(holder, Group) else "I", holder, tiers)

    def _block(self, place: str, block: Block | Group | Instance, tiers: dict[str, Block]) -> None:
        check_body(place, block.body, None if self.spec.lost else tiers, self.report)
        check_names(block.body, self.report)

    def _is_damaged(self, *blocks: _Holder) -> bool:
        """Whether one of these blocks lost a clause to a syntax error."""
        return any(block.span in self.spec.damaged for block in blocks)

    def _spelling(self, checked: Checked, declarations: Sequence[Declaration]) -> None:
        """One spelling for each name: parameters of the spec's tools first, then settings and axes in order."""
        spelling = Spelling()
        words = [(each.name, each.span) for facts in checked.tools.values() for each in facts.parameters.values()]
        bodies = _bodies(declarations)
        for body in (*bodies, *_blocks_in(bodies)):
            for clause in body:
                if isinstance(clause, Setting):
                    words.append((clause.name.text.rpartition(".")[2], clause.name.span))
                elif isinstance(clause, Sweep):
                    words += [(word.text, word.span) for word in clause.names]
        for name, span in words:
            wrong = spelling.check(name, span)
            if wrong is not None:
                self.report(wrong)

    # --- instances, in every tier that holds them

    def _instances(self, checked: Checked) -> None:
        providers = checked.providers(self.find, self.spec.lost)
        uses = Uses()
        for tier in (None, *checked.tiers.values()):
            understand_whole(checked.campaign, tier, self.report)
        for scope in checked.instances:
            for tier in _tiers_of(scope, checked):
                merged = merge(scope, checked.campaign, tier, (), self.report)
                merged.whole = merged.whole and not self._is_damaged(*_blocks_round(scope, checked.campaign, tier))
                case = understand(merged, providers, self.report)
                check_policies(case)
                uses.count(case)
                if merged.whole:
                    check_limits(case, providers)
        if not self.spec.lost:
            self._only(checked)
        if checked.instances:
            uses.report(self.report, self.spec.complete)

    def _only(self, checked: Checked) -> None:
        for tier in checked.tiers.values():
            for clause in tier.body:
                if not isinstance(clause, Words) or clause.keyword != "only":
                    continue
                for word in clause.words:
                    if not any(matches_label(scope.label, word.text) for scope in checked.instances):
                        labels = [scope.text for scope in checked.instances]
                        groups = {label[:index] for label in labels for index, c in enumerate(label) if c == "."}
                        hint = meant(word.text, [*labels, *groups])
                        summary = f"no group or instance is called {shown(word.text)}"
                        self.report(Diagnostic("CAMP146", summary, word.span, hint))


def _tiers_of(scope: Scope, checked: Checked) -> list[Block | None]:
    """No tier and every tier that holds this instance; at least one, so that everything is checked once."""
    choices: list[Block | None] = [None, *checked.tiers.values()]
    return [tier for tier in choices if holds_in(scope, tier)] or [None]


def _blocks_round(scope: Scope, campaign: Block | None, tier: Block | None) -> list[_Holder]:
    """Every block whose clauses reach an instance."""
    holders: list[Group | Instance] = [*scope.groups, scope.instance]
    found: list[_Holder] = [*holders, *(each for each in (campaign, tier) if each is not None)]
    return found + [clause for each in holders for clause in each.body if isinstance(clause, In)]


def _unsound(checked: Checked) -> Checked:
    return Checked(
        **{name: getattr(checked, name) for name in checked.__struct_fields__ if name != "sound"}, sound=False
    )


def _holders(declarations: Iterable[object]) -> list[Group | Instance]:
    """Every group and instance; needs no stack of the groups' depth."""
    found: list[Group | Instance] = []
    waiting = [each for each in declarations if isinstance(each, Group | Instance)][::-1]
    while waiting:
        holder = waiting.pop()
        found.append(holder)
        if isinstance(holder, Group):
            waiting += [each for each in holder.body if isinstance(each, Group | Instance)][::-1]
    return found


def _bodies(declarations: Sequence[Declaration]) -> list[tuple[Clause | Group | Instance, ...]]:
    bodies: list[tuple[Clause | Group | Instance, ...]] = [
        each.body for each in declarations if isinstance(each, Block) and each.keyword in ("campaign", "tier")
    ]
    bodies += [holder.body for holder in _holders(declarations)]
    return bodies + [clause.body for body in bodies for clause in body if isinstance(clause, In)]


def _blocks_in(bodies: Iterable[tuple[Clause | Group | Instance, ...]]) -> Iterable[tuple[Clause, ...]]:
    """The blocks of providers in these bodies: of items, and of the values of provider axes."""
    for body in bodies:
        for clause in body:
            if isinstance(clause, Item):
                yield clause.body
            elif isinstance(clause, Sweep):
                yield from (choice.body for choice in clause.choices)


def _sweeps(declarations: Sequence[Declaration]) -> list[Sweep]:
    return [clause for body in _bodies(declarations) for clause in body if isinstance(clause, Sweep)]
