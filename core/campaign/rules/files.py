"""Rule sets by the words of specs and of ``extends``: found, read once each, and put together.

``read`` is the disk or a snapshot; ``installed`` finds the sets that packages bring, by name.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Related, Span, failed
from campaign.language.files import Reader, resolve_path
from campaign.language.names import shown
from campaign.plugins.names import is_name
from campaign.rules.compose import Loaded, compose
from campaign.rules.structs import RuleBook

#: The file of an installed rule set by its name, None where no package brings one.
Installed: TypeAlias = Callable[[str], str | None]

SUFFIXES = (".yaml", ".yml")
#: Rule sets that one campaign can come to be bound by.
MAX_FILES = 100


class Named(Struct, frozen=True):
    """A rule set as something names it: a path or a name, the file that writes it, and where."""

    word: str
    file: str
    span: Span | None = None


class Bound(Struct, frozen=True, kw_only=True):
    """Rule sets that were read: what they come to, the sets themselves, and every file's bytes by path.

    ``sets`` are those that were named, without what they extend; ``chosen`` the files that ``rules auto`` came to.
    """

    book: RuleBook
    sets: tuple[Loaded, ...] = ()
    files: dict[str, bytes] = {}
    chosen: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files of the sets that were named."""
        return tuple(each.rule_set.path for each in self.sets)


def from_packages(name: str) -> str | None:
    """The file of a rule set that an installed package brings; None where none does."""
    from campaign.rules.installed import find_installed  # late: entry points are slow to read

    return find_installed(name)


def bind(
    named: Iterable[Named], read: Reader, installed: Installed = from_packages
) -> tuple[Bound | None, list[Diagnostic]]:
    """Read and compose what is named; everything that is wrong at once, None where nothing can be relied on."""
    library = _Library(read, installed)
    sets: dict[str, Loaded] = {}
    for each in named:
        loaded = library.named(each, ())
        if loaded is not None:
            sets.setdefault(loaded.rule_set.path, loaded)
    if failed(library.found):
        return None, library.found
    library.check_names()
    book = compose(sets.values(), library.found.append)
    if failed(library.found):
        return None, list(dict.fromkeys(library.found))
    return Bound(book=book, sets=tuple(sets.values()), files=library.files), list(dict.fromkeys(library.found))


def bind_paths(paths: Sequence[str], read: Reader, installed: Installed = from_packages) -> Bound:
    """As ``bind``, of files by their paths; raises CampaignError."""
    bound, found = bind([Named(path, "") for path in paths], read, installed)
    if bound is None:
        raise CampaignError(found)
    return bound


class _Library:
    """The files read so far; each once, whoever names it."""

    def __init__(self, read: Reader, installed: Installed) -> None:
        self._read, self._installed = read, installed
        self.files: dict[str, bytes] = {}
        self.found: list[Diagnostic] = []
        self._loaded: dict[str, Loaded | None] = {}
        self._unread: tuple[str, ...] = ()

    def named(self, named: Named, chain: tuple[str, ...]) -> Loaded | None:
        """The set that something names, with all that it extends; None where that was reported."""
        path = self._find(named)
        if path is None:
            hint = "name a file that exists and may be read, or a rule set that a package brings"
            why = "".join(f": {each}" for each in self._unread)
            self._wrong("CAMP311", f"no rule set {shown(named.word)} can be read{why}", named.span, hint)
            return None
        if path in chain:
            loop = " -> ".join((*chain[chain.index(path) :], path))
            self._wrong("CAMP310", f"these rule sets extend each other: {loop}", named.span)
            return None
        if path not in self._loaded:
            self._loaded[path] = self._load(path, (*chain, path), named.span)
        return self._loaded[path]

    def check_names(self) -> None:
        """Two files of one name could not be told apart in what is said of them."""
        first: dict[str, Span] = {}
        for loaded in self._loaded.values():
            if loaded is None:
                continue
            name, span = loaded.rule_set.name, loaded.rule_set.span
            earlier = first.setdefault(name, span)
            if earlier is not span:
                related = (Related(earlier, "this one too"),)
                self.found.append(Diagnostic("CAMP303", f"two rule sets are called {shown(name)}", span, None, related))

    def _load(self, path: str, chain: tuple[str, ...], at: Span | None) -> Loaded | None:
        if len(self.files) > MAX_FILES:
            self._wrong("CAMP304", f"at most {MAX_FILES} rule sets can bind a campaign", at)
            return None
        from campaign.rules.load import load_rule_set  # late: ruamel.yaml and cerberus cost what few specs need

        rule_set, wrong = load_rule_set(path, self.files[path])
        self.found += wrong
        if rule_set is None:
            return None
        bases = [self.named(Named(each.word, path, each.span), chain) for each in rule_set.extends]
        return Loaded(rule_set, tuple(base for base in bases if base is not None))

    def _find(self, named: Named) -> str | None:
        """The path of the first candidate that can be read; ``_unread`` says why one that is there could not be."""
        self._unread = ()
        for path in self._candidates(named):
            if path in self.files:
                return path
            try:
                self.files[path] = self._read(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:
                self._unread = (getattr(error, "strerror", None) or "its path is none",)
                continue
            return path
        return None

    def _candidates(self, named: Named) -> Iterable[str]:
        """A path is relative to the file that writes it; a name stands beside it, in a folder there, or above."""
        word = named.word
        if not is_name(word):
            yield resolve_path(word, named.file)
            return
        for folder in ("", f"{word}/", "../", f"../{word}/"):
            for suffix in SUFFIXES:
                yield resolve_path(f"{folder}{word}{suffix}", named.file)
        package = self._installed(word)
        if package is not None:
            yield os.path.normpath(package)

    def _wrong(self, code: str, summary: str, span: Span | None, hint: str | None = None) -> None:
        self.found.append(Diagnostic(code, summary, span, hint, status=ExitStatus.USAGE))
