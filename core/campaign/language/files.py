"""A spec and what it includes, read through a passed-in reader: each file once, in the place of its ``include``."""

from __future__ import annotations

import os.path
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.parser import parse
from campaign.language.source import read_source
from campaign.language.syntax import Block, Declaration, Include

#: Bytes of a file by its path; raises OSError.  The disk, or a snapshot.
Reader: TypeAlias = Callable[[str], bytes]

#: Includes inside includes, at most this deep.
MAXIMUM_CHAIN = 64


class Spec(Struct, frozen=True):
    """What was read: every file's bytes by path, and the declarations of all, includes put in their places.

    ``damaged`` are the places of blocks that lost a clause to a syntax error; ``lost``: declarations are missing.
    """

    path: str
    files: dict[str, bytes]
    declarations: tuple[Declaration, ...]
    complete: bool
    damaged: frozenset[Span] = frozenset()
    lost: bool = False


def load(path: str, read: Reader) -> tuple[Spec, list[Diagnostic]]:
    """Read ``path`` and all it includes; ``complete`` is false where a file could not be read or understood."""
    loader = _Loader(read)
    declarations = loader.file(os.path.normpath(path), (), None)
    spec = Spec(
        path=os.path.normpath(path),
        files=loader.files,
        declarations=tuple(declarations),
        complete=not loader.broken,
        damaged=frozenset(loader.damaged),
        lost=loader.lost,
    )
    return spec, loader.diagnostics


def resolve_path(text: str, file: str) -> str:
    """A path as the file ``file`` writes it: relative to that file's folder."""
    return os.path.normpath(os.path.join(os.path.dirname(file), text))


class _Loader:
    def __init__(self, read: Reader) -> None:
        self._read = read
        self.files: dict[str, bytes] = {}
        self.diagnostics: list[Diagnostic] = []
        self.broken = False
        self.damaged: set[Span] = set()
        self.lost = False

    def _wrong(self, code: str, summary: str, span: Span | None, hint: str | None = None) -> None:
        self.broken = self.lost = True
        self.diagnostics.append(Diagnostic(code, summary, span, hint))

    def file(self, path: str, chain: tuple[str, ...], at: Span | None) -> list[Declaration]:
        try:
            data = self._read(path)
        except OSError as error:
            self._wrong("CAMP130", f"{path} cannot be read: {error.strerror or error}", at)
            return []
        except ValueError:  # a NUL in the path
            self._wrong("CAMP130", "this path cannot be read", at)
            return []
        self.files[path] = data
        source, wrong = read_source(path, data)
        self.diagnostics += wrong
        if source is None:
            self.broken = self.lost = True
            return []
        tree, wrong = parse(source)
        self.broken = self.broken or bool(wrong)
        self.damaged |= tree.damaged
        self.lost = self.lost or tree.lost
        self.diagnostics += wrong
        return [each for declaration in tree.declarations for each in self._placed(declaration, (*chain, path))]

    def _placed(self, declaration: Declaration, chain: tuple[str, ...]) -> list[Declaration]:
        if isinstance(declaration, Include):
            return self._included(declaration, chain)
        if len(chain) > 1 and isinstance(declaration, Block) and declaration.keyword == "campaign":
            includer = Related(Span(chain[-2], 1, 1, 1, 1), "included from here")
            summary = "an included file has no campaign: it belongs to the spec that runs"
            self.diagnostics.append(Diagnostic("CAMP132", summary, declaration.name.span, None, (includer,)))
            return []
        return [declaration]

    def _included(self, include: Include, chain: tuple[str, ...]) -> list[Declaration]:
        text = include.path.plain
        if text is None:
            self._wrong("CAMP130", "the path of an include has no placeholders", include.path.span)
            return []
        path = resolve_path(text, chain[-1])
        if path in chain:
            loop = " -> ".join((*chain[chain.index(path) :], path))
            self._wrong("CAMP131", f"these files include each other: {loop}", include.span)
            return []
        if path in self.files:
            return []
        if len(chain) >= MAXIMUM_CHAIN:
            self._wrong("CAMP131", f"includes nest deeper than {MAXIMUM_CHAIN} files", include.span)
            return []
        return self.file(path, chain, include.path.span)
