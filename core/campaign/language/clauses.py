"""Which clause may stand where, and what is given twice in one block: checked once for each block, before merging."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.names import meant, shown
from campaign.language.syntax import (
    Block,
    Clause,
    Combine,
    Exclude,
    Expect,
    Group,
    In,
    Instance,
    Item,
    Options,
    PassEnv,
    Plain,
    Quantities,
    Setting,
    Sweep,
    Word,
    Words,
)
from campaign.language.values import definition_key
from campaign.plugins.names import canonical, is_reserved

Report = Callable[[Diagnostic], None]

#: In which blocks a clause may stand: (C)ampaign, (T)ier, (G)roup, (I)nstance; ``language.md``, «Clauses».
PLACES: dict[str, str] = {
    "setting": "CTGI",
    "about": "CTGI",
    "seed": "C",
    "seeds": "CTGI",
    "timeout": "CTGI",
    "parallel": "CT",
    "slots": "CT",
    "needs": "GI",
    "prefer": "GI",
    "priority": "GI",
    "tags": "GI",
    "tiers": "GI",
    "in": "GI",
    "only": "T",
    "sweep": "CGI",
    "sweep of providers": "GI",
    "combine zip": "GI",
    "combine": "CTGI",
    "exclude": "CGI",
    "serve": "GI",
    "run": "GI",
    "steps": "GI",
    "pass-env": "CGI",
    "hold": "CGI",
    "fault": "GI",
    "schedule": "GI",
    "watch": "GI",
    "oracle": "CGI",
    "expect": "CGI",
    "retry": "CTGI",
    "minimize": "CTGI",
    "iterate": "CT",
    "trace": "CTGI",
    "clock": "CTGI",
    "chain": "GI",
    "cooldown": "CTGI",
    "orphans": "C",
    "stop-on": "CT",
}
_BLOCKS = {"C": "a campaign", "T": "a tier", "G": "a group", "I": "an instance"}
#: What the words of a clause may be.
CHOICES: dict[str, tuple[str, ...]] = {
    "steps": ("all", "last"),
    "trace": ("on", "off"),
    "clock": ("real", "virtual"),
    "chain": ("seeds",),
    "orphans": ("fail", "cancel", "requeue", "adopt"),
    "stop-on": ("fail",),
}
#: Clauses of which a block has as many as it likes.
_MANY = frozenset(("exclude", "expect", "tags", "pass-env", "in", "setting", "sweep", "sweep of providers", "only"))


def keyword_of(clause: Clause) -> str | None:
    """The clause's entry in ``PLACES``, None for what belongs inside a tool."""
    if isinstance(clause, Setting):
        return "setting"
    if isinstance(clause, Sweep):
        return "sweep" if clause.kind is None else "sweep of providers"
    if isinstance(clause, Item):
        return clause.kind
    if isinstance(clause, Combine):
        return "combine zip" if clause.how == "zip" else "combine"
    if isinstance(clause, Plain | Words | Quantities | Options):
        return clause.keyword
    simple = ((Expect, "expect"), (Exclude, "exclude"), (In, "in"), (PassEnv, "pass-env"))
    return next((word for kind, word in simple if isinstance(clause, kind)), None)


def check_body(
    place: str, body: Iterable[Clause | Group | Instance], tiers: Iterable[str] | None, report: Report
) -> None:
    """Check one block of a campaign (``C``), tier (``T``), group (``G``) or instance (``I``).

    ``tiers`` are the names of all, None where not all are known.
    """
    first: dict[tuple[str, str], Span] = {}
    known = None if tiers is None else tuple(tiers)
    for clause in body:
        if isinstance(clause, Group | Instance):
            continue
        keyword = keyword_of(clause)
        if keyword is None or place not in PLACES[keyword]:
            _misplaced(keyword, clause.span, place, report)
            continue
        _once(keyword, clause, first, report)
        _words(clause, known, report)
        if isinstance(clause, In):
            _inside(clause, known, report)


