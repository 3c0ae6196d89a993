import io

from hypothesis import given
from hypothesis import strategies as st

from campaign.cli.lines import Lines
from campaign.cli.render import counted, diagnostics_json, diagnostics_text, print_diagnostics
from campaign.diagnostics import Diagnostic, Related, Severity, Span

SPEC = Lines({"x.camp": b"tool a {\n\tparam thread: int = 4\n}\n"})
UNKNOWN = Diagnostic(
    "CAMP101",
    "there is no parameter thread",
    Span("x.camp", 2, 8, 2, 14),
    hint="write threads",
    related=(Related(Span("x.camp", 1, 1, 3, 2), "of this tool"),),
)


def test_place_sentence_source_marks_related_places_and_hint() -> None:
    assert diagnostics_text([UNKNOWN], SPEC) == "\n".join([
        "x.camp:2:8: error[CAMP101]: there is no parameter thread",
        " 2 |     param thread: int = 4",
        "   |           ^^^^^^",
        "   = of this tool: x.camp:1:1",
        " 1 | tool a {",
        "   | ^^^^^^^^ … to line 3",
        "   = write threads",
    ])  # fmt: skip


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b[1;31m" in diagnostics_text([UNKNOWN], SPEC, colour=True)
    stream = io.StringIO()
    print_diagnostics([UNKNOWN], stream, SPEC)
    assert "\x1b" not in stream.getvalue()


def test_without_a_place_or_a_file_the_sentence_remains() -> None:
    assert diagnostics_text([Diagnostic("CAMP572", "gone")], SPEC) == "error[CAMP572]: gone"
    lost = Diagnostic("CAMP101", "odd", Span("lost.camp", 9, 1, 9, 2))
    assert diagnostics_text([lost], Lines(read=lambda _: b"")) == "lost.camp:9:1: error[CAMP101]: odd"


def test_counts_are_in_words() -> None:
    warning = Diagnostic("CAMP102", "odd", severity=Severity.WARNING)
    assert counted([UNKNOWN, UNKNOWN, warning]) == "2 errors, 1 warning"
    assert counted([]) == ""


def test_json_has_every_field() -> None:
    [found] = diagnostics_json([UNKNOWN])
    assert (found["file"], found["line"], found["column"], found["end_column"]) == ("x.camp", 2, 8, 14)
    assert found["related"] == [
        {"message": "of this tool", "file": "x.camp", "line": 1, "column": 1, "end_line": 3, "end_column": 2}
    ]


@given(st.text(), st.text(), st.integers(1, 4), st.integers(1, 40))
def test_no_text_of_a_user_reaches_the_terminal_raw(summary: str, path: str, line: int, column: int) -> None:
    hostile = Diagnostic("CAMP101", summary, Span(path, line, column, line, column + 1), hint=summary)
    text = diagnostics_text([hostile], Lines(read=lambda _: summary.encode("utf-8", "replace")))
    assert not set(text) & {"\x1b", "\r", "\x07", "\u202e", "\u2066", "\x9b"}
