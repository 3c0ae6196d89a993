"""The one layout: what it looks like, that it is stable, and that it never changes the tree."""

from __future__ import annotations

import random
import runpy
from itertools import chain
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.diagnostics import CampaignError
from campaign.language.format import WIDTH, format_source
from campaign.language.parser import parse
from campaign.language.source import Source

FUZZ = runpy.run_path(str(Path(__file__).with_name("fuzz.py")))


def formatted(text: str) -> str:
    """The canonical text, which is checked to be stable and the same tree."""
    written = format_source(Source("x", text))
    assert format_source(Source("x", written)) == written
    assert FUZZ["bare"](parse(Source("x", written))[0]) == FUZZ["bare"](parse(Source("x", text))[0])
    return written


def test_the_layout() -> None:
    messy = """\


        # head
        use   a ,b # aside
          group  a{ # of the block
        # own
         x=1;yy = [ 1,2 , # first

           3 , # second
         # third
           4
         ] # last

         # two words



         k.l = -5 ; z= 1 ..  step 2
         run a :b {x=1;y=2 } ; run c {

        }
         fault process.kill{ at=1s .. 2s;for=500ms }
         sweep (a,b)=[ (1,2),(3,4)]
         sweep chaos = fault{kill:process.kill{at=1s};none}
         expect (a==1
            and b!=2) :"why" # because
         retry {
           attempts=3 }
         }# end
        instance {b}.c { expect len ( x )>=5 - 3 or not(a) :"x" }
        # tail
    """
    assert formatted(dedent(messy)) == dedent(
        """\
        # head
        use a, b  # aside
        group a {  # of the block
          # own
          x = 1
          yy = [1, 2,  # first
            3,  # second
            # third
            4
          ]  # last

          # two words

          k.l = -5
          z   = 1.. step 2
          run a: b { x = 1; y = 2 }
          run c { }
          fault process.kill { at = 1s..2s; for = 500ms }
          sweep (a, b) = [(1, 2), (3, 4)]
          sweep chaos  = fault { kill: process.kill { at = 1s }; none }
          expect (a == 1
            and b != 2) : "why"  # because
          retry {
            attempts = 3
          }
        }  # end
        instance {b}.c { expect len(x) >= 5 - 3 or not (a) : "x" }
        # tail
        """
    )


def test_neighbouring_settings_are_aligned_and_others_are_not() -> None:
    text = "group g {\na = 1\nlonger = 2\n\nb = 3\n# comment\nlongest = 4\nseed-x = [\n1]\nc = 5\nsweep d = [1]\nsweep dd = [1]\n}\n"
    assert formatted(text).splitlines()[1:-1] == [
        *("  a      = 1", "  longer = 2", "", "  b = 3", "  # comment", "  longest = 4"),
        *("  seed-x = [", "    1]", "  c = 5", "  sweep d  = [1]", "  sweep dd = [1]"),
    ]


def test_a_block_on_one_line_stays_there_while_it_fits() -> None:
    short = "tier quick { seeds 1..3; timeout 20s }\n"
    assert formatted("tier quick{seeds 1..3;;timeout 20s;}") == short
    long = f'tier quick {{ about "{"x" * (WIDTH - 40)}"; timeout 20s; parallel 2 }}\n'
    assert formatted(long).splitlines()[1:] == [f'  about "{"x" * (WIDTH - 40)}"', "  timeout 20s", "  parallel 2", "}"]


def test_line_ends_are_newlines_and_the_file_ends_with_one() -> None:
    assert formatted("use a\r\n\r\n\r\n# b\r\nuse c") == "use a\n\n# b\nuse c\n"
    assert formatted("") == ""
    assert formatted("\n\n  \n") == ""
    assert formatted("# only\n\n") == "# only\n"


def test_what_does_not_parse_is_not_formatted() -> None:
    with pytest.raises(CampaignError) as raised:
        format_source(Source("x", "group {\n"))
    assert [one.code for one in raised.value.diagnostics] == ["CAMP019", "CAMP016"]
    with pytest.raises(CampaignError):
        format_source(Source("x", "group a {\n" * 10_000 + "}\n" * 10_000))


@pytest.mark.parametrize("text", FUZZ["corpus"](), ids=lambda text: text[:20])
def test_every_clean_spec_of_the_repository(text: str) -> None:
    if parse(Source("x", text))[1]:
        pytest.skip("has errors on purpose")
    formatted(text)


def test_the_example_of_the_reference() -> None:
    reference = (FUZZ["ROOT"] / "docs" / "reference" / "language.md").read_text("utf-8")
    example = reference.split("```")[1].lstrip("\n")
    assert [line.split() for line in formatted(example).splitlines()] == [line.split() for line in example.splitlines()]


# --- specs that hypothesis makes: a list of tokens, each with what may part it from the next

