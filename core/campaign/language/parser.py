"""Text to tree: every error of a file in one go, each at its clause.

The automaton refuses a token that cannot stand where it does.  Then what was begun of the clause is given up, the
grammar's error production takes its place, the rest of the clause is skipped, and parsing goes on behind it, inside
its block too.  So an error costs one clause, and time stays linear however many there are.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from campaign.diagnostics import Diagnostic, Severity
from campaign.language import syntax
from campaign.language.automaton import Automaton, Node
from campaign.language.build import Builder
from campaign.language.build_expressions import expression
from campaign.language.literals import Unreadable
from campaign.language.messages import Complaint, explain, misspelt, unclosed_brace, unopened_brace
from campaign.language.names import nearest
from campaign.language.source import MAX_ERRORS, Source, refused_characters
from campaign.language.tokens import BROKEN, END, NEWLINE, Layout, Lexer, Token
from campaign_grammar.tables import load_tables

# What skipping must see: what ends a clause, what hides such ends, and what opens and closes brackets.
_SKIPPED = re.compile(
    r"""(?P<hidden>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|'[^'\n]*'|\#[^\n]*|\{[A-Za-z_][\w.\-]*(?::\w+)?\}|/(?:[^/\\\n]|\\.)+/)
      | (?P<end>[\n;{}])
      | (?P<open>[(\[])
      | (?P<close>[)\]])""",
    re.VERBOSE,
)
_INDENT = re.compile(r"[ \t]{0,200}")
_ENDS = frozenset((NEWLINE, "SEMICOLON", "LBRACE", "RBRACE"))
_LINE_ENDS = frozenset((NEWLINE, "SEMICOLON"))


def parse(source: Source) -> tuple[syntax.File, list[Diagnostic]]:
    """The tree of what was understood, and every syntax error, in the order of their places."""
    _, file, problems = read(source)
    return file, problems


def read(source: Source) -> tuple[Run, syntax.File, list[Diagnostic]]:
    """As ``parse``, with the tokens and comments that the formatter needs."""
    run = Run(source, "file")
    root = run.parse()
    assert root is not None, "a file can always be recovered"
    builder = Builder(source, run.tokens)
    file = builder.file(root)
    if run.missing_brace is not None or len(run.errors) >= MAX_ERRORS:
        file = syntax.File(file.path, file.declarations, file.damaged, lost=True)
    problems = [problem for problem in builder.problems if not _consequence(problem, run.missing_brace, source)]
    return run, file, _bounded(run.errors + problems)


def parse_expression(text: str, path: str, line: int, column: int) -> tuple[syntax.Expr | None, list[Diagnostic]]:
    """A value or a condition that stands elsewhere: on a command line, in a rule set.

    ``line`` and ``column`` say where its first character stands in ``path``.
    """
    source = Source(path, text, line, column)
    problems = refused_characters(source, text)
    run = Run(source, "expression")
    root = None if problems else run.parse()
    found = None
    if root is not None and not run.errors:
        try:
            found = expression(source, root.children[0])
        except Unreadable as error:
            problems.append(error.diagnostic)
    return found, _bounded(problems + run.errors)


class Run:
    """One parse with recovery: ``errors`` and ``tokens`` (without comments and hidden line ends) are its results."""

    def __init__(self, source: Source, start: str) -> None:
        self.source = source
        self.errors: list[Diagnostic] = []
        self.tokens: list[Token] = []
        self.layout = Layout()
        self.missing_brace: Token | None = None
        self._start = start
        self._lexer = Lexer(source.text)
        self._automaton = Automaton(load_tables(), start)
        self._braces: list[Token] = []
        self._bases = [self._automaton.height]  # where the clause began, for each open block
        self._suspect: Token | None = None
        self._quiet = False  # the clause was complained about already
        self._headless = False  # the clause before lacks its block, and that was said

    def parse(self) -> Node | None:
        """The root, or None for an expression that is none."""
        while True:
            token = self._lexer.next(self._automaton.state)
            if self.layout.hides(token):
                continue
            if (self._unbalanced(token) or not self._take(token)) and not self._recover(token):
                return None
            if token.kind == END:
                return self._automaton.result()

    def _unbalanced(self, token: Token) -> bool:
        """Whether the token ends a block that is not open, or the file in one that is; it must not be fed then.

        The automaton would reduce what stands before it, and there would be no place left to go on from.
        """
        return (token.kind == "RBRACE" and not self._braces) or (token.kind == END and bool(self._braces))

    def _take(self, token: Token) -> bool:
        if not self._automaton.feed(token):
            return False
        self.layout.follow(token)
        if token.kind == "LBRACE":
            self._braces.append(token)
            self._bases.append(0)
        elif token.kind == "RBRACE":
            self._close(token)
        if token.kind in _LINE_ENDS or token.kind == "LBRACE":
            self._bases[-1] = self._automaton.height
            self._quiet = False
        if token.kind not in _LINE_ENDS:
            self._headless = False
        self.tokens.append(token)
        return True

    def _close(self, closing: Token) -> None:
        """Match braces; one that closes a block further left than it began tells where another was forgotten."""
        opening = self._braces.pop()
        self._bases.pop()
        column, first = self._indent(closing)
        if self._suspect is None and first and column < self._indent(opening)[0]:
            self._suspect = opening

    def _indent(self, token: Token) -> tuple[int, bool]:
        """How far the token's line is indented, and whether the token is the first on it."""
        start = token.start - self.source.span(token.start, token.start).column + 1
        match = _INDENT.match(self.source.text, start)
        end = match.end() if match else start
        return end - start, end == token.start

    # --- recovery

    def _recover(self, token: Token) -> bool:
        """Report what is wrong and go on behind it; False where nothing can follow."""
        if self._start != "file":
            self._complain(token)
            return False
        if token.kind == END:
            self._end(token)
        elif token.kind == "RBRACE" and not self._braces and self._automaton.accepts(NEWLINE):
            self._report(unopened_brace(self.source, token))
        elif not self._replace(token):
            self._give_up(token)
        if len(self.errors) >= MAX_ERRORS:
            self._lexer.position = len(self.source.text)
            self._quiet = True
        return True

    def _end(self, token: Token) -> None:
        """The end of the file: close what is open, so that a tree comes out."""
        if not self._automaton.accepts(NEWLINE):
            self._complain(token)
            self._abandon(token.start)
        if self._braces:
            self.missing_brace = self._suspect or self._unclosed()
            self._report(unclosed_brace(self.source, self.missing_brace))
        while self._braces:
            self._take(Token("RBRACE", "", token.start))
        self._take(token)

    def _unclosed(self) -> Token:
        """The brace that was probably forgotten: a block that holds one which is not indented further."""
        columns = [self._indent(brace)[0] for brace in self._braces]
        suspects = (
            brace for brace, (here, inside) in zip(self._braces, pairwise(columns), strict=False) if inside <= here
        )
        return next(suspects, self._braces[-1])

    def _replace(self, token: Token) -> bool:
        """Take a misspelt keyword for the one that was meant, so that what follows it is still understood."""
        if token.kind != "NAME" or not self._automaton.accepts(BROKEN):
            return False
        words = {word: kind for word, kind in load_tables().words.items() if self._automaton.accepts(kind)}
        near = nearest(token.text, words)
        if near is None:
            return False
        self._report(misspelt(self.source, token, near))
        self._take(Token(words[near], token.text, token.start))
        self._quiet = True
        return True

    def _give_up(self, token: Token) -> None:
        """Let the error production stand for this clause; its block, where it has one, is parsed as any other."""
        headless = token.kind == NEWLINE and self._automaton.accepts("LBRACE")
        self._complain(token)
        if token.kind not in _ENDS:
            self._lexer.position = self._end_of_clause()
            self._abandon(token.start)
            return
        self._abandon(token.start)
        if token.kind != "RBRACE" or self._braces:
            self._take(token)
        self._headless = headless

    def _abandon(self, place: int) -> None:
        self._automaton.cut(self._bases[-1])
        self._automaton.feed(Token(BROKEN, "", place))
        self.layout.opened.clear()

    def _end_of_clause(self) -> int:
        """Where the clause ends that the last token belongs to, as far as brackets and line ends tell."""
        text, opened, depth = self.source.text, self.layout.opened, 0
        position = opened[0].start if opened else self.tokens[-1].end if self.tokens else 0
        for match in _SKIPPED.finditer(text, position):
            if match["open"]:
                depth += 1
            elif match["close"]:
                depth = max(0, depth - 1)
            elif match["end"] and (depth == 0 or match["end"] != "\n" or _clause_ahead().match(text, match.end())):
                return match.start()
        return len(text)

    # --- what is wrong

    def _complain(self, token: Token) -> None:
        if not self._quiet and not (self._headless and token.kind == "LBRACE"):
            last = self.tokens[-1] if self.tokens else None
            self._report(explain(Complaint(self.source, self._automaton, last, token, tuple(self.layout.opened))))

    def _report(self, diagnostic: Diagnostic) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(diagnostic)


