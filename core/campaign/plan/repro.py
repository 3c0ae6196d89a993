"""``repro.camp``: a spec that holds one run and nothing else, for a colleague to run.

Everything that reaches the run is written into one instance, at its label, so that cell, key and with them every draw
are the same: the axes with the one value that they have here, the settings as they came out, the items as they stand
in the spec.  The file stands elsewhere: paths are written absolute, and those of axes, from which the key comes, where
a parameter takes them (``anchors.py``).
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, Span
from campaign.language.format import format_source
from campaign.language.instances import literal_units
from campaign.language.items import Binding, labels_of
from campaign.language.providers import ProviderLookup
from campaign.language.resolve import check
from campaign.language.scopes import AxisDraft, Merged, Placed
from campaign.language.source import Source
from campaign.language.syntax import Choice, Clause, Options, Setting, Sweep, Text
from campaign.language.typecheck import PATH
from campaign.language.values import BUILTIN, SEED
from campaign.plan.anchors import anchors, rooted
from campaign.plan.matrix import Run
from campaign.plan.plan import Plan, plan_checked
from campaign.plan.program import Program
from campaign.plan.schedule import waits
from campaign.plugins.names import canonical
from campaign.records.plan import PlanOptions
from campaign.units import Quantity, Value, format_value

FILE = "repro.camp"
#: Clauses of the run that have their innermost form in the instance.
_KEPT = ("timeout", "steps", "clock", "trace", "schedule", "cooldown")
_UNUSED = "CAMP104"
_MOST_PRUNED = 100
_REPLAYED = "replayed"


class Instead(Struct, frozen=True):
    """What is executed in the place of a step; ``\\0workdir\\0`` stands for the placeholder ``{workdir}``.

    ``files`` are paths by the names of parameters, which stand in it in the same way.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    files: Mapping[str, str] = {}


class Less(Struct, frozen=True):
    """Faults that are left out: those ``without`` an item, by label, and of what a schedule lays out all but ``kept``.

    What is laid out keeps its items, for others would come at other instants.
    """

    without: frozenset[str] = frozenset()
    kept: tuple[str, ...] | None = None


class Edit(Struct, frozen=True):
    """A stretch of a spec and what is written in its place."""

    span: Span
    text: str


def repro(  # noqa: PLR0913, PLR0917 - a run of a plan, and what is written above it
    plan: Plan,
    run: Run,
    root: str,
    remarks: Iterable[str],
    providers: Callable[[], ProviderLookup],
    less: Less | None = None,
    instead: Mapping[str, Instead] = MappingProxyType({}),
    *,
    beside: str | None = None,
) -> str:
    """The text of a spec whose only run is ``run``, in canonical layout; ``remarks`` stand above as comments.

    ``root`` is the folder to which the spec's own paths are relative; ``less`` says which faults are left out,
    ``instead`` what is executed in the place of steps, by their labels.  What lies below the folder ``beside``, in
    which the spec will be, is named from there, everything else by its absolute path.
    Raises CampaignError where no such spec can be written.
    """
    writer = Writer(plan, run, root, less or Less(), instead, beside=beside)
    unused: set[str] = set()
    for _ in range(_MOST_PRUNED):
        text = format_source(Source(FILE, writer.text(remarks, unused)))
        found = _wrong(text, plan, providers)
        names = {each.span.line for each in found if each.code == _UNUSED and each.span is not None}
        if not found:
            return text
        if not names:
            break
        lines = text.splitlines()
        unused |= {lines[line - 1].partition("=")[0].strip() for line in names}
    raise CampaignError(found)


def _wrong(text: str, plan: Plan, providers: Callable[[], ProviderLookup]) -> list[Diagnostic]:
    """What keeps the text from being a spec of one run."""
    again, found = planned_again(FILE, text, plan, providers)
    if again is None:
        return found
    keys = [each.key for each in again.runs()]
    return [] if len(keys) == 1 else [Diagnostic("CAMP112", f"{len(keys)} runs are left where there should be one")]


