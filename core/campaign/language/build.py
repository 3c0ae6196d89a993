"""From nodes of the grammar to the tree of a spec; what a node cannot mean costs its statement and no other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

from campaign.diagnostics import Diagnostic, Span
from campaign.language import literals, syntax
from campaign.language.automaton import Node
from campaign.language.build_expressions import expression
from campaign.language.literals import Unreadable, unreadable
from campaign.language.names import nearest, shown
from campaign.language.source import Source
from campaign.language.spacing import joined
from campaign.language.tokens import Token
from campaign_grammar.tables import load_tables

#: Blocks in blocks; every later pass may recurse over them.
MAX_BLOCKS = 40
_BLOCKS = ("campaign", "named_block", "labelled_block", "in_tier")
_COMBINATIONS = ("zip", "all", "cover", "sample")

_Node: TypeAlias = "Node | Token | None"
_Statement: TypeAlias = "syntax.Declaration | syntax.Clause"
_CLAUSE_OR_GROUP = syntax.Group | syntax.Instance
_DECLARATIONS = syntax.Use | syntax.Include | syntax.Rules | syntax.Block | syntax.Group | syntax.Instance


class Builder:
    """Builds one file; ``problems`` collects what it could not, ``damaged`` and ``lost`` what that took away."""

    def __init__(self, source: Source, tokens: Sequence[Token]) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self.damaged: set[Span] = set()
        self.lost = False
        self._open: list[Node] = []
        self._tokens = tokens
        self._starts = [token.start for token in tokens]
        self._depth = 0

    def file(self, node: Node) -> syntax.File:
        """The whole file: declarations only."""
        found = []
        for statement in self._statements(node.children):
            if isinstance(statement, _DECLARATIONS):
                found.append(statement)
            else:
                hint = "clauses stand in a campaign, tier, group, instance or tool"
                self._report("CAMP013", f"{_described(statement)} stands outside every block", statement, hint)
        return syntax.File(self.source.path, tuple(found), frozenset(self.damaged), self.lost)

    # --- blocks

    def _statements(self, nodes: Sequence[_Node]) -> list[_Statement]:
        found = []
        for node in nodes:
            assert isinstance(node, Node)
            if node.rule == "broken":
                self._damage()
                self._statements([child for body in node.children if isinstance(body, Node) for child in body.children])
                continue
            self._open.append(node)
            try:
                found.append(_RULES[node.rule](self, node))
            except Unreadable as error:
                self._open.pop()
                self._unreadable(error)
            else:
                self._open.pop()
        return found

    def _unreadable(self, error: Unreadable) -> None:
        self.problems.append(error.diagnostic)
        self._damage()

    def _damage(self) -> None:
        """A clause was lost: to what holds it, out to the block with a name."""
        for node in reversed(self._open):
            self.damaged.add(self.source.at(node))
            if node.rule in _BLOCKS:
                return
        self.lost = True

    def _body(self, node: _Node) -> list[_Statement]:
        if node is None:
            return []
        assert isinstance(node, Node)
        if self._depth == MAX_BLOCKS:
            summary = f"blocks are nested more than {MAX_BLOCKS} deep"
            raise unreadable("CAMP005", summary, self.source.span(node.start, node.start + 1))
        self._depth += 1
        try:
            return self._statements(node.children)
        finally:
            self._depth -= 1

    def _clauses(self, node: _Node, holder: str) -> tuple[syntax.Clause, ...]:
        """The clauses of a block that holds nothing else."""
        found = []
        for statement in self._body(node):
            if isinstance(statement, _DECLARATIONS):
                self._misplaced(statement, holder)
            else:
                found.append(statement)
        return tuple(found)

    def _misplaced(self, statement: syntax.Declaration, holder: str) -> None:
        self.lost = True
        nests = isinstance(statement, _CLAUSE_OR_GROUP)
        hint = "it stands in a group or outside every block" if nests else "it stands outside every block"
        self._report("CAMP013", f"{_described(statement)} cannot stand in {holder}", statement, hint)

    def _report(self, code: str, summary: str, statement: _Statement, hint: str) -> None:
        span = statement.span
        width = len(_described(statement)) - 2
        head = Span(span.file, span.line, span.column, span.line, span.column + width)
        self.problems.append(Diagnostic(code, summary, head, hint))

    # --- small parts

    def _word(self, token: _Node) -> syntax.Word:
        assert isinstance(token, Token)
        return literals.word(self.source, token)

    def _words(self, tokens: Sequence[_Node]) -> tuple[syntax.Word, ...]:
        return tuple(self._word(token) for token in tokens)

    def _text(self, token: _Node) -> syntax.Text:
        assert isinstance(token, Token)
        return literals.text(self.source, token)

    def _expression(self, node: _Node) -> syntax.Expr:
        return expression(self.source, node)

    def _inner(self, node: _Node) -> syntax.Expr | None:
        """The expression of an optional part that wraps it: ``= 5``, ``in 1..3``, ``jitter 5mV``."""
        return self._expression(node.children[0]) if isinstance(node, Node) else None

    # --- declarations

    def _use(self, node: Node) -> syntax.Use:
        return syntax.Use(self._words(node.children), self.source.at(node))

    def _include(self, node: Node) -> syntax.Include:
        return syntax.Include(self._text(node.children[0]), self.source.at(node))

    def _rules(self, node: Node) -> syntax.Rules:
        paths = [token for token in node.children if isinstance(token, Token) and token.kind == "STRING"]
        return syntax.Rules(tuple(self._text(path) for path in paths), not paths, self.source.at(node))

    def _campaign(self, node: Node) -> syntax.Block:
        name, body = node.children
        clauses = self._clauses(body, "a campaign")
        assert isinstance(name, Token)
        called = literals.plain_text(self.source, name, "the name of a campaign")
        return syntax.Block("campaign", called, clauses, self.source.at(node))

    def _named_block(self, node: Node) -> syntax.Block:
        keyword, name, body = node.children
        clauses = self._clauses(body, f"a {_keyword(keyword)}")
        return syntax.Block(_keyword(keyword), self._word(name), clauses, self.source.at(node))

    def _labelled_block(self, node: Node) -> syntax.Group | syntax.Instance:
        keyword, label, body = node.children
        assert isinstance(label, Token)
        if _keyword(keyword) == "instance":
            clauses = self._clauses(body, "an instance")
            return syntax.Instance(literals.label(self.source, label), clauses, self.source.at(node))
        members = self._members(body)
        return syntax.Group(literals.label(self.source, label), members, self.source.at(node))

    def _members(self, body: _Node) -> tuple[syntax.Clause | syntax.Group | syntax.Instance, ...]:
        """What a group holds: clauses, groups and instances."""
        found: list[syntax.Clause | syntax.Group | syntax.Instance] = []
        for statement in self._body(body):
            if isinstance(statement, syntax.Use | syntax.Include | syntax.Rules | syntax.Block):
                self._misplaced(statement, "a group")
            else:
                found.append(statement)
        return tuple(found)

    # --- clauses

    def _setting(self, node: Node) -> syntax.Setting:
        name, value = node.children
        return syntax.Setting(self._word(name), self._expression(value), self.source.at(node))

    def _plain(self, node: Node) -> syntax.Plain:
        keyword, value = node.children
        return syntax.Plain(_keyword(keyword), self._expression(value), self.source.at(node))

    def _about(self, node: Node) -> syntax.Plain:
        return syntax.Plain("about", self._text(node.children[0]), self.source.at(node))

    def _word_clause(self, node: Node) -> syntax.Words:
        keyword, *words = node.children
        return syntax.Words(_keyword(keyword), self._words(words), self.source.at(node))

    def _only(self, node: Node) -> syntax.Words:
        for path in node.children:
            assert isinstance(path, Token)
            literals.label(self.source, path)
        return syntax.Words("only", self._words(node.children), self.source.at(node))

    def _quantities(self, node: Node) -> syntax.Quantities:
        keyword, *counts = node.children
        settings = tuple(self._setting(count) for count in counts if isinstance(count, Node))
        return syntax.Quantities(_keyword(keyword), settings, self.source.at(node))

    def _pass_env(self, node: Node) -> syntax.PassEnv:
        variables = [variable.children for variable in node.children if isinstance(variable, Node)]
        names = tuple((self._word(name), secret is not None) for secret, name in variables)
        return syntax.PassEnv(names, self.source.at(node))

    def _in_tier(self, node: Node) -> syntax.In:
        tier, body = node.children
        clauses = self._clauses(body, "an in block")
        return syntax.In(self._word(tier), clauses, self.source.at(node))

    def _combine(self, node: Node) -> syntax.Combine:
        how, *count = node.children
        assert isinstance(how, Token)
        if how.text not in _COMBINATIONS:
            near = nearest(how.text, _COMBINATIONS)
            hint = f"did you mean {near}?" if near else "write combine zip, all, cover 2 or sample 200"
            raise unreadable("CAMP011", f"combine cannot be {shown(how.text)}", self.source.at(how), hint)
        counted = how.text in ("cover", "sample")
        if counted != bool(count):
            summary = f"combine {how.text} takes {'a' if counted else 'no'} number"
            example = f"write combine {how.text} {2 if how.text == 'cover' else 200}" if counted else None
            raise unreadable("CAMP011", summary, self.source.at(node), example)
        value = self._expression(count[0]) if count else None
        return syntax.Combine(cast("Any", how.text), value, self.source.at(node))

    def _options(self, node: Node) -> syntax.Options:
        keyword, body = node.children
        return syntax.Options(_keyword(keyword), self._clauses(body, _keyword(keyword)), self.source.at(node))

    def _schedule(self, node: Node) -> syntax.Options:
        strategy, body = node.children
        clauses = self._clauses(body, "schedule")
        return syntax.Options("schedule", clauses, self.source.at(node), self._word(strategy))

    def _sweep(self, node: Node) -> syntax.Sweep:
        axes, values, jitter = node.children
        names, joint = self._axes(axes)
        return syntax.Sweep(names, self._expression(values), self.source.at(node), self._inner(jitter), joint=joint)

    def _axes(self, node: _Node) -> tuple[tuple[syntax.Word, ...], bool]:
        assert isinstance(node, Node)
        return self._words(node.children), self.source.text[node.start] == "("

    def _sweep_providers(self, node: Node) -> syntax.Sweep:
        axes, kind, choices = node.children
        assert isinstance(kind, Token)
        assert isinstance(choices, Node)
        found = tuple(self._choices(choices))
        if not choices.children:
            place = self.source.at(choices)
            self.problems.append(Diagnostic("CAMP150", "an axis has at least one value", place, "none is the baseline"))
        names, joint = self._axes(axes)
        if joint:
            summary = "a joint axis has tuples as values, not providers"
            raise unreadable(
                "CAMP011", summary, self.source.span(node.start, kind.end), f"write sweep NAME = {kind.text} {{ … }}"
            )
        return syntax.Sweep(names, None, self.source.at(node), None, cast("Any", kind.text), found)

    def _choices(self, node: Node) -> list[syntax.Choice]:
        found = []
        for choice in node.children:
            assert isinstance(choice, Node)
            if choice.rule == "choice":
                try:
                    found.append(self._choice(choice))
                except Unreadable as error:
                    self._unreadable(error)
            else:
                self._damage()
        return found

    def _choice(self, node: Node) -> syntax.Choice:
        label, provider, body = node.children
        clauses = self._clauses(body, "a provider's block")
        called, named = self._word(provider if label is None else label), self._word(provider)
        if named.text == "none" and body is not None:
            raise unreadable("CAMP011", "none is no provider and takes no block", self.source.at(node))
        return syntax.Choice(called, None if named.text == "none" else named, clauses, self.source.at(node))

    def _item(self, node: Node) -> syntax.Item:
        keyword, label, provider, body = node.children
        clauses = self._clauses(body, "a provider's block")
        called = literals.label(self.source, label) if isinstance(label, Token) else None
        return syntax.Item(_keyword(keyword), called, self._word(provider), clauses, self.source.at(node))

    def _expect(self, node: Node) -> syntax.Expect:
        condition, why = node.children
        assert condition is not None
        first, behind = (bisect_left(self._starts, place) for place in (condition.start, condition.end))
        explained = None if why is None else self._text(why)
        return syntax.Expect(
            self._expression(condition), joined(self._tokens[first:behind]), explained, self.source.at(node)
        )

    def _exclude(self, node: Node) -> syntax.Exclude:
        return syntax.Exclude(self._expression(node.children[0]), self.source.at(node))

    # --- inside a tool

    def _vector(self, node: Node) -> syntax.Vector:
        keyword, arguments = node.children
        return syntax.Vector(_keyword(keyword), self._arguments(arguments), self.source.at(node))

    def _arguments(self, node: _Node) -> tuple[syntax.Text, ...]:
        assert isinstance(node, Node)
        return tuple(self._text(argument) for argument in node.children if argument is not None)  # `[]` holds None

    def _param(self, node: Node) -> syntax.Param:
        name, type_, default, allowed, flag = node.children
        option = None if flag is None else self._text(flag)
        parts = self._inner(default), self._inner(allowed), option
        return syntax.Param(self._word(name), self._word(type_), *parts, self.source.at(node))

    def _env(self, node: Node) -> syntax.EnvVar:
        name, value = node.children
        return syntax.EnvVar(self._word(name), self._text(value), self.source.at(node))

    def _trace_file(self, node: Node) -> syntax.TraceFile:
        _, path, enable = node.children
        return syntax.TraceFile(self._text(path), self._arguments(enable) if enable else (), self.source.at(node))

    def _metric(self, node: Node) -> syntax.MetricPattern:
        name, type_, pattern = node.children
        assert isinstance(pattern, Token)
        typed = None if type_ is None else self._word(type_)
        return syntax.MetricPattern(self._word(name), typed, literals.regex(self.source, pattern), self.source.at(node))


def _keyword(token: _Node) -> Any:
    """The keyword that a token stands for, also where it is misspelt."""
    assert isinstance(token, Token)
    return _spellings()[token.kind]


@cache
def _spellings() -> dict[str, str]:
    return {kind: word for word, kind in load_tables().words.items()}


def _described(statement: _Statement) -> str:
    """A statement by its keyword, quoted."""
    keyword = getattr(statement, "keyword", None) or getattr(statement, "kind", None)
    if isinstance(statement, syntax.Setting):
        keyword = statement.name.text
    elif isinstance(statement, syntax.Sweep | syntax.Item):
        keyword = statement.kind if isinstance(statement, syntax.Item) else "sweep"
    return f"`{shown(keyword or _KEYWORDS[type(statement)])}`"


_KEYWORDS: dict[type, str] = {
    syntax.Use: "use",
    syntax.Include: "include",
    syntax.Rules: "rules",
    syntax.Group: "group",
    syntax.Instance: "instance",
    syntax.Expect: "expect",
    syntax.Exclude: "exclude",
    syntax.In: "in",
    syntax.Combine: "combine",
    syntax.PassEnv: "pass-env",
    syntax.Param: "param",
    syntax.EnvVar: "env",
    syntax.TraceFile: "trace",
    syntax.MetricPattern: "metric",
}
_RULES: dict[str, Callable[[Builder, Node], _Statement]] = {
    "use": Builder._use,
    "include": Builder._include,
    "rules": Builder._rules,
    "campaign": Builder._campaign,
    "named_block": Builder._named_block,
    "labelled_block": Builder._labelled_block,
    "setting": Builder._setting,
    "plain": Builder._plain,
    "about": Builder._about,
    "words": Builder._word_clause,
    "only": Builder._only,
    "quantities": Builder._quantities,
    "pass_env": Builder._pass_env,
    "in_tier": Builder._in_tier,
    "combine": Builder._combine,
    "options": Builder._options,
    "schedule": Builder._schedule,
    "sweep": Builder._sweep,
    "sweep_providers": Builder._sweep_providers,
    "item": Builder._item,
    "expect": Builder._expect,
    "exclude": Builder._exclude,
    "vector": Builder._vector,
    "param": Builder._param,
    "env": Builder._env,
    "trace_file": Builder._trace_file,
    "metric": Builder._metric,
}