@cache
def _clause_ahead() -> re.Pattern[str]:
    """A line that begins a clause: in brackets it tells that one was never closed."""
    tables = load_tables()
    keywords = "|".join(word for word, kind in tables.words.items() if kind in tables.states[tables.starts["file"][0]])
    return re.compile(rf"[ \t\r]*(?:[A-Za-z_][\w.\-]*[ \t]*=(?!=)|(?:{keywords})[ \t]+[\w\"{{])")


def _bounded(problems: list[Diagnostic]) -> list[Diagnostic]:
    """In the order of their places; of very many the first ones, and a note."""
    problems.sort(key=lambda problem: (problem.span.line, problem.span.column) if problem.span else (0, 0))
    if len(problems) < MAX_ERRORS:
        return problems
    summary = f"only the first {MAX_ERRORS} errors of this file are shown"
    note = Diagnostic("CAMP006", summary, problems[MAX_ERRORS - 1].span, severity=Severity.NOTE)
    return [*problems[:MAX_ERRORS], note]


def _consequence(problem: Diagnostic, missing: Token | None, source: Source) -> bool:
    """Whether something only seems to stand in the wrong block, because a block before it was never closed."""
    if missing is None or problem.code != "CAMP013" or problem.span is None:
        return False
    brace = source.at(missing)
    return (problem.span.line, problem.span.column) > (brace.line, brace.column)
