from campaign.cli.github import github_annotations
from campaign.diagnostics import Diagnostic, Severity, Span


def test_place_and_message() -> None:
    found = Diagnostic("CAMP101", "no such name", Span("a.camp", 2, 3, 2, 6), hint="write b")
    expected = "::error file=a.camp,line=2,endLine=2,col=3,endColumn=5,title=CAMP101::no such name%0Awrite b"
    assert github_annotations([found]) == expected


def test_a_message_cannot_forge_a_command() -> None:
    found = Diagnostic("CAMP101", "100%\r\n::set-output name=x::y", severity=Severity.NOTE)
    assert github_annotations([found]) == "::notice title=CAMP101::100%25%0D%0A::set-output name=x::y"


def test_properties_escape_what_parts_them() -> None:
    found = Diagnostic("CAMP101", "odd", Span("a,b:c%.camp", 1, 1, 2, 1), severity=Severity.WARNING)
    assert github_annotations([found]) == "::warning file=a%2Cb%3Ac%25.camp,line=1,endLine=2,title=CAMP101::odd"
