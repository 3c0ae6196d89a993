"""Specs that no careful person would write: refused with a coded diagnostic, or carried out right."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Arena

pytestmark = pytest.mark.gauntlet
HEAD = 'campaign "c" { parallel 2 }\ntool t { command "/bin/true"; param x: int = 0; param s: string = "" }\n'
VERBS = ["check", "fmt", "plan", "exec"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(arena: Arena, wrong: Callable[..., str], verb: str, seed: int) -> None:
    (arena.folder / "x.camp").write_bytes(random.Random(seed).randbytes(4096))
    wrong(2, verb, "x.camp")


@pytest.mark.parametrize("seed", range(5))
def test_random_printable_text(arena: Arena, seed: int) -> None:
    generator = random.Random(seed)
    words = ["instance", "{", "}", "(", "[", '"', "/", "sweep", "=", "..", "1in7", "5mV", "a.b", "\n", "#", ";", "\\"]
    (arena.folder / "x.camp").write_text(HEAD + "".join(generator.choice(words) + " " for _ in range(3000)))
    for verb in VERBS:
        assert arena.call(verb, "x.camp").returncode == 2


BIG = {
    "comments": HEAD + "# padding\n" * 1_000_000 + "instance i { run t }\n",
    "one line": HEAD + 'about "' + "x" * 10_000_000 + '"\n',
    "braces": "{" * 10_000_000,
    "brackets": HEAD + "instance i { sweep x = " + "[" * 10_000_000,
    "instances": HEAD + "".join(f"instance i{number} {{ run t }}\n" for number in range(400_000)),
}


@pytest.mark.parametrize("kind", BIG)
@pytest.mark.parametrize("verb", ["check", "fmt"])
def test_ten_megabytes(arena: Arena, wrong: Callable[..., str], kind: str, verb: str) -> None:
    (arena.folder / "x.camp").write_text(BIG[kind])
    wrong(2, verb, "x.camp")


DEEP = 10_000
NESTED = {
    "parentheses": HEAD + "instance i { run t; expect " + "(" * DEEP + "true" + ")" * DEEP + " }\n",
    "not": HEAD + "instance i { run t; expect " + "not " * DEEP + "true }\n",
    "minus": HEAD + "instance i { x = " + "- " * DEEP + "1; run t }\n",
    "lists": HEAD + "instance i { run t; s = " + "[" * DEEP + "]" * DEEP + " }\n",
    "groups": HEAD + "group g {" * DEEP + "}" * DEEP + "\n",
    "plus": HEAD + "instance i { run t; x = " + "1 + " * DEEP + "1 }\n",
    "and": HEAD + "instance i { run t; expect " + "true and " * DEEP + "true }\n",
    "calls": HEAD + "instance i { run t; x = " + "abs(" * DEEP + "1" + ")" * DEEP + " }\n",
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("verb", VERBS)
def test_nested_ten_thousand_deep(arena: Arena, kind: str, verb: str) -> None:
    (arena.folder / "x.camp").write_text(NESTED[kind])
    done = arena.call(verb, "x.camp")
    said = done.stdout + done.stderr
    assert done.returncode == 0 or (done.returncode == 2 and "error[CAMP" in said), said[-2000:]


HUGE = HEAD.replace("int = 0", "int = 0; param y: int = 0; param z: int = 0") + (
    "instance i.{x}.{y}.{z} { sweep x = 1..10_000; sweep y = 1..10_000; sweep z = 1..10_000; run t }\n"
)


def test_a_million_million_cells(arena: Arena) -> None:
    (arena.folder / "x.camp").write_text(HUGE)
    assert arena.call("check", "x.camp").returncode == 0
    counted = arena.call("plan", "--count", "--format", "json", "x.camp")
    assert '"runs": 1000000000000' in counted.stdout.replace('":1', '": 1')
    listed = arena.call("plan", "--list", "--limit", "3", "x.camp")
    assert (listed.returncode, "i.1.1.3" in listed.stdout) == (0, True)


def test_of_a_million_million_cells_two_can_run(arena: Arena) -> None:
    (arena.folder / "x.camp").write_text(HUGE)
    assert arena.exec(arena.folder / "x.camp", "--limit", "2").returncode == 0
    assert arena.verdicts() == {"i.1.1.1#0": "pass", "i.1.1.2#0": "pass"}


INCLUDES = {
    "itself": 'include "x.camp"\n' + HEAD,
    "in a circle": 'include "y.camp"\n' + HEAD,
    "missing": 'include "nothing.camp"\n' + HEAD,
    "a folder": 'include "."\n' + HEAD,
    "a password file": 'include "../../../../../../../../etc/passwd"\n' + HEAD,
    "an endless device": 'include "/dev/zero"\n' + HEAD,
}


@pytest.mark.parametrize("kind", INCLUDES)
def test_includes(arena: Arena, wrong: Callable[..., str], kind: str) -> None:
    (arena.folder / "x.camp").write_text(INCLUDES[kind] + "instance i { run t }\n")
    (arena.folder / "y.camp").write_text('include "x.camp"\n')
    assert ":1:" in wrong(2, "check", "x.camp")


def test_an_exploding_regular_expression_is_linear(arena: Arena) -> None:
    spec = arena.spec('instance i { mode = "long-line"; run bad; expect not (output matches /(x+x+)+y/) }')
    assert arena.exec(spec).returncode == 0


@pytest.mark.parametrize("pattern", [r"(a)\1", "a(?=b)", "(?<!a)b", "[", "(", "a{1000000}", "(?P<", r"\p{Nonsense}"])
def test_patterns_that_are_not_linear_or_no_patterns(arena: Arena, wrong: Callable[..., str], pattern: str) -> None:
    (arena.folder / "x.camp").write_text(HEAD + f"instance i {{ run t; expect output matches /{pattern}/ }}\n")
    wrong(2, "check", "x.camp")


HOSTILE = [
    "../../etc",
    "/etc/passwd",
    "..",
    ".",
    "a/b",
    "a\\u{1b}[31mb",
    "x" * 4000,
    "\\u{202e}gpj",
    "\\u{0}",
    " ",
    "é" * 200,
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_in_names_stay_inside_the_run_root(arena: Arena, value: str) -> None:
    body = HEAD + f'instance i {{ sweep s = ["{value}", "fine"]; run t }}\n'
    (arena.folder / "x.camp").write_text(body)
    done = arena.exec(arena.folder / "x.camp")
    assert not {"\x1b", "\u202e", "\0"} & set(done.stdout + done.stderr)
    if done.returncode != 2:
        assert (done.returncode, sorted(arena.verdicts().values())) == (0, ["pass", "pass"])
    root = os.path.realpath(arena.workspace / "runs")
    written = [os.path.realpath(path) for path in arena.folder.rglob("*") if path.name == "run.json"]
    assert all(path.startswith(root + os.sep) for path in written)
    assert all(len(os.fsencode(part)) <= 120 for path in written for part in Path(path).relative_to(root).parts)


LABELS = ["../../etc", "a/b", "a..b", "x" * 5000, "a\u202eb", "a\x1bb", "-", "a b"]


@pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))
def test_hostile_labels(arena: Arena, label: str) -> None:
    (arena.folder / "x.camp").write_text(HEAD + f"instance {label} {{ run t }}\n")
    for verb in VERBS:
        done = arena.call(verb, "x.camp")
        said = done.stdout + done.stderr
        assert done.returncode == 0 or (done.returncode == 2 and "error[CAMP" in said), said
        assert not {"\x1b", "\u202e"} & set(said)


@pytest.mark.parametrize("text", ["\ufeff" + HEAD, HEAD.replace("\n", "\r\n")], ids=["a byte order mark", "CRLF"])
def test_files_of_other_editors(arena: Arena, text: str) -> None:
    (arena.folder / "x.camp").write_bytes((text + "instance i { run t }\n").encode())
    assert arena.exec(arena.folder / "x.camp").returncode == 0


def test_a_spec_that_is_no_file(arena: Arena, wrong: Callable[..., str]) -> None:
    for path in (".", "gone.camp", "a\nb"):
        wrong(2, "check", path)
        wrong(2, "plan", path)
        wrong(2, "exec", path)
