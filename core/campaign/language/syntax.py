"""The tree of a spec: what was written, where, and nothing of what it means.

Frozen records; ``span`` is the place of the node.  Expressions also travel as JSON (an order carries its
expectations), so each has a tag, and ``span`` may be left out there.  The parser builds the tree, ``resolve`` gives
it meaning, ``format`` writes it again.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from campaign.diagnostics import Span

# --- expressions ------------------------------------------------------------------------------------------------


class Integer(Struct, frozen=True, tag="int", omit_defaults=True):
    """``10_000``."""

    value: int
    span: Span | None = None


class Decimal(Struct, frozen=True, tag="decimal", omit_defaults=True):
    """``0.95``: the digits as written, read exactly by ``units.parse_number``."""

    text: str
    span: Span | None = None


class QuantityLiteral(Struct, frozen=True, tag="quantity", omit_defaults=True):
    """``850mV``, ``1h30m``, ``90%``: as written, read exactly by ``units.parse_quantity``."""

    text: str
    span: Span | None = None


class Boolean(Struct, frozen=True, tag="bool", omit_defaults=True):
    """``true`` or ``false``."""

    value: bool
    span: Span | None = None


class Hole(Struct, frozen=True, tag="hole", omit_defaults=True):
    """``{name}`` or ``{duration:ms}`` in a string or a label; ``name`` may be dotted."""

    name: str
    unit: str | None = None
    span: Span | None = None


class Text(Struct, frozen=True, tag="text", omit_defaults=True):
    """A string: pieces of plain text (escapes resolved) and holes, in order."""

    parts: tuple[str | Hole, ...]
    span: Span | None = None

    @property
    def plain(self) -> str | None:
        """The text where it has no holes, else None."""
        return "".join(str(part) for part in self.parts) if all(isinstance(p, str) for p in self.parts) else None


class Regex(Struct, frozen=True, tag="regex", omit_defaults=True):
    """``/…/``: the pattern with ``\\/`` resolved to ``/``; linear-time syntax (RE2)."""

    pattern: str
    span: Span | None = None


class Name(Struct, frozen=True, tag="name", omit_defaults=True):
    """A name, dotted or not: ``threads``, ``exit.code``, ``step.write[1].exit.ok`` (an index stays in its part)."""

    parts: tuple[str, ...]
    span: Span | None = None

    @property
    def text(self) -> str:
        """The name as written."""
        return ".".join(self.parts)


class ListOf(Struct, frozen=True, tag="list", omit_defaults=True):
    """``[a, b]``."""

    items: tuple[Expr, ...]
    span: Span | None = None


class TupleOf(Struct, frozen=True, tag="tuple", omit_defaults=True):
    """``(a, b)``: a point of a joint axis."""

    items: tuple[Expr, ...]
    span: Span | None = None


class Range(Struct, frozen=True, tag="range", omit_defaults=True):
    """``a..b``, ``a..``, ``a..b step c``: inclusive."""

    first: Expr
    last: Expr | None = None
    step: Expr | None = None
    span: Span | None = None


UnaryOperator: TypeAlias = Literal["not", "-"]
BinaryOperator: TypeAlias = Literal[
    "or", "and", "==", "!=", "<", "<=", ">", ">=", "in", "contains", "matches", "+", "-", "*", "/"
]


class Unary(Struct, frozen=True, tag="unary", omit_defaults=True):
    """``not a`` or ``-a``."""

    operator: UnaryOperator
    operand: Expr
    span: Span | None = None


class Binary(Struct, frozen=True, tag="binary", omit_defaults=True):
    """``a and b``, ``a <= b``, ``output matches /x/``."""

    operator: BinaryOperator
    left: Expr
    right: Expr
    span: Span | None = None


class Call(Struct, frozen=True, tag="call", omit_defaults=True):
    """``len(x)``, ``min(a, b)``."""

    function: str
    arguments: tuple[Expr, ...]
    span: Span | None = None


Expr: TypeAlias = (
    Integer
    | Decimal
    | QuantityLiteral
    | Boolean
    | Text
    | Regex
    | Name
    | ListOf
    | TupleOf
    | Range
    | Unary
    | Binary
    | Call
)

# --- small parts ------------------------------------------------------------------------------------------------


class Word(Struct, frozen=True):
    """A bare name at its place: a tag, a tier, a plugin, a dotted provider name."""

    text: str
    span: Span


class LabelText(Struct, frozen=True):
    """The label of a group or an instance: text and ``{axis}`` holes, as in a string; dots part its segments."""

    parts: tuple[str | Hole, ...]
    span: Span

    @property
    def text(self) -> str:
        """The label as written."""
        return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in self.parts)


# --- clauses ----------------------------------------------------------------------------------------------------


class Setting(Struct, frozen=True):
    """``name = value``; the name may be qualified by a provider: ``memtester.size``."""

    name: Word
    value: Expr
    span: Span


class Choice(Struct, frozen=True):
    """One value of a provider axis: ``kill: process.kill { at = 1s }``; ``provider`` None is ``none``."""

    label: Word
    provider: Word | None
    body: tuple[Clause, ...]
    span: Span


class Sweep(Struct, frozen=True):
    """``sweep x = …``, ``sweep (v, f) = […]`` (several names), ``sweep chaos = fault { … }`` (``kind`` and choices)."""

    names: tuple[Word, ...]
    values: Expr | None
    span: Span
    jitter: Expr | None = None
    kind: Literal["fault", "run", "hold"] | None = None
    choices: tuple[Choice, ...] = ()
    joint: bool = False


ItemKind: TypeAlias = Literal["serve", "run", "hold", "fault", "watch", "oracle"]


class Item(Struct, frozen=True):
    """``run label: tool { … }`` and its like; ``body`` holds settings, sweeps and a timeout."""

    kind: ItemKind
    label: LabelText | None
    provider: Word
    body: tuple[Clause, ...]
    span: Span


class Expect(Struct, frozen=True):
    """``expect EXPR : "why"``; ``text`` is the expression as written."""

    condition: Expr
    text: str
    why: Text | None
    span: Span


class Exclude(Struct, frozen=True):
    """``exclude EXPR``."""

    condition: Expr
    span: Span


class In(Struct, frozen=True):
    """``in TIER { … }``."""

    tier: Word
    body: tuple[Clause, ...]
    span: Span


class Combine(Struct, frozen=True):
    """``combine zip``, ``all``, ``cover 2``, ``sample 200``."""

    how: Literal["zip", "all", "cover", "sample"]
    count: Expr | None
    span: Span


class Quantities(Struct, frozen=True):
    """``slots gpu = 1, …``, ``needs …``, ``prefer …``: counts by name."""

    keyword: Literal["slots", "needs", "prefer"]
    counts: tuple[Setting, ...]
    span: Span


class Options(Struct, frozen=True):
    """``retry { … }``, ``minimize { … }``, ``iterate { … }``, and ``schedule STRATEGY { … }`` with its strategy."""

    keyword: Literal["retry", "minimize", "iterate", "schedule"]
    body: tuple[Clause, ...]
    span: Span
    strategy: Word | None = None


class Plain(Struct, frozen=True):
    """A clause of a keyword and one value: ``about``, ``seed``, ``seeds``, ``timeout``, ``parallel``, ``priority``,
    ``cooldown``."""

    keyword: Literal["about", "seed", "seeds", "timeout", "parallel", "priority", "cooldown"]
    value: Expr
    span: Span


class Words(Struct, frozen=True):
    """A clause of a keyword and bare words: ``tags a, b``, ``tiers …``, ``only LABEL, …``, ``steps last``,
    ``trace on``, ``clock virtual``, ``chain seeds``, ``orphans adopt``, ``stop-on fail``."""

    keyword: Literal["tags", "tiers", "only", "steps", "trace", "clock", "chain", "orphans", "stop-on"]
    words: tuple[Word, ...]
    span: Span


class PassEnv(Struct, frozen=True):
    """``pass-env NAME, secret NAME``: each name and whether its value is masked."""

    names: tuple[tuple[Word, bool], ...]
    span: Span


# --- inside a tool ----------------------------------------------------------------------------------------------


class Vector(Struct, frozen=True):
    """``command "a" "b"``, ``replay …``: an argument vector."""

    keyword: Literal["command", "replay"]
    arguments: tuple[Text, ...]
    span: Span


class Param(Struct, frozen=True):
    """``param name: type = default in allowed flag "--x"``."""

    name: Word
    type: Word
    default: Expr | None
    allowed: Expr | None
    flag: Text | None
    span: Span


class EnvVar(Struct, frozen=True):
    """``env NAME = "value"``."""

    name: Word
    value: Text
    span: Span


class TraceFile(Struct, frozen=True):
    """``trace "file" enable "--trace-out={trace}"``."""

    path: Text
    enable: tuple[Text, ...]
    span: Span


class MetricPattern(Struct, frozen=True):
    """``metric name: type = /re/``."""

    name: Word
    type: Word | None
    pattern: Regex
    span: Span


Clause: TypeAlias = (
    Setting
    | Sweep
    | Item
    | Expect
    | Exclude
    | In
    | Combine
    | Quantities
    | Options
    | Plain
    | Words
    | PassEnv
    | Vector
    | Param
    | EnvVar
    | TraceFile
    | MetricPattern
)

# --- declarations -----------------------------------------------------------------------------------------------


class Use(Struct, frozen=True):
    """``use a, b``."""

    names: tuple[Word, ...]
    span: Span


class Include(Struct, frozen=True):
    """``include "x.camp"``."""

    path: Text
    span: Span


class Rules(Struct, frozen=True):
    """``rules "x.yaml", …`` or ``rules auto`` (no paths)."""

    paths: tuple[Text, ...]
    auto: bool
    span: Span


class Block(Struct, frozen=True):
    """``campaign``, ``tier``, ``tool``, ``report``: a keyword, a name (``campaign``'s is a string) and clauses."""

    keyword: Literal["campaign", "tier", "tool", "report"]
    name: Word
    body: tuple[Clause, ...]
    span: Span


class Instance(Struct, frozen=True):
    """``instance LABEL { … }``."""

    label: LabelText
    body: tuple[Clause, ...]
    span: Span


class Group(Struct, frozen=True):
    """``group LABEL { … }``: clauses, groups and instances, in the order in which they stand."""

    label: LabelText
    body: tuple[Clause | Group | Instance, ...]
    span: Span


Declaration: TypeAlias = Use | Include | Rules | Block | Group | Instance


class File(Struct, frozen=True):
    """One file, its declarations in order.

    ``damaged`` are the places of blocks that lost a clause to a syntax error; ``lost``: the file lost a declaration.
    """

    path: str
    declarations: tuple[Declaration, ...]
    damaged: frozenset[Span] = frozenset()
    lost: bool = False