_NAMES = st.sampled_from(["a", "b-c", "true_color", "timeout", "or-b", "seed", "in_x", "process", "duration"])
_DOTTED = st.builds("{}.{}".format, _NAMES, _NAMES)
_VALUES = st.sampled_from(
    [
        "1",
        "10_000",
        "0.5",
        "5mV",
        "1h30m",
        "90%",
        "true",
        '"text"',
        '"{a}#{{"',
        r'"\"\\"',
        "duration",
        "oracle.ok",
        "step.L[1].exit.ok",
    ]
)


def _operators(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    operator = st.sampled_from(["or", "and", "+", " - ", "*", "/", "not"])
    return st.one_of(
        st.builds(
            lambda a, o, b: ["(", *a, o, *b, ")"] if o != "not" else ["(", "not", *b, ")"], inner, operator, inner
        ),
        st.builds(lambda a: ["-", "~", "(", *a, ")"], inner),
        st.builds(lambda a, b: ["[", *a, ",", *b, ",", "]"], inner, inner),
        st.builds(lambda a, b: ["max", "(", *a, ",", *b, ")"], inner, inner),
        st.builds(lambda a, b: ["(", *a, "..", *b, "step", "2", ")"], inner, inner),
        st.builds(lambda a, b, o: ["(", *a, o, *b, ")"], inner, inner, st.sampled_from(["==", "<=", "in", "contains"])),
    )


_EXPRESSIONS = st.recursive(st.builds(lambda one: [one], st.one_of(_VALUES, _NAMES)), _operators, max_leaves=8)
_PLAIN_CLAUSES = st.one_of(
    st.builds(lambda name, value: [name, "=", *value], st.one_of(_NAMES, _DOTTED), _EXPRESSIONS),
    st.builds(lambda value: ["timeout", *value], _EXPRESSIONS),
    st.builds(lambda value: ["expect", *value, ":", '"why"'], _EXPRESSIONS),
    st.builds(lambda name, value: ["sweep", name, "=", *value, "jitter", "5mV"], _NAMES, _EXPRESSIONS),
    st.builds(lambda a, b: ["sweep", "(", a, ",", b, ")", "=", "[", "(", "1", ",", "2", ")", "]"], _NAMES, _NAMES),
    st.builds(lambda a, b: ["tags", a, ",", b], _NAMES, _NAMES),
    st.just(["needs", "gpu", "=", "1", ",", "ram", "=", "2"]),
    st.just(["pass-env", "secret", "X", ",", "Y"]),
)


def _blocks(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    body = st.lists(st.builds(lambda clause: [*clause, "\n"], inner), max_size=4).map(
        lambda clauses: list(chain.from_iterable(clauses))
    )
    heads = st.sampled_from(
        [
            ["run", "x", ":", "y.z"],
            ["retry"],
            ["in", "tier-a"],
            ["fault", "process.kill"],
            ["group", "a.{b}.1c"],
            ["instance", "{c}-d"],
        ]
    )
    return st.builds(lambda head, clauses: [*head, "{", "\n", *clauses, "}"], heads, body)


_CLAUSES = st.recursive(_PLAIN_CLAUSES, _blocks, max_leaves=10)
_SPECS = st.lists(st.builds(lambda clause: ["group", "g", "{", "\n", *clause, "\n", "}", "\n"], _CLAUSES), max_size=4)


def _spelt(tokens: list[str], chance: random.Random) -> str:
    """The tokens with any space, comments and line ends that the language allows between them."""
    text, depth = "", 0
    for token in tokens:
        if token == "\n":
            text += chance.choice(["\n", ";", "\n\n\n", " # note\n", "\n  # own line\n", "\r\n", " ; \n"])
            continue
        if token in (")", "]"):
            depth -= 1
        if token != "~":
            text += token
        depth += token in ("(", "[")
        text += "" if token in ("-", "~") else chance.choice([" ", "  ", "\t"])
        if depth and token not in ("-", "~") and chance.random() < 0.2:
            text += chance.choice(["\n", "\n\n", "# inside\n", " \n  "])
    return text


@settings(max_examples=100, deadline=None)
@given(_SPECS, st.randoms(use_true_random=False))
def test_formatting_twice_changes_nothing_and_never_the_tree(spec: list[list[str]], chance: random.Random) -> None:
    text = _spelt(list(chain.from_iterable(spec)), chance)
    assert [str(one) for one in parse(Source("x", text))[1] if one.code not in ("CAMP013", "CAMP005")] == [], text
    if not parse(Source("x", text))[1]:
        formatted(text)


def test_a_minus_sign_stands_close_to_its_value() -> None:
    assert formatted("group g { x = - 2; y = [- 1, - - 3, 5 - - 4] }") == "group g { x = -2; y = [-1, --3, 5 - -4] }\n"