def planned_again(
    file: str, text: str, plan: Plan, providers: Callable[[], ProviderLookup]
) -> tuple[Plan | None, list[Diagnostic]]:
    """The plan of a spec that was written from ``plan``, under its rules, or what keeps the text from being one."""

    def read(path: str) -> bytes:
        if path != file:
            raise FileNotFoundError(2, "No such file", path)
        return text.encode()

    registry = providers()
    checked, found = check(file, read, registry)
    if checked is None or not checked.sound:
        return None, found
    return plan_checked(checked, PlanOptions(), registry, plan.rules)


class Writer:
    """Writes what one run is made of; every text is laid out later."""

    def __init__(  # noqa: PLR0913 - a run of a plan, and what is written differently
        self,
        plan: Plan,
        run: Run,
        root: str,
        less: Less | None = None,
        instead: Mapping[str, Instead] = MappingProxyType({}),
        *,
        any_seed: bool = False,
        beside: str | None = None,
    ) -> None:
        """``any_seed``: the text holds for every seed of the run's cell; ``beside`` is the folder that it is for."""
        self._plan, self._run, self._root, self._less, self._instead = plan, run, root, less or Less(), instead
        self._any_seed, self._beside = any_seed, beside
        self._program: Program = run.cell.scenario.program
        self._case = self._program.case
        self._merged: Merged = self._case.merged
        checked = plan.checked
        assert checked is not None
        self._checked = checked
        self._lines: dict[str, list[str]] = {}
        self._settings = self._program.settings(run.values, run.seed)
        self._anchors = anchors(self._program, run)

    # --- the whole

    def text(self, remarks: Iterable[str], unused: Collection[str]) -> str:
        """The whole text, before it is laid out."""
        comments = [f"# {line}" for remark in remarks for line in remark.splitlines()]
        return "\n".join(
            [*comments, "", *self.head(), *self.tools(), "", *self.instance(unused, (self._run.seed,)), ""]
        )

    def instance(self, unused: Collection[str], seeds: Iterable[int]) -> list[str]:
        """The run's cell as an instance in its groups, with these seeds."""
        return self.framed([*_seeds(seeds), *self.axes(), *self.rest(unused)])

    def framed(self, body: Iterable[str]) -> list[str]:
        """The instance with that body, in its groups."""
        scope = self._merged.scope
        labels = [group.label.text for group in scope.groups]
        opening = [*(f"group {label} {{" for label in labels), f"instance {scope.instance.label.text} {{"]
        return [*opening, *body, "}" * (len(labels) + 1)]

    def axes(self) -> list[str]:
        """The axes, each with the one value that it has in this run."""
        return [line for draft in self._merged.axes for line in self._axis(draft)]

    def point(self) -> tuple[tuple[str, str], ...] | None:
        """The axes and their values as text, where all are plain: none of providers, none with jitter."""
        drafts = self._merged.axes
        if any(sweep.kind is not None or sweep.jitter is not None for draft in drafts for sweep in draft.parts):
            return None
        return tuple(pair for draft in drafts for pair in self._values(draft))

    def head(self, clauses: Iterable[str] = ()) -> Iterator[str]:
        """What the run's campaign uses, and itself; ``clauses`` are further ones of it."""
        if self._checked.uses:
            yield f"use {', '.join(self._checked.uses)}"
        for rules in self._checked.rules:
            paths = [quoted(self._path(text.plain or "", rules.span.file)) for text in rules.paths]
            yield "rules auto" if rules.auto else f"rules {', '.join(paths)}"
        yield ""
        yield f"campaign {quoted(self._plan.name)} {{"
        yield f"seed {self._plan.seed}"
        yield from self._counts("slots")
        yield from clauses
        yield "}"

    def tools(self) -> Iterator[str]:
        """The tools that the run's spec declares and it uses, one text each."""
        declared = (part.facts.name for part in self._case.parts if part.facts.declared is not None)
        for name in dict.fromkeys(declared):
            yield f"\n{self._tool(name)}"
        for number, program in enumerate(self._instead.values(), start=1):
            yield f"\ntool {_REPLAYED}{number} {{\ncommand [{', '.join(map(argument, program.argv))}]"
            yield from (
                f"param {name}: path = {quoted(self._path(path, None))}" for name, path in program.files.items()
            )
            yield from (f"env {name} = {argument(value)}" for name, value in program.env.items())
            yield "}"

    def _tool(self, name: str) -> str:
        """A declared tool as it is written, its program and its paths absolute."""
        facts = self._checked.tools[name]
        assert facts.declared is not None
        edits = [
            Edit(word.span, quoted(self._path(word.plain, word.span.file)))
            for vector in (facts.declared.command, facts.declared.replay)
            if vector is not None
            for word in vector.arguments[:1]
            if word.span is not None and word.plain is not None and "/" in word.plain
        ]
        return self._slice(facts.declared.span, edits)

    def course(self) -> Iterator[str]:
        """What the campaign says of the course of its runs."""
        whole = self._plan.whole
        if whole is not None and whole.parallel is not None:
            yield f"parallel {whole.parallel}"
        if whole is not None and whole.orphans is not None:
            yield f"orphans {whole.orphans}"

    # --- the instance

    def policies(self) -> Iterator[str]:
        """When a run of the cell is tried again, and whether its seeds go together."""
        chain = self._merged.once.get("chain")
        if chain is not None:
            yield self._slice(chain.span)
        options = self._merged.options.get("retry", {})
        if options:
            settings = (f"{name} = {self._slice(each.value.span)}" for name, each in options.items())
            yield f"retry {{ {'; '.join(settings)} }}"

    def rest(self, unused: Collection[str]) -> Iterator[str]:
        """What else the instance holds: all but seeds and axes."""
        merged = self._merged
        if merged.tags:
            yield f"tags {', '.join(dict.fromkeys(word.text for word in merged.tags))}"
        for key, value in self._settings.items():
            definition = self._case.values.nodes[key].definition
            if definition is None or definition.setting is None or definition.name in unused or self._is_axis(key):
                continue
            yield f"{definition.name} = {self._setting(key, definition.setting, definition.override, value)}"
        yield from self._default_paths()
        for names in merged.pass_env:
            yield f"pass-env {'secret ' if names[1] else ''}{names[0].text}"
        yield from self._counts("needs")
        yield from self._counts("prefer")
        for keyword in _KEPT:
            clause = merged.once.get(keyword)
            if isinstance(clause, Options):
                yield from [self._schedule(clause)] if self._lays_out() else []
            elif clause is not None and not (keyword == "trace" and self._instead):
                yield self._slice(clause.span)
        yield from self._items()
        for expectation in self._case.expectations:
            yield self._slice(expectation.expect.span)

    def _lays_out(self) -> bool:
        """Whether this run has a fault that waits for the schedule: one that no cell needs is left out."""
        laid = (each.part for each in self._program.recipes if waits(each) and each.applies(self._run.values))
        return any(part.placed.condition is not None or part.label not in self._less.without for part in laid)

    def _schedule(self, clause: Options) -> str:
        """The schedule as it is written, with what is kept of the faults that it lays out."""
        if self._less.kept is None or clause.strategy is None:
            return self._slice(clause.span)
        kept = f"faults = [{', '.join(map(quoted, self._less.kept))}]"
        own = [each for each in clause.body if not (isinstance(each, Setting) and each.name.text == "faults")]
        body = "\n".join([*(self._slice(each.span) for each in own), kept])
        return f"schedule {clause.strategy.text} {{\n{body}\n}}"

    def _default_paths(self) -> Iterator[str]:
        """Paths that a declared tool gets by default belong to the file that declares it."""
        found: dict[str, str] = {}
        for part in self._case.parts:
            for binding in part.bindings.values() if part.facts.declared is not None else ():
                parameter, unset = binding.parameter, binding.key is None and binding.expr is None
                if unset and parameter.type == PATH and isinstance(parameter.default, str) and parameter.span:
                    found[f"{part.facts.name}.{parameter.name}"] = self._path(parameter.default, parameter.span.file)
        return (f"{name} = {quoted(path)}" for name, path in found.items())

    def _items(self) -> Iterator[str]:
        for placed in self._merged.items:
            if placed.kind == "run" and placed.label in self._instead:
                yield f"run {placed.label}: {_REPLAYED}{1 + list(self._instead).index(placed.label)}"
            elif placed.condition is None and not (placed.kind == "fault" and placed.label in self._less.without):
                yield self._with_axes(placed, self._slice(placed.span, self._own(placed)))

    def _counts(self, keyword: str) -> Iterator[str]:
        counts = self._merged.counts.get(keyword, {})
        if counts:
            yield f"{keyword} {', '.join(f'{name} = {self._slice(each.value.span)}' for name, each in counts.items())}"

    # --- axes

    def _is_axis(self, key: str) -> bool:
        return self._axis_name(key) is not None

    def _axis_name(self, key: str) -> str | None:
        """The axis of that name as it is written; None where there is none."""
        names = (name for draft in self._merged.axes for name in draft.names)
        return next((name for name in names if canonical(name) == canonical(key)), None)

    def _axis(self, draft: AxisDraft) -> Iterator[str]:
        values = dict(self._values(draft))
        for sweep in draft.parts:
            if sweep.kind is not None:
                yield self._provider_axis(sweep)
                continue
            names = [word.text for word in sweep.names]
            texts = [values[name] for name in names]
            value, name = (joined(texts), joined(names)) if sweep.joint else (texts[0], names[0])
            jitter = "" if sweep.jitter is None else f" jitter {self._slice(sweep.jitter.span)}"
            yield f"sweep {name} = [{value}]{jitter}"

    def _values(self, draft: AxisDraft) -> Iterator[tuple[str, str]]:
        """The names of an axis, each with its value as text."""
        units = dict(zip(draft.names, literal_units(self._case, draft), strict=True))
        for sweep in draft.parts:
            for word in sweep.names if sweep.kind is None else ():
                yield word.text, literal(self._point(word.text, units[word.text]))

    def _point(self, name: str, unit: str | None) -> Value:
        value = self._run.cell.values[name]
        return value.with_unit(unit) if isinstance(value, Quantity) and unit else value

    def _provider_axis(self, sweep: Sweep) -> str:
        name = sweep.names[0].text
        chosen = next(each for each in sweep.choices if each.label.text == self._run.cell.values[name])
        return f"sweep {name} = {sweep.kind} {{\n{self._chosen(chosen)}\n}}"

    def _chosen(self, choice: Choice) -> str:
        placed = [each for each in self._merged.items if each.span == choice.span]
        text = self._slice(choice.span, [edit for each in placed for edit in self._own(each)])
        return self._with_axes(placed[0], text) if placed else text

    def _with_axes(self, placed: Placed, text: str) -> str:
        """An item whose paths are values of axes: the axis keeps them as they are, the item says where they count."""
        more = "\n".join(
            f'{each.parameter} = "{self._folder(each.folder)}{{{name}}}"'
            for each in self._anchors.get(id(placed), ())
            if each.key is not None and (name := self._axis_name(each.key)) is not None
        )
        if not more:
            return text
        return f"{text[:-1]}\n{more}\n}}" if text.endswith("}") else f"{text} {{\n{more}\n}}"

    def _folder(self, folder: str) -> str:
        """A folder as the beginning of a path in a string of the language."""
        return quoted(os.path.join(self._root, folder, ""))[1:-1]

    # --- values

    def _setting(self, key: str, setting: Setting, override: bool, value: Value) -> str:
        node = self._case.values.nodes[key]
        file = None if override else setting.span.file
        if any(self._is_open(name) for name in node.varies):
            text, folder = self._slice(setting.value.span), os.path.dirname(file or "")
            anchored = any(each.key == key for item in self._anchors.values() for each in item)
            return rooted(setting.value, text, self._folder(folder)) if anchored else text
        return literal(self._path(value, file) if self._reaches_path(key) and isinstance(value, str) else value)

    def _is_open(self, name: str) -> bool:
        """Whether what a value depends on is not settled by the text."""
        if name.startswith(BUILTIN):
            return name != SEED or self._any_seed
        return self._any_seed and any(
            sweep.jitter is not None and canonical(name) in draft.keys
            for draft in self._merged.axes
            for sweep in draft.parts
        )

    def _reaches_path(self, key: str) -> bool:
        return any(
            binding.key == key and binding.parameter.type == PATH
            for part in self._case.parts
            for binding in part.bindings.values()
        )

    def _own(self, placed: Placed) -> list[Edit]:
        """What is written differently in a provider's own block: what ``--set`` went before, and paths."""
        part = next((each for each in self._case.parts if each.placed is placed), None)
        own = {each.parameter: each.folder for each in self._anchors.get(id(placed), ()) if each.key is None}
        bindings = part.bindings if part is not None else {}
        edits = [edit for each in placed.body for edit in self._edited(each, bindings, own)]
        return [*edits, *self._watching(placed)]

    def _watching(self, placed: Placed) -> Iterator[Edit]:
        """What a watch says that it judges, without the faults that are left out."""
        for clause in placed.body if placed.kind == "watch" and self._less.without else ():
            if isinstance(clause, Setting) and clause.name.text == "faults" and clause.value.span is not None:
                kept = (
                    label
                    for label, _ in labels_of(clause.value)
                    if label is not None and label not in self._less.without
                )
                yield Edit(clause.value.span, f"[{', '.join(map(quoted, kept))}]")

    def _edited(self, clause: Clause, bindings: Mapping[str, Binding], own: Mapping[str, str]) -> Iterator[Edit]:
        binding = bindings.get(canonical(clause.name.text)) if isinstance(clause, Setting) else None
        if not isinstance(clause, Setting) or binding is None or clause.value.span is None:
            return
        if binding.overridden and binding.key is not None:
            yield Edit(clause.span, "")
        elif binding.parameter.type == PATH and isinstance(clause.value, Text) and clause.value.plain:
            yield Edit(clause.value.span, quoted(self._path(clause.value.plain, clause.span.file)))
        elif binding.parameter.name in own:
            folder = self._folder(own[binding.parameter.name])
            yield Edit(clause.value.span, rooted(clause.value, self._slice(clause.value.span), folder))

    def _path(self, text: str, file: str | None) -> str:
        folder = "" if file is None else os.path.dirname(file)
        path = os.path.normpath(os.path.join(self._root, folder, text)) if text else text
        inside = self._beside is not None and path.startswith(os.path.join(self._beside, ""))
        return os.path.relpath(path, self._beside) if inside else path

    # --- the source

    def _slice(self, span: Span | None, edits: Sequence[Edit] = ()) -> str:
        """A stretch of a file as it was written, but for the edits."""
        if span is None:
            return ""
        lines = self._source(span.file)
        text, at = [], (span.line, span.column)
        for edit in sorted(edits, key=lambda each: (each.span.line, each.span.column)):
            text += [_between(lines, at, (edit.span.line, edit.span.column)), edit.text]
            at = (edit.span.end_line, edit.span.end_column)
        return "".join([*text, _between(lines, at, (span.end_line, span.end_column))])

    def _source(self, file: str) -> list[str]:
        if file not in self._lines:
            self._lines[file] = self._checked.files[file].decode("utf-8-sig").splitlines(keepends=True)
        return self._lines[file]


def _between(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """From one place to another, lines and columns from 1."""
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] - 1 : end[1] - 1]
    last = lines[end[0] - 1][: end[1] - 1] if end[0] <= len(lines) else ""
    return "".join([lines[start[0] - 1][start[1] - 1 :], *lines[start[0] : end[0] - 1], last])


def _seeds(seeds: Iterable[int]) -> list[str]:
    return [f"seeds [{', '.join(map(str, seeds))}]"]


def joined(texts: Iterable[str]) -> str:
    """Several as one value: ``(1, 2)``."""
    return f"({', '.join(texts)})"


def literal(value: Value) -> str:
    """A value as the language writes it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(literal, value))}]"
    return format_value(value)


def argument(text: str) -> str:
    """A string of the language in which ``{name}`` stays a placeholder where it is marked by NUL."""
    return "".join(
        quoted(part)[1:-1] if at % 2 == 0 else f"{{{part}}}" for at, part in enumerate(text.split("\0"))
    ).join(('"', '"'))


def quoted(text: str) -> str:
    """A string of the language that is this text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + escaped.replace("{", "{{").replace("}", "}}") + '"'