def _misplaced(keyword: str | None, span: Span, place: str, report: Report) -> None:
    where = _BLOCKS[place]
    if keyword is None:
        report(Diagnostic("CAMP120", f"this clause belongs in a tool, not in {where}", span))
        return
    allowed = " or ".join(_BLOCKS[each] for each in PLACES[keyword])
    report(Diagnostic("CAMP120", f"{keyword} does not stand in {where}", span, f"it belongs in {allowed}"))


def _once(keyword: str, clause: Clause, first: dict[tuple[str, str], Span], report: Report) -> None:
    for sort, name, span in _given(keyword, clause):
        if (sort, name) in first:
            related = (Related(first[sort, name], "given here first"),)
            report(Diagnostic("CAMP103", f"{shown(name)} is given twice in one block", span, None, related))
        first.setdefault((sort, name), span)


def _given(keyword: str, clause: Clause) -> list[tuple[str, str, Span]]:
    """What a clause gives: an instruction, or parameters, which may be called like one: ``timeout = 5s``."""
    if isinstance(clause, Setting):
        return [("parameter", definition_key(clause.name.text), clause.name.span)]
    if isinstance(clause, Sweep):
        return [("parameter", canonical(word.text), word.span) for word in clause.names]
    return [] if keyword in _MANY or isinstance(clause, Item) else [("instruction", keyword, clause.span)]


def _inside(clause: In, tiers: tuple[str, ...] | None, report: Report) -> None:
    _known_tier(clause.tier, tiers, report)
    for inner in clause.body:
        if isinstance(inner, In) or (isinstance(inner, Words) and inner.keyword == "tiers"):
            report(Diagnostic("CAMP120", "a tier's clauses are not limited to tiers again", inner.span))
    check_body("I", [each for each in clause.body if not isinstance(each, In)], tiers, report)


def _words(clause: Clause, tiers: tuple[str, ...] | None, report: Report) -> None:
    if not isinstance(clause, Words):
        return
    allowed = CHOICES.get(clause.keyword)
    for word in clause.words:
        if clause.keyword == "tiers":
            _known_tier(word, tiers, report)
        elif allowed is not None and word.text not in allowed:
            hint = meant(word.text, allowed) or f"{clause.keyword} takes {' or '.join(allowed)}"
            report(Diagnostic("CAMP121", f"{clause.keyword} cannot be {shown(word.text)}", word.span, hint))


def _known_tier(word: Word, tiers: tuple[str, ...] | None, report: Report) -> None:
    if tiers is not None and word.text not in tiers:
        hint = meant(word.text, tiers) or (f"tiers are {', '.join(tiers)}" if tiers else "declare it: tier NAME { … }")
        report(Diagnostic("CAMP170", f"no tier is called {shown(word.text)}", word.span, hint))


def check_names(body: Iterable[Clause | Group | Instance], report: Report) -> None:
    """No setting and no axis bears a reserved name."""
    for clause in body:
        if isinstance(clause, Setting):
            words = [clause.name]
        elif isinstance(clause, Sweep):
            words = list(clause.names)
        elif isinstance(clause, In):
            check_names(clause.body, report)
            continue
        else:
            continue
        for word in words:
            if is_reserved(word.text):
                summary = f"{word.text} is reserved: it has a meaning of its own in expressions"
                report(Diagnostic("CAMP101", summary, word.span, "give it another name"))


def distinct_blocks(blocks: Iterable[Block], report: Report) -> dict[str, Block]:
    """Blocks by name; two of one name are reported, the first one stays."""
    found: dict[str, Block] = {}
    for block in blocks:
        name = block.name.text
        if name in found:
            related = (Related(found[name].name.span, "declared here first"),)
            report(
                Diagnostic(
                    "CAMP103", f"the {block.keyword} {shown(name)} is declared twice", block.name.span, None, related
                )
            )
            continue
        found[name] = block
    return found
