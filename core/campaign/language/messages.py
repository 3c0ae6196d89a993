"""What is wrong with a token, in the user's terms: what was expected, what stands there, and what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Related
from campaign.language.automaton import Automaton
from campaign.language.source import Source
from campaign.language.tokens import BROKEN, END, NEWLINE, Token


class Complaint(Struct, frozen=True):
    """``token`` cannot stand behind ``last``; ``opened`` are the brackets that are open there."""

    source: Source
    automaton: Automaton
    last: Token | None
    token: Token
    opened: tuple[Token, ...]

    @property
    def begins(self) -> bool:
        """Whether a clause should begin here."""
        return self.automaton.accepts(BROKEN)

    def diagnostic(self, code: str, summary: str, hint: str | None = None) -> Diagnostic:
        """A diagnostic at the token; the end of a line is shown behind the last token on it."""
        start, end = self.token.start, self.token.end
        if self.token.kind in (NEWLINE, END):
            start = end = self.last.end if self.last else start
            end += 1
        return Diagnostic(code, summary, self.source.span(start, end), hint)


def explain(complaint: Complaint) -> Diagnostic:
    """The diagnostic of a refused token: the first explanation that fits."""
    return next(found for found in (explanation(complaint) for explanation in _EXPLANATIONS) if found is not None)


def misspelt(source: Source, token: Token, near: str) -> Diagnostic:
    """A clause whose keyword is nearly one."""
    span = source.at(token)
    return Diagnostic("CAMP018", f"no clause begins with {shown_token(token)}", span, f"did you mean {near}?")


def unopened_brace(source: Source, token: Token) -> Diagnostic:
    """A ``}`` too many."""
    span = source.at(token)
    return Diagnostic(
        "CAMP017", "this } closes nothing", span, "take it out, or look for a { that is missing before it"
    )


def unclosed_brace(source: Source, token: Token) -> Diagnostic:
    """A ``{`` without its ``}``."""
    return Diagnostic("CAMP016", "this { is never closed", source.at(token), "add its }")


# --- explanations, from the most particular to the general one


def _unclosed_string(complaint: Complaint) -> Diagnostic | None:
    if complaint.token.kind != "UNCLOSED_STRING":
        return None
    return complaint.diagnostic(
        "CAMP014", "this string is not closed on its line", r'add the closing "; a line break is written \n'
    )


def _unclosed_bracket(complaint: Complaint) -> Diagnostic | None:
    """Brackets may span lines; what cannot stand in them at all, or not at the start of a line, blames the bracket."""
    if not complaint.opened or complaint.last is None:
        return None
    culprit = complaint.last if complaint.token.kind == "EQUALS" else complaint.token
    before = complaint.source.text[complaint.opened[-1].end : culprit.start].rstrip(" \t")
    if culprit.kind not in ("LBRACE", "RBRACE", "SEMICOLON", END) and not before.endswith("\n"):
        return None
    bracket, place = complaint.opened[-1], complaint.source.span(culprit.start, max(culprit.end, culprit.start + 1))
    wanted = ")" if bracket.kind == "LPAR" else "]"
    related = Related(place, f"expected {wanted} before this")
    summary = f"this {bracket.text} is never closed"
    return Diagnostic("CAMP015", summary, complaint.source.at(bracket), f"add its {wanted}", (related,))


def _minus(complaint: Complaint) -> Diagnostic | None:
    if complaint.token.text != "-" or not complaint.automaton.accepts("MINUS"):
        return None
    return complaint.diagnostic("CAMP020", "a minus between two values has a space on both sides", "write a - b, or -5")


def _stray(complaint: Complaint) -> Diagnostic | None:
    if complaint.token.kind != "OTHER" or complaint.token.text == "-":
        return None
    char = complaint.token.text
    return complaint.diagnostic("CAMP004", f"{_quoted(char)} has no meaning here", _HINTS.get(char))


def _beginning(complaint: Complaint) -> Diagnostic | None:
    if not complaint.begins:
        return None
    token, text = complaint.token, complaint.source.text
    if token.kind == "LBRACE":
        return complaint.diagnostic("CAMP018", "no clause begins with `{`", "a block begins on the line of its clause")
    hint = None
    if token.kind in ("NAME", "DOTTED"):
        following = text[token.end : token.end + 80].lstrip(" \t")
        hint = f"a setting is written {_short(token.text)} = value"
        if following.startswith("=="):
            hint = "== compares; a setting has one ="
        elif following.startswith(":"):
            hint = "a label stands behind its keyword, as in run label: tool"
    return complaint.diagnostic("CAMP018", f"no clause begins with {shown_token(token)}", hint)


def _equals(complaint: Complaint) -> Diagnostic | None:
    kind, accepts = complaint.token.kind, complaint.automaton.accepts
    if kind == "EQUALS" and accepts("EQ"):
        return complaint.diagnostic("CAMP019", "`=` sets a value and cannot stand in a condition", "== compares")
    if kind == "EQ" and accepts("EQUALS"):
        return complaint.diagnostic("CAMP019", "`==` compares, here a value is set", "write =")
    return None


def _unclosed_regex(complaint: Complaint) -> Diagnostic | None:
    if complaint.token.kind != "SLASH" or not complaint.automaton.accepts("REGEX"):
        return None
    return complaint.diagnostic(
        "CAMP014", "this regular expression is not closed on its line", r"it ends with /; a slash in it is \/"
    )


def _expected(complaint: Complaint) -> Diagnostic:
    wanted = _wanted(complaint.automaton.expected())
    behind = f" after {shown_token(complaint.last)}" if complaint.last and complaint.last.text.strip(";\n") else ""
    found = shown_token(complaint.token)
    return complaint.diagnostic("CAMP019", f"expected {wanted}{behind}, not {found}", _hint(complaint))


def _hint(complaint: Complaint) -> str | None:
    token, last = complaint.token, complaint.last
    if last is None:
        return None
    if token.kind in _ITEMS and last.kind in _ITEMS and complaint.automaton.accepts("COMMA"):
        return "items are parted by commas"
    if token.kind == "LBRACE" and last.kind in ("TIER", "TOOL", "REPORT", "GROUP", "INSTANCE"):
        return f"write {last.text} NAME {{"
    if token.kind in _RELATIONS and complaint.automaton.accepts("AND"):
        return "compare twice: a < b and b < c"
    if last.text == "campaign":
        return f'write campaign "{_short(token.text) if token.kind == "NAME" else "name"}" {{'
    return None


_EXPLANATIONS: tuple[Callable[[Complaint], Diagnostic | None], ...] = (
    _unclosed_string,
    _unclosed_bracket,
    _minus,
    _stray,
    _beginning,
    _equals,
    _unclosed_regex,
    _expected,
)
_HINTS = {
    "'": "text stands in double quotes",
    "`": "text stands in double quotes",
    "“": "text stands in straight double quotes",
    "”": "text stands in straight double quotes",
    "&": "write and",
    "|": "write or",
    "!": "write not; or != for unequal",
    "$": "a value of the environment is written {env.NAME} in a string",
    ".": "a name or a number ends here; text stands in double quotes",
}

# --- words

_RELATIONS = frozenset(("EQ", "NE", "LE", "GE", "LT", "GT"))
_ITEMS = frozenset(("NAME", "NUMBER", "STRING"))
_VALUES = frozenset(("NUMBER", "STRING", "NAME", "DOTTED", "TRUE", "FALSE", "LPAR", "LSQB", "NEGATIVE", "REGEX", "NOT"))
_OPERATORS = frozenset(
    "OR AND EQ NE LE GE LT GT IN CONTAINS MATCHES PLUS MINUS STAR SLASH RANGE_DOTS STEP".split()  # noqa: SIM905 - shorter
)
_END_OF_CLAUSE = frozenset((NEWLINE, "SEMICOLON", "RBRACE", END))
_NAMES = {
    "NAME": "a name",
    "DOTTED": "a name",
    "LABEL": "a label",
    "PATH": "a label",
    "ITEM_LABEL": "a label",
    "STRING": "a string",
    "NUMBER": "a number",
    "REGEX": "a regular expression /…/",
    "SETTING": "a setting",
    "COMMA": "`,`",
    "COLON": "`:`",
    "EQUALS": "`=`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "CHOICE_KIND": "fault { … }",
}


def _wanted(kinds: set[str]) -> str:
    """What could stand there, said shortly: a value rather than all that begins one."""
    words = []
    if len(kinds & _VALUES) > 5:
        words.append("a value")
        kinds = kinds - _VALUES - {"CHOICE_KIND"}
    if len(kinds & _OPERATORS) > 3:
        kinds -= _OPERATORS
    if kinds & _END_OF_CLAUSE:
        kinds = kinds - _END_OF_CLAUSE
        words.append("the end of the clause")
    words.extend(
        sorted(
            {_NAMES.get(kind, f"`{kind.lower().replace('_', '-')}`") for kind in kinds},
            key=lambda word: word.strip("`"),
        )
    )
    return _either(words[:5])


def _either(words: Iterable[str]) -> str:
    *most, last = words or ("something else",)
    return f"{', '.join(most)} or {last}" if most else last


def shown_token(token: Token) -> str:
    """A token as a sentence names it."""
    if token.kind == NEWLINE:
        return "the end of the line"
    return "the end of the file" if token.kind == END else _quoted(_short(token.text))


def _quoted(text: str) -> str:
    return f"`{text}`" if text.isprintable() else f"U+{ord(text[0]):04X}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
