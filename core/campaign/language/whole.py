"""What holds for a campaign as a whole rather than for one instance: seed, parallel, slots, reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Span
from campaign.language.instances import LARGEST, MAXIMUM_SEED
from campaign.language.names import shown
from campaign.language.policies import Iterate, iterate_of
from campaign.language.scopes import Scope, merge
from campaign.language.syntax import Block, Expr, Instance, LabelText, Plain, Words
from campaign.language.typecheck import INT, STRING
from campaign.language.values import Values

_NOWHERE = Span("", 1, 1, 1, 1)
#: The campaign and the tier alone are merged like an instance without clauses of its own.
_EMPTY = Scope((), (), Instance(LabelText(("",), _NOWHERE), (), _NOWHERE))


class Whole(Struct, frozen=True, kw_only=True):
    """The campaign's own settings in one tier; ``parallel`` and ``slots`` cap what the workspace has."""

    about: str | None = None
    seed: int = 0
    parallel: int | None = None
    slots: Mapping[str, int] = {}
    orphans: str | None = None
    stop_on_fail: bool = False
    iterate: Iterate = Iterate()


def understand_whole(campaign: Block | None, tier: Block | None, report: Callable[[Diagnostic], None]) -> Whole:
    """What campaign and tier say, the tier's word before the campaign's."""
    merged = merge(_EMPTY, campaign, tier, (), lambda _: None)
    reader = _Reader(Values(merged, {}, {}, report))
    about = merged.once.get("about")
    text = reader.values.fixed(about.value, STRING, "about") if isinstance(about, Plain) else None
    slots = {
        name: reader.whole(each.value, f"slots {shown(name)}", 0)
        for name, each in merged.counts.get("slots", {}).items()
    }
    orphans, stop = merged.once.get("orphans"), merged.once.get("stop-on")
    return Whole(
        about=text if isinstance(text, str) else None,
        seed=reader.number("seed", 0) or 0,
        parallel=reader.number("parallel", 1),
        slots={name: count for name, count in slots.items() if count is not None},
        orphans=orphans.words[0].text if isinstance(orphans, Words) else None,
        stop_on_fail=isinstance(stop, Words) and stop.words[0].text == "fail",
        iterate=iterate_of(reader.values, merged.options.get("iterate", {})),
    )


class _Reader:
    def __init__(self, values: Values) -> None:
        self.values = values

    def number(self, keyword: str, least: int) -> int | None:
        clause = self.values.merged.once.get(keyword)
        return self.whole(clause.value, keyword, least) if isinstance(clause, Plain) else None

    def whole(self, expr: Expr, what: str, least: int) -> int | None:
        """A whole number that is the same in every run; None where it is not one, which was reported."""
        value = self.values.fixed(expr, INT, what)
        if value is None:
            return None
        most = MAXIMUM_SEED if what == "seed" else LARGEST
        if not isinstance(value, int) or not least <= value <= most:
            summary = f"{what} takes a whole number of {least} or more"
            self.values.report(Diagnostic("CAMP112", summary, expr.span))
            return None
        return value
