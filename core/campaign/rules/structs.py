"""What rule sets are made of, as data: one file (``RuleSet``), and what several come to (``RuleBook``).

Light enough for a supervisor: nothing here reads files, YAML or expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from msgspec import Struct

from campaign.diagnostics import Span
from campaign.units import Quantity, Value

#: What a limit's ends can be.
Number: TypeAlias = "Quantity | int | Fraction"
#: Where the key of a limit begins with this, it binds by type.
TYPE = "type."
#: Dimensions in which a wrong value can destroy something: ``unbounded: deny`` is about these.
PHYSICAL = frozenset(("voltage", "current", "power", "frequency", "temperature"))


class Origin(Struct, frozen=True):
    """Where a rule comes from: the rule set's name, the place in its file, and why, where it says so."""

    rule_set: str
    span: Span
    why: str | None = None

    def __str__(self) -> str:
        return f"{self.rule_set} ({self.span})" + (f": {self.why}" if self.why else "")


class Bound(Struct, frozen=True):
    """One end of a limit."""

    value: Number
    origin: Origin


class Choice(Struct, frozen=True):
    """The values that a limit's ``in`` allows, and every place that narrowed them."""

    values: tuple[Value, ...]
    origins: tuple[Origin, ...]


class Override(Struct, frozen=True):
    """A limit that replaced what its own set extends: who says so and why, and what was replaced."""

    key: str
    origin: Origin
    replaced: tuple[Origin, ...]


class Limit(Struct, frozen=True, kw_only=True):
    """What binds the values of one key: a parameter's name, ``provider.name``, or ``type.…``; keys are canonical.

    ``name`` is the key as it was first written.
    """

    key: str
    name: str
    low: Bound | None = None
    high: Bound | None = None
    allowed: Choice | None = None
    override: Origin | None = None

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Every place that it comes from, each once."""
        ends = tuple(bound.origin for bound in (self.low, self.high) if bound is not None)
        return tuple(dict.fromkeys((*ends, *(self.allowed.origins if self.allowed else ()))))


class Match(Struct, frozen=True):
    """A safety matcher that must hold, and what it is asked."""

    matcher: str
    wanted: Any
    origin: Origin


class Sla(Struct, frozen=True):
    """Within what time a fault has to be recovered from; ``name`` is its model or its label, as it was written."""

    name: str
    within: Quantity
    origin: Origin


class Guard(Struct, frozen=True, kw_only=True):
    """An oracle watched while a run lasts; ``settings`` are the oracle's, by name, as YAML gives them."""

    oracle: str
    every: Quantity
    settings: Mapping[str, Any]
    origin: Origin


class Require(Struct, frozen=True, kw_only=True):
    """An oracle that instances with all of these tags must have."""

    tags: tuple[str, ...]
    oracle: str
    origin: Origin


class Triage(Struct, frozen=True, kw_only=True):
    """What a known kind of failure means.  ``when`` is a condition as text, ``tree`` the same parsed.

    ``suspicious``: it is asked of runs that passed too, and doubts the trial rather than explaining a failure.
    """

    id: str
    when: str
    tree: Any
    cause: str | None = None
    fix: str | None = None
    where: tuple[str, ...] = ()
    suspicious: bool = False
    origin: Origin


class Quarantine(Struct, frozen=True, kw_only=True):
    """A failure that does not count until a date (``2027-01-31``, that day still in).

    ``runs`` that do not fail so are enough to say that it is gone; None: as many as the rate at which it came asks for.
    """

    fingerprint: str
    issue: str
    until: str
    owner: str | None = None
    runs: int | None = None
    origin: Origin


class Merge(Struct, frozen=True, kw_only=True):
    """Failures that are one whatever their fingerprints: they all get the first one's."""

    same: tuple[str, ...]
    origin: Origin


class Split(Struct, frozen=True, kw_only=True):
    """A failure that is several: one for each value of ``by``, a setting or axis, ``instance`` or ``cell``."""

    fingerprint: str
    by: str
    origin: Origin


class Skip(Struct, frozen=True, kw_only=True):
    """Cells, instances or tags that are not run; ``*`` in a pattern stands for any characters."""

    cell: str | None = None
    instance: str | None = None
    tags: tuple[str, ...] = ()
    issue: str | None = None
    origin: Origin


class Orphans(Struct, frozen=True):
    """What becomes of runs whose runner died."""

    word: str
    origin: Origin


class Example(Struct, frozen=True, kw_only=True):
    """Something that a rule set must say of itself: ``given`` must, or must not (``wanted``), be taken."""

    kind: str
    given: Any
    wanted: bool
    origin: Origin


class Extended(Struct, frozen=True):
    """A name or path in ``extends``, and where it stands."""

    word: str
    span: Span


class RuleSet(Struct, frozen=True, kw_only=True):
    """One file.  ``span`` is the place of its name."""

    name: str
    path: str
    span: Span
    about: str | None = None
    extends: tuple[Extended, ...] = ()
    priority: int = 0
    match: tuple[Match, ...] = ()
    limits: Mapping[str, Limit] = {}
    unbounded: Origin | None = None
    slas: Mapping[str, Sla] = {}
    guards: tuple[Guard, ...] = ()
    requires: tuple[Require, ...] = ()
    triage: tuple[Triage, ...] = ()
    quarantine: tuple[Quarantine, ...] = ()
    merges: tuple[Merge, ...] = ()
    splits: tuple[Split, ...] = ()
    skips: tuple[Skip, ...] = ()
    orphans: Orphans | None = None
    examples: tuple[Example, ...] = ()


class RuleBook(Struct, frozen=True, kw_only=True):
    """What several rule sets come to: every effective rule with where it comes from.

    ``names`` are the sets that were bound, in the order in which they stand (rising priority).
    """

    names: tuple[str, ...] = ()
    limits: Mapping[str, Limit] = {}
    unbounded: Origin | None = None
    slas: Mapping[str, Sla] = {}
    guards: tuple[Guard, ...] = ()
    requires: tuple[Require, ...] = ()
    triage: Mapping[str, Triage] = {}
    quarantine: Mapping[str, Quarantine] = {}
    merges: tuple[Merge, ...] = ()
    splits: tuple[Split, ...] = ()
    skips: tuple[Skip, ...] = ()
    orphans: Orphans | None = None
    overrides: tuple[Override, ...] = ()
    match: tuple[tuple[str, tuple[Match, ...]], ...] = ()
