"""What can be wrong, as data: collected everywhere, rendered in ``cli/render.py`` only.

A diagnostic is found by a pure pass, kept in a list, and shown by whoever talks to the user: terminal, JSON,
SARIF, GitHub or an editor.  Nothing here prints or exits.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """How bad it is: an error stops, a warning and a note do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class ExitStatus(IntEnum):
    """The exit statuses of every verb, see ``docs/reference/cli.md``."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    SETUP = 3
    SAFETY = 4
    CANCELED = 5
    DEFECT = 70
    INTERRUPTED = 130


class Span(Struct, frozen=True):
    """A stretch of a file: 1-based lines and columns in code points, the end exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def to(self, other: Span) -> Span:
        """The stretch from the start of this one to the end of ``other``, in the same file."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)


class Related(Struct, frozen=True):
    """A second place that explains the first: «declared here», «limited there»."""

    span: Span
    message: str


class Diagnostic(Struct, frozen=True):
    """One thing that is wrong: code, one sentence, its place, and where possible what to write instead.

    ``code`` is ``CAMPnnn``; each has a page in ``campaign/codes``.  ``span`` is missing only for what has no place
    in a file, such as a missing tool.
    """

    code: str
    summary: str
    span: Span | None = None
    hint: str | None = None
    related: tuple[Related, ...] = ()
    severity: Severity = Severity.ERROR
    status: ExitStatus = ExitStatus.USAGE

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        return f"{place}{self.severity}[{self.code}]: {self.summary}"


class CampaignError(Exception):
    """Raised where work cannot go on; carries every diagnostic that was found, never just the first."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))

    @property
    def status(self) -> ExitStatus:
        """The exit status of the whole: safety before setup before usage."""
        found = {diagnostic.status for diagnostic in self.diagnostics if diagnostic.severity is Severity.ERROR}
        ranked = (ExitStatus.DEFECT, ExitStatus.SAFETY, ExitStatus.USAGE, ExitStatus.SETUP)
        return next((status for status in ranked if status in found), ExitStatus.USAGE)


def failed(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of these is an error."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
