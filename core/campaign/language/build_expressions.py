"""From nodes of the grammar to expressions of the tree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, cast

from campaign.language import literals
from campaign.language.automaton import Node
from campaign.language.literals import unreadable
from campaign.language.source import Source
from campaign.language.syntax import (
    Binary,
    BinaryOperator,
    Boolean,
    Call,
    Expr,
    ListOf,
    Name,
    Range,
    TupleOf,
    Unary,
    UnaryOperator,
)
from campaign.language.tokens import Token

#: Every later pass may recurse over an expression, so its depth is bounded here, once and for all.
MAX_DEPTH = 100

_Node: TypeAlias = "Node | Token | None"


def expression(source: Source, node: _Node, depth: int = 0) -> Expr:
    """The expression of a node or a token; raises Unreadable, also for one that is nested too deep."""
    assert node is not None
    if depth > MAX_DEPTH:
        summary = f"this expression is nested more than {MAX_DEPTH} levels deep"
        raise unreadable(
            "CAMP005",
            summary,
            source.at(node),
            "name a part of it with a setting, or use a list: x in [a, b]",
        )
    if isinstance(node, Token):
        return _TOKENS[node.kind](source, node)
    return _NODES[node.rule](source, node, depth)


def _name(source: Source, token: Token) -> Name:
    name = literals.word(source, token)
    return Name(tuple(name.text.split(".")), name.span)


def _boolean(source: Source, token: Token) -> Boolean:
    return Boolean(token.kind == "TRUE", source.at(token))


def _chain(source: Source, node: Node, depth: int) -> Expr:
    """``a + b - c``: the tree leans left, so its first operand lies as deep as the chain is long."""
    operands, operators = node.children[::2], cast("list[Token]", node.children[1::2])
    depth += len(operators)
    left = expression(source, operands[0], depth)
    for operator, operand in zip(operators, operands[1:], strict=True):
        right = expression(source, operand, depth)
        assert operand is not None
        left = Binary(cast("BinaryOperator", operator.text), left, right, source.span(node.start, operand.end))
        depth -= 1
    return left


def _unary(source: Source, node: Node, depth: int) -> Expr:
    operator, operand = node.children
    assert isinstance(operator, Token)
    sign = cast("UnaryOperator", operator.text)
    return Unary(sign, expression(source, operand, depth + 1), source.at(node))


def _range(source: Source, node: Node, depth: int) -> Expr:
    first, last, step = (_inside(source, part, depth + 1) for part in node.children)
    assert first is not None
    return Range(first, last, step, source.at(node))


def _inside(source: Source, node: _Node, depth: int) -> Expr | None:
    """The expression of an optional part: ``last`` and ``step`` wrap theirs in a node of their own."""
    if isinstance(node, Node) and node.rule in ("last", "step"):
        node = node.children[0]
    return None if node is None else expression(source, node, depth)


def _parens(source: Source, node: Node, depth: int) -> Expr:
    return expression(source, node.children[0], depth + 1)


def _call(source: Source, node: Node, depth: int) -> Expr:
    function, *arguments = node.children
    assert isinstance(function, Token)
    return Call(function.text, _all(source, arguments, depth), source.at(node))


def _sequence(kind: type[ListOf | TupleOf], source: Source, node: Node, depth: int) -> Expr:
    return kind(_all(source, node.children, depth), source.at(node))


def _all(source: Source, nodes: list[_Node], depth: int) -> tuple[Expr, ...]:
    return tuple(expression(source, node, depth + 1) for node in nodes)


_TOKENS: dict[str, Callable[[Source, Token], Expr]] = {
    "NUMBER": literals.number,
    "STRING": literals.text,
    "REGEX": literals.regex,
    "NAME": _name,
    "DOTTED": _name,
    "TRUE": _boolean,
    "FALSE": _boolean,
}
_NODES: dict[str, Callable[[Source, Node, int], Expr]] = {
    "disjunction": _chain,
    "conjunction": _chain,
    "comparison": _chain,
    "sum": _chain,
    "product": _chain,
    "negation": _unary,
    "negative": _unary,
    "range": _range,
    "parens": _parens,
    "call": _call,
    "list": partial(_sequence, ListOf),
    "tuple": partial(_sequence, TupleOf),
}
