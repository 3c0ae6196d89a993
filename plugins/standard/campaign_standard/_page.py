"""The page of the ``html`` report: what its templates are given, and how hostile text is kept harmless.

Whatever stands in braces in a template is cut to a bearable length, freed of what cannot be seen, and escaped; the
templates run in a sandbox, because they may be a stranger's.  The page's policy allows its own style and script by
their hashes, and nothing else.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup
from msgspec import Struct

from campaign.plugins.analyzed import in_report, percent
from campaign.plugins.api import UnableError, UniqueFailure, Value
from campaign.plugins.results import Choice, Distribution, Panel, Results, Shmoo
from campaign_standard import _pictures
from campaign_standard._plain import plain
from campaign_standard._words import notes_of, title_of

TEMPLATES = os.path.join(os.path.dirname(__file__), "page")
_PIECES = 200  # of a template's output, written together
_MOST_FAILURES, _MOST_EXCERPTS, _MOST_REMARKS, _MOST_SKIPPED = 200, 50, 200, 200
#: A text that a template writes, in letters; a page of a million letters in one field is nobody's friend.
_LONGEST = 4_000


#: What a mistake in a template may raise.
_MISTAKES = (
    *(TemplateError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError, RecursionError),
    *(NotImplementedError, PermissionError),
)


class FailureStory(Struct, frozen=True):
    """A unique failure with the end of its first run's output."""

    failure: UniqueFailure
    excerpt: str


def write_page(results: Results, settings: Mapping[str, Value], write: Callable[[str | bytes], None]) -> None:
    """Fill ``page.html``; raises UnableError with the place where a template is wrong."""
    environment = _environment(settings.get("template"), results.target.beside)
    try:
        stream = environment.get_template("page.html").stream(_context(results, settings))
        stream.enable_buffering(_PIECES)
        for piece in stream:
            write(piece)
    except TemplateSyntaxError as error:
        raise UnableError(f"{error.filename or error.name}, line {error.lineno}: {error.message}") from error
    except _MISTAKES as error:
        if "template" not in settings:
            raise
        raise UnableError(f"the templates in {settings['template']}{_line(error)}: {error}") from error


def _line(error: BaseException) -> str:
    """Where in a template it went wrong: the innermost line of one."""
    place, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.endswith(".html"):
            place = f", {os.path.basename(name)} line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _environment(template: Value | None, linked: bool) -> ImmutableSandboxedEnvironment:
    folders = [template] if isinstance(template, str) else []
    if folders and not os.path.isdir(folders[0]):
        raise UnableError(f"there is no folder {folders[0]} with templates")
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in (*folders, TEMPLATES)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "percent": percent,
        "number": _pictures.short,
        "took": _pictures.took,
        "when": _when,
        "sha256": _digest,
        "title": title_of,
    }
    environment.globals |= {
        "shmoo_picture": _shmoo,
        "timeline_picture": lambda timeline: Markup(_pictures.timeline_picture(timeline)),  # noqa: S704 - escaped there
        "watched_picture": lambda watched: Markup(_pictures.watched_picture(watched)),  # noqa: S704 - escaped there
        "distribution_picture": _distribution,
        "colour": _pictures.class_of,
        "told": _pictures.told,
        "notes": lambda shmoo: list(notes_of(shmoo)),
        "link": _link if linked else lambda _: None,
    }
    return environment


def _context(results: Results, settings: Mapping[str, Value]) -> dict[str, Any]:
    summary = results.summary
    shown, analysis = summary.failures[:_MOST_FAILURES], results.analysis()
    excerpts = (results.excerpt(each.evidence) if number < _MOST_EXCERPTS else "" for number, each in enumerate(shown))
    return {
        "summary": summary,
        "about": results.about,
        "at": results.at,
        "plan": results.plan,
        "host": results.host,
        "folder": results.folder,
        "overview": results.overview(_choice(settings)),
        "failures": [FailureStory(each, excerpt) for each, excerpt in zip(shown, excerpts, strict=True)],
        "analysis": [] if analysis is None else list(in_report(analysis)),
        "failures_left_out": len(summary.failures) - len(shown),
        "remarks": summary.remarks[:_MOST_REMARKS],
        "remarks_left_out": max(0, len(summary.remarks) - _MOST_REMARKS),
        "skipped": summary.skipped[:_MOST_SKIPPED],
        "skipped_left_out": max(0, len(summary.skipped) - _MOST_SKIPPED),
        "decided": sum(summary.verdicts.values()),
    }


def _choice(settings: Mapping[str, Value]) -> Choice:
    given = {name: settings[name] for name in ("x", "y", "panels", "bars", "runs") if name in settings}
    return Choice(**given)  # type: ignore[arg-type]  # of these types by the schema


# --- what templates call ----------------------------------------------------------------------------------------


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(value, _LONGEST)
    return "" if value is None else value


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode("utf-8", "backslashreplace")).digest()).decode()


def _shmoo(shmoo: Shmoo, panel: Panel) -> Markup:
    return Markup(_pictures.shmoo_panel(shmoo, panel))  # noqa: S704 - every text is escaped there


def _distribution(distribution: Distribution) -> Markup:
    return Markup(_pictures.distribution_picture(distribution))  # noqa: S704 - every text is escaped there


def _link(evidence: str) -> str | None:
    """A relative address of an attempt's folder; never out of the campaign's own, never of another scheme."""
    parts = evidence.split("/")
    if os.path.isabs(evidence) or ".." in parts or len(evidence) > _LONGEST:
        return None
    try:
        return "./" + quote(os.fsencode(evidence))
    except UnicodeEncodeError:  # no path of this system
        return None


def _when(at: str | None) -> str:
    """A time as people read it, in UTC; what is none as it stands."""
    if at is None:
        return ""
    try:
        return datetime.fromisoformat(at).strftime("%-d %b %Y, %H:%M:%S")
    except ValueError:
        return at
