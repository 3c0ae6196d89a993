"""Tools that a spec declares by their command line: a ``tool`` block becomes the facts of a provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from campaign.diagnostics import Diagnostic, Related, Span
from campaign.language.expressions import EvaluationError, compile_expression, compile_range, walk
from campaign.language.names import meant, shown
from campaign.language.providers import Declared, Facts, Parameter
from campaign.language.syntax import (
    Block,
    EnvVar,
    Expr,
    Hole,
    ListOf,
    MetricPattern,
    Name,
    Param,
    Quantities,
    Range,
    Text,
    TraceFile,
    Vector,
)
from campaign.language.typecheck import (
    ANY,
    BOOL,
    DECIMAL,
    INT,
    PARAMETER_TYPES,
    STRING,
    Type,
    Typer,
    cast_value,
    fits,
    joined,
)
from campaign.plugins.names import canonical, objection
from campaign.units import UnitError, Value, to_json

#: What may stand in a string beside parameters, settings and what served tools export.
BUILTINS: dict[str, Type] = {
    "workdir": STRING,
    "chaindir": STRING,
    "seed": INT,
    "campaign": STRING,
    "instance": STRING,
    "cell": STRING,
    "tier": STRING,
    "attempt": INT,
    "trace": STRING,
}

#: What a tool without a command should say.
_RUNS = 'say what it runs: command "bin/tool" "--seed={seed}"'

Report = Callable[[Diagnostic], None]


def declare(block: Block, report: Report, damaged: bool = False) -> Facts:
    """The facts of a ``tool`` block; everything wrong inside it is reported at its place.

    Of one that is ``damaged`` nothing is said to be missing: it lost a clause to a syntax error.
    """
    return _Tool(block, report, damaged).facts()


class _Tool:
    def __init__(self, block: Block, report: Report, damaged: bool) -> None:
        self.block = block
        self.report = report
        self.damaged = damaged
        self.parameters: dict[str, Parameter] = {}
        self.vectors: dict[str, Vector] = {}
        self.env: dict[str, EnvVar] = {}
        self.trace: TraceFile | None = None
        self.metrics: dict[str, MetricPattern] = {}
        self.needs: dict[str, int] = {}

    def _wrong(self, code: str, summary: str, span: Span | None, hint: str | None = None, *related: Related) -> None:
        self.report(Diagnostic(code, summary, span, hint, related))

    def facts(self) -> Facts:
        for clause in self.block.body:
            if isinstance(clause, Param):
                self._param(clause)
        for clause in self.block.body:
            self._clause(clause)
        command = self.vectors.get("command")
        if (command is None or not command.arguments) and not self.damaged:
            summary = f"the tool {shown(self.block.name.text)} has no command"
            self._wrong("CAMP141", summary, self.block.name.span, _RUNS)
        return Facts(
            kind="tool",
            name=self.block.name.text,
            parameters=self.parameters,
            needs=self.needs,
            metrics={
                name: PARAMETER_TYPES.get(m.type.text, ANY) if m.type else DECIMAL for name, m in self.metrics.items()
            },
            declared=Declared(
                name=self.block.name.text,
                span=self.block.span,
                command=command or Vector("command", (), self.block.span),
                env=tuple(self.env.values()),
                trace=self.trace,
                replay=self.vectors.get("replay"),
                metrics=tuple(self.metrics.values()),
            ),
            traces=self.trace is not None,
            complete=not self.damaged,
        )

    def _clause(self, clause: Any) -> None:
        if isinstance(clause, Vector):
            self._once(self.vectors, clause.keyword, clause, clause.span)
            self._texts(clause.arguments)
            if clause.arguments and clause.arguments[0].plain == "":
                self._wrong("CAMP141", f"a {clause.keyword} starts with a program", clause.arguments[0].span, _RUNS)
        elif isinstance(clause, EnvVar):
            self._once(self.env, clause.name.text, clause, clause.name.span)
            self._texts((clause.value,))
        elif isinstance(clause, TraceFile):
            if self.trace is not None:
                self._twice("trace", clause.span, self.trace.span)
            self.trace = clause
            self._trace_file(clause.path)
            self._texts((clause.path, *clause.enable), trace=True)
        elif isinstance(clause, MetricPattern):
            self._metric(clause)
        elif isinstance(clause, Quantities) and clause.keyword == "needs":
            self._needs(clause)
        elif not isinstance(clause, Param):
            self._wrong("CAMP120", "this clause does not stand in a tool", clause.span)

    def _trace_file(self, path: Text) -> None:
        """It lies in the attempt's folder for traces, so that it can never be a file of campaign's own."""
        written = "".join(part if isinstance(part, str) else "x" for part in path.parts).removeprefix("trace/")
        if not all(name.strip(".") for name in written.split("/")):
            hint = 'a trace lies in the attempt\'s folder trace: trace "trace/ops.bin"'
            self._wrong("CAMP141", "this is no file below trace/", path.span, hint)
        for hole in path.parts:
            if isinstance(hole, Hole) and hole.name == "trace":
                self._wrong("CAMP142", "where the trace goes is what stands here", hole.span)

    def _once(self, kept: dict[str, Any], name: str, clause: Any, span: Span) -> None:
        if name in kept:
            self._twice(name, span, kept[name].span)
        kept[name] = clause

    def _twice(self, name: str, span: Span, first: Span) -> None:
        self._wrong("CAMP103", f"{shown(name)} is given twice", span, None, Related(first, "given here first"))

    # --- parameters

    def _param(self, param: Param) -> None:
        name, key = param.name.text, canonical(param.name.text)
        objected = objection(name)
        if objected is not None:
            self._wrong("CAMP101", f"{shown(name)} {objected}", param.name.span)
        if key in self.parameters:
            self._twice(name, param.name.span, self.parameters[key].span or param.span)
            return
        type_ = PARAMETER_TYPES.get(param.type.text)
        if type_ is None:
            hint = meant(param.type.text, PARAMETER_TYPES) or f"types are {', '.join(PARAMETER_TYPES)}"
            self._wrong("CAMP141", f"{shown(param.type.text)} is not a type", param.type.span, hint)
            type_ = ANY
        if param.flag is not None and type_ not in (BOOL, ANY):
            self._wrong("CAMP141", f"flag belongs to a bool, {shown(name)} is declared {type_}", param.flag.span)
        within = self._limits(param, type_)
        default = self._default(param, type_, within)
        self.parameters[key] = Parameter(
            name=name,
            type=type_,
            default=default,
            required=param.default is None,
            within=within,
            limits=param.allowed,
            flag=param.flag,
            span=param.name.span,
        )

    def _constant(self, expr: Expr) -> Type:
        """The type of an expression that may name nothing; a name in it is reported."""
        return Typer(self._no_names, self.report).infer(expr)

    def _no_names(self, name: Name | Hole) -> Type:
        self._wrong("CAMP100", "a default or limit of a parameter names nothing: it is written out", name.span)
        return ANY

    def _limits(self, param: Param, type_: Type) -> Callable[[Value], bool] | None:
        allowed = param.allowed
        if allowed is None:
            return None
        typer = Typer(self._no_names, self.report)
        if isinstance(allowed, Range):
            found = typer.range(allowed)
        elif isinstance(allowed, ListOf):
            found = typer.infer(allowed).item or ANY
        else:
            self._wrong("CAMP141", "after in stands a list or a range", allowed.span)
            return None
        if not fits(found, type_) or joined([found, type_]) is None:
            self._wrong("CAMP111", f"{shown(param.name.text)} is declared {type_}, this holds {found}", allowed.span)
            return None
        unknown = found == ANY and not (isinstance(allowed, ListOf) and not allowed.items)
        return None if unknown else self._inside(allowed)

    def _inside(self, allowed: Range | ListOf) -> Callable[[Value], bool] | None:
        try:
            if isinstance(allowed, Range):
                within = compile_range(allowed, _unbound)
                first, last = (_computed(end) for end in (allowed.first, allowed.last or allowed.first))
                empty = first > last
            else:
                values = _computed(allowed)
                empty = not values
        except EvaluationError as error:
            self._wrong("CAMP113", error.message, error.span or allowed.span)
            return None
        if empty:
            self._wrong("CAMP141", "this allows no value at all", allowed.span)
            return None
        return (lambda value: within(None, value)) if isinstance(allowed, Range) else lambda value: value in values

    def _default(self, param: Param, type_: Type, within: Callable[[Value], bool] | None) -> Value | None:
        if param.default is None:
            return None
        found = self._constant(param.default)
        if ANY in (found, type_) or any(isinstance(part, Name) for part in walk(param.default)):
            return None
        try:
            value = cast_value(compile_expression(param.default, _unbound)(None), type_)
            if within is not None and not within(value):
                summary = f"the default of {shown(param.name.text)} is outside what it allows itself"
                self._wrong("CAMP112", summary, param.default.span)
        except UnitError as error:
            self._wrong("CAMP111", f"{shown(param.name.text)}: {error}", param.default.span)
        except EvaluationError as error:
            self._wrong("CAMP113", error.message, error.span or param.default.span)
        else:
            return value if self._is_written(param, value) else None
        return None

    def _is_written(self, param: Param, value: Value) -> bool:
        """Whether a default can be given to the tool: not where it has no finite decimal form."""
        try:
            to_json(value)
        except UnitError as error:
            assert param.default is not None
            self._wrong("CAMP113", f"{shown(param.name.text)} cannot be written: {error}", param.default.span)
            return False
        return True

    # --- the rest

    def _metric(self, clause: MetricPattern) -> None:
        name = clause.name.text
        self._once(self.metrics, name, clause, clause.name.span)
        if clause.type is not None and clause.type.text not in PARAMETER_TYPES:
            hint = meant(clause.type.text, PARAMETER_TYPES)
            self._wrong("CAMP141", f"{shown(clause.type.text)} is not a type", clause.type.span, hint)
        if Typer(self._no_names, self.report).infer(clause.pattern) == ANY:
            return
        if "(" not in clause.pattern.pattern.replace("\\(", "").replace("(?:", ""):
            hint = "put what is measured in parentheses: /ops: (\\d+)/"
            self._wrong("CAMP141", f"the pattern of {shown(name)} has no group", clause.pattern.span, hint)

    def _needs(self, clause: Quantities) -> None:
        for count in clause.counts:
            name = count.name.text
            if name in self.needs:
                self._twice(name, count.span, count.span)
            value = compile_expression(count.value, _unbound)(None) if self._constant(count.value) == INT else None
            if not isinstance(value, int) or value < 0:
                self._wrong("CAMP111", f"needs {shown(name)} takes a whole number", count.value.span)
                continue
            self.needs[name] = value

    def _texts(self, texts: tuple[Text, ...], trace: bool = False) -> None:
        """Check the placeholders as far as a tool alone can: served tools and slots are known where it runs."""
        typer = Typer(lambda hole: self._placeholder(hole, trace), self.report)
        for text in texts:
            typer.infer(text)

    def _placeholder(self, hole: Name | Hole, trace: bool) -> Type:
        name = hole.name if isinstance(hole, Hole) else hole.text
        parameter = self.parameters.get(canonical(name))
        if parameter is not None:
            if parameter.name != name:
                related = (Related(parameter.span, "declared here"),) if parameter.span else ()
                summary = f"{shown(name)} is the parameter {parameter.name} in another spelling"
                self._wrong("CAMP102", summary, hole.span, f"write {parameter.name}", *related)
            return ANY if parameter.flag is not None else parameter.type
        if name == "trace" and not trace and not any(isinstance(each, TraceFile) for each in self.block.body):
            hint = 'say which file it writes: trace "trace/ops.bin" enable "--trace={trace}"'
            self._wrong("CAMP142", "this tool has no trace", hole.span, hint)
            return ANY
        if name in BUILTINS:
            return BUILTINS[name]
        if "." in name or self.damaged:
            return ANY  # env, slot, or a served tool's label; or what was lost
        known = [*(each.name for each in self.parameters.values()), *BUILTINS]
        hint = meant(name, known) or "parameters of the tool and built-in placeholders can stand here"
        self._wrong("CAMP142", f"nothing is called {shown(name)} in this tool", hole.span, hint)
        return ANY


def holes(declared: Declared) -> list[Hole]:
    """Every placeholder in a declared tool's strings."""
    texts = [*declared.command.arguments, *(each.value for each in declared.env)]
    if declared.trace is not None:
        texts += [declared.trace.path, *declared.trace.enable]
    if declared.replay is not None:
        texts += declared.replay.arguments
    return [part for text in texts for part in text.parts if isinstance(part, Hole)]


def _computed(expr: Expr) -> Any:
    return compile_expression(expr, _unbound)(None)


def _unbound(name: str) -> Callable[[Any], Value]:
    raise EvaluationError(f"{shown(name)} is not known here")
