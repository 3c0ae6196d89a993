"""Texts to trees; what is wrong stands in ``cases/syntax``."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from campaign.diagnostics import Severity, Span
from campaign.language import syntax
from campaign.language.build import MAX_BLOCKS
from campaign.language.build_expressions import MAX_DEPTH
from campaign.language.parser import parse, parse_expression
from campaign.language.source import MAX_ERRORS, Source

CASES = Path(__file__).parent / "cases" / "syntax"


def clauses(text: str) -> tuple[syntax.Clause, ...]:
    """The clauses of a group that holds ``text``."""
    file, wrong = parse(Source("x.camp", f"group g {{\n{text}\n}}"))
    assert not wrong, [str(one) for one in wrong]
    (group,) = file.declarations
    assert isinstance(group, syntax.Group)
    return tuple(clause for clause in group.body if not isinstance(clause, syntax.Group | syntax.Instance))


def value(text: str) -> object:
    """An expression as JSON without its places."""
    expr, wrong = parse_expression(text, "x", 1, 1)
    assert not wrong, [str(one) for one in wrong]
    return _bare(json.loads(msgspec.json.encode(expr)))


def _bare(node: object) -> object:
    if isinstance(node, dict):
        return {key: _bare(one) for key, one in node.items() if key != "span"}
    return [_bare(one) for one in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("10_000", syntax.Integer, 10000),
        ("0.95", syntax.Decimal, "0.95"),
        ("850mV", syntax.QuantityLiteral, "850mV"),
        ("1h30m", syntax.QuantityLiteral, "1h30m"),
        ("90%", syntax.QuantityLiteral, "90%"),
        ("true", syntax.Boolean, True),
        ("true_color", syntax.Name, ("true_color",)),
        ("or-b", syntax.Name, ("or-b",)),
        ("inside", syntax.Name, ("inside",)),
        ("a-b", syntax.Name, ("a-b",)),
        ("step.L[1].exit.code", syntax.Name, ("step", "L[1]", "exit", "code")),
        ("step.read.1in7.exit.ok", syntax.Name, ("step", "read", "1in7", "exit", "ok")),
        ("timeout", syntax.Name, ("timeout",)),
    ],
)
def test_the_smallest_expressions(text: str, kind: type, written: object) -> None:
    expr, wrong = parse_expression(text, "x", 1, 1)
    assert not wrong
    assert type(expr) is kind
    assert getattr(expr, kind.__struct_fields__[0]) == written  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a - b - c", "(a - b) - c"),
        ("a + b * c", "a + (b * c)"),
        ("a or b and not c == d", "a or (b and (not (c == d)))"),
        ("-a * b", "(-a) * b"),
        ("a in 1..2 + 3", "a in (1..(2 + 3))"),
        ("a / b / c", "(a / b) / c"),
        ("a\t==  b", "a == b"),
        ("[a, b,]", "[a, b]"),
        ("(a, b,)", "(a, b)"),
        ("not not a", "not (not a)"),
        ("len(a,)", "len (a)"),
    ],
)
def test_precedence(text: str, same: str) -> None:
    assert value(text) == value(same)


@pytest.mark.parametrize(
    ("text", "first", "last", "step"),
    [
        ("1..3", "int", "int", None),
        ("1..", "int", None, None),
        ("1s..2s", "quantity", "quantity", None),
        ("850mV..1050mV step 10mV", "quantity", "quantity", "quantity"),
        ("1.. step 2", "int", None, "int"),
        ("-5C..-1C", "unary", "unary", None),
        ("a..b", "name", "name", None),
        ("a.b..c.d", "name", "name", None),
    ],
)
def test_ranges(text: str, first: str, last: str | None, step: str | None) -> None:
    found = value(text)
    assert isinstance(found, dict)
    assert found["type"] == "range"
    assert [found[part]["type"] if found.get(part) else None for part in ("first", "last", "step")] == [
        first,
        last,
        step,
    ]


def test_a_slash_divides_or_begins_a_regular_expression() -> None:
    assert value("a / b / c") == value("(a/b)/c")
    assert value(r"output matches /a\/b\d{2}/") == {
        "type": "binary",
        "operator": "matches",
        "left": {"type": "name", "parts": ["output"]},
        "right": {"type": "regex", "pattern": r"a/b\d{2}"},
    }


def test_strings_hold_escapes_and_placeholders() -> None:
    (setting,) = clauses(r'x = "a\"\\\n\u{1F600}{{{env.HOME}}}{d:ms}"')
    assert isinstance(setting, syntax.Setting)
    assert isinstance(setting.value, syntax.Text)
    text, home, brace, span = setting.value.parts
    assert text == 'a"\\\n😀{'
    assert isinstance(home, syntax.Hole)
    assert (home.name, home.unit, brace) == ("env.HOME", None, "}")
    assert isinstance(span, syntax.Hole)
    assert (span.name, span.unit, span.span) == ("d", "ms", Span("x.camp", 2, 36, 2, 42))


def test_before_an_equals_sign_any_keyword_is_a_name() -> None:
    words = ["timeout", "seed", "in", "run", "or", "not", "true", "group", "stop-on", "param", "sweep", "pass-env"]
    found = clauses("\n".join(f"{word} = 1" for word in words))
    assert [clause.name.text for clause in found if isinstance(clause, syntax.Setting)] == words


def test_a_default_is_a_sum_and_what_is_allowed_a_range() -> None:
    file, wrong = parse(Source("x", 'tool t { param x: int = 1 + 1 in 1..2 flag "--x" }'))
    assert not wrong
    (tool,) = file.declarations
    assert isinstance(tool, syntax.Block)
    (param,) = tool.body
    assert isinstance(param, syntax.Param)
    assert isinstance(param.default, syntax.Binary)
    assert isinstance(param.allowed, syntax.Range)
    assert param.flag is not None
    assert param.flag.plain == "--x"


def test_sweeps() -> None:
    plain, joint, providers = clauses(
        "sweep v = 1V..2V step 1V jitter 5mV\nsweep (v, f) = [(1, 2)]\n"
        "sweep chaos = fault { kill: process.kill { at = 1s }; none; process.stop }"
    )
    assert isinstance(plain, syntax.Sweep)
    assert isinstance(plain.jitter, syntax.QuantityLiteral)
    assert isinstance(joint, syntax.Sweep)
    assert (joint.joint, [name.text for name in joint.names]) == (True, ["v", "f"])
    assert isinstance(providers, syntax.Sweep)
    assert providers.kind == "fault"
    found = [
        (choice.label.text, choice.provider and choice.provider.text, len(choice.body)) for choice in providers.choices
    ]
    assert found == [("kill", "process.kill", 1), ("none", None, 0), ("process.stop", "process.stop", 0)]


def test_an_expectation_is_shown_in_one_spelling() -> None:
    (first, second) = clauses(
        'expect (exit.code==0\n  and a  !=-1) :"why"\nexpect (exit.code == 0 and a != -1) : "why"'
    )
    assert isinstance(first, syntax.Expect)
    assert isinstance(second, syntax.Expect)
    assert first.text == second.text == "(exit.code == 0 and a != -1)"


def test_every_clause_parses_to_its_own_node() -> None:
    file, wrong = parse(Source("x", (CASES / "clauses.camp").read_text()))
    assert not wrong
    kinds = {type(declaration).__name__ for declaration in file.declarations}
    pending = list(file.declarations)
    while pending:
        for inner in getattr(pending.pop(), "body", ()):
            kinds.add(type(inner).__name__)
            pending.append(inner)
    clauses_of_the_tree = {kind.__name__ for kind in syntax.Clause.__args__}  # type: ignore[attr-defined]
    assert kinds >= clauses_of_the_tree | {"Use", "Include", "Rules", "Block", "Group", "Instance"}


def test_an_expression_elsewhere_knows_its_place() -> None:
    expr, wrong = parse_expression("a +\tb", "rules.yaml", 7, 11)
    assert not wrong
    assert isinstance(expr, syntax.Binary)
    assert expr.right.span == Span("rules.yaml", 7, 15, 7, 16)
    _, (problem,) = parse_expression("a = b", "rules.yaml", 7, 11)
    assert problem.span == Span("rules.yaml", 7, 13, 7, 14)


@pytest.mark.parametrize(
    "text", ["", "1 +", "a b", "a\nb", "x = 1", "(", "}", "\udcff", "a \u202e b", "1q", "#", "not"]
)
def test_what_is_no_expression_is_said(text: str) -> None:
    expr, wrong = parse_expression(text, "x", 1, 1)
    assert expr is None
    assert wrong


def test_the_deepest_allowed_tree_can_be_walked() -> None:
    deep = "(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH
    chain = "1" + " + 1" * MAX_DEPTH
    for text in (deep, chain, "not " * MAX_DEPTH + "a", "-" * MAX_DEPTH + "a", "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH):
        expr, wrong = parse_expression(text, "x", 1, 1)
        assert not wrong
        assert msgspec.json.encode(expr)
        assert repr(expr)
        assert [one.code for one in parse_expression(f"({text}) + 1", "x", 1, 1)[1]] == ["CAMP005"]


@pytest.mark.parametrize(
    "text",
    [
        "group a {\n" * 10_000 + "}\n" * 10_000,
        "group a { x = " + "(" * 10_000 + "1" + ")" * 10_000 + " }",
        "group a { x = " + "[" * 10_000 + "]" * 10_000 + " }",
        "group a { exclude " + "not " * 10_000 + "x }",
        "group a { x = " + "-" * 10_000 + "1 }",
        "group a { x = " + "1 + " * 10_000 + "1 }",
    ],
    ids=["blocks", "parentheses", "lists", "not", "minus", "sum"],
)
def test_what_is_nested_too_deep_is_one_error(text: str) -> None:
    _, wrong = parse(Source("x", text))
    assert [one.code for one in wrong] == ["CAMP005"]


def test_blocks_may_nest() -> None:
    _, wrong = parse(Source("x", "group a {\n" * MAX_BLOCKS + "}\n" * MAX_BLOCKS))
    assert not wrong


def test_of_very_many_errors_the_first_are_shown() -> None:
    _, wrong = parse(Source("x", "oops oops\n" * 5_000))
    *errors, note = wrong
    assert len(errors) == MAX_ERRORS
    assert (note.code, note.severity) == ("CAMP006", Severity.NOTE)
    assert [one.span.line for one in errors if one.span] == list(range(1, MAX_ERRORS + 1))


def test_an_error_costs_its_clause_and_no_other() -> None:
    good = ["a = 1", 'run x { b = "}}" }', "expect exit.ok", "sweep c = [1, 2]", "metric2 = 5"]
    bad = ["oops", "a = [1, 2", "b = (", 'c = "', "run { x = 1 }", "d = )", "e = 1 2 3", "$", "expect == 4", "}{"]
    for wrong in bad[:-1]:
        text = "\n".join(line for one in good for line in (wrong, one))
        file, found = parse(Source("x", f"group g {{\n{text}\n}}\ngroup h {{ a = 1 }}"))
        assert found, wrong
        group, last = file.declarations
        assert isinstance(group, syntax.Group)
        assert isinstance(last, syntax.Group)
        if wrong not in (
            "a = [1, 2",
            "b = (",
        ):  # what is before the next line that begins a clause goes with the bracket
            assert len(group.body) == len(good), wrong
            assert len(found) == len(good), wrong


@pytest.mark.parametrize("end", ["", " ", "    ", "\t", "\n  ", "  # done", "\r\n \r\n"])
def test_a_file_may_end_in_space(end: str) -> None:
    assert parse(Source("x", f'campaign "x" {{ }}{end}'))[1] == []
