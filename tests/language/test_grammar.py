"""The grammar: no conflict of any kind, tables that say what lark says, and generated ones that are never stale."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Tree
from lark.exceptions import GrammarError

import campaign_grammar
from campaign.language.automaton import Node
from campaign.language.parser import Run
from campaign.language.source import read_source
from campaign.language.tokens import _CONTEXTUAL
from campaign_grammar import generate
from campaign_grammar.tables import build_tables, load_tables

PACKAGE = Path(campaign_grammar.__file__).parent
GRAMMAR = (PACKAGE / "campaign.lark").read_text("utf-8")
ROOT = Path(__file__).resolve().parents[2]
FUZZ = runpy.run_path(str(Path(__file__).with_name("fuzz.py")))


def test_the_grammar_has_no_conflict() -> None:
    generate.load(GRAMMAR)


@pytest.mark.parametrize(
    ("rule", "conflicting"),
    [
        ("seed_again", 'exclude: "exclude" _condition\n    | "exclude" _or'),
        ("shift_reduce", 'exclude: "exclude" _condition ["jitter" _sum]\n    | "exclude" _condition jitter'),
    ],
)
def test_a_conflict_is_noticed(rule: str, conflicting: str) -> None:
    broken = GRAMMAR.replace('exclude: "exclude" _condition', conflicting)
    assert broken != GRAMMAR, rule
    with pytest.raises(GrammarError):
        generate.load(broken)


def test_a_dangling_choice_is_a_conflict_although_lark_shifts_in_silence() -> None:
    dangling = GRAMMAR.replace('expect: "expect" _condition [":" STRING]', 'expect: "expect" _condition expect?')
    dangling = dangling.replace("negation: NOT _not", "negation: NOT _not | NOT _not OR _not")
    Lark(dangling, parser="lalr", start=list(generate.STARTS), postlex=generate._Always())
    with pytest.raises(GrammarError):
        generate.load(dangling)


def test_the_generated_tables_are_those_of_the_grammar() -> None:
    assert load_tables() == build_tables()


def test_tables_are_the_same_in_every_process() -> None:
    script = "import json, sys; from campaign_grammar import generate as g; json.dump(g.tables(g.PACKAGE), sys.stdout)"
    runs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert json.loads(runs[0].stdout)["states"]


def test_a_changed_grammar_is_not_parsed_with_old_tables(tmp_path: Path) -> None:
    copy = tmp_path / "campaign_grammar"
    shutil.copytree(PACKAGE, copy)
    subprocess.run([sys.executable, str(copy / "generate.py")], check=True)
    (copy / "campaign.lark").write_text(GRAMMAR.replace('use: "use"', 'use: "utilise"'), "utf-8")
    script = (
        "from campaign_grammar import tables; import campaign_grammar; print(campaign_grammar.__file__);"
        "print('utilise' in tables.load_tables().words, 'use' in tables.load_tables().words)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    where, words = done.stdout.splitlines()
    assert Path(where).parent == copy
    assert words == "True False"


def test_lark_itself_parses_every_clean_spec_to_the_same_nodes() -> None:
    lark = Lark(GRAMMAR, parser="lalr", lexer="contextual", start=list(generate.STARTS), postlex=_PostLex())
    compared = 0
    for text in FUZZ["corpus"]():
        source, found = read_source("x.camp", text.encode())
        assert source is not None
        run = Run(source, "file")
        root = run.parse()
        if found or run.errors or root is None:
            continue
        assert _ours(root) == _theirs(lark.parse(source.text, start="file"))
        compared += 1
    assert compared >= 5


class _PostLex:
    """What ``Layout`` does, for lark."""

    always_accept = tuple({name for name, _ in load_tables().patterns} - _CONTEXTUAL) + tuple(
        load_tables().signs.values()
    )

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
            if token.type != "COMMENT" and not (token.type == "_NEWLINE" and depth):
                yield token


def _ours(node: Any) -> Any:
    if isinstance(node, Node):
        return (node.rule, [_ours(child) for child in node.children])
    return node and (node.kind, node.text, node.start)


def _theirs(node: Any) -> Any:
    if isinstance(node, Tree):
        return (str(node.data), [_theirs(child) for child in node.children])
    return node and (node.type, str(node), node.start_pos)


@pytest.mark.parametrize("word", sorted(load_tables().words))
def test_no_keyword_of_the_grammar_is_undocumented(word: str) -> None:
    reference = (ROOT / "docs" / "reference" / "language.md").read_text("utf-8")
    code = "\n".join(re.findall(r"`[^`\n]+`|^    .*$", reference, re.MULTILINE))
    assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", code), f"{word} is not in docs/reference/language.md"
