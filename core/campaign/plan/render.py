"""From a run to the order that carries it out: argument vectors, environments, instants, expectations.

Pure: the captured environment, the campaign's folders and the tokens are passed in.  The same run and attempt give the
same order but for the token.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Span
from campaign.language.expressions import (
    Closure,
    EvaluationError,
    references,
)
from campaign.language.items import label_of
from campaign.language.names import shown
from campaign.language.syntax import Expr, Hole
from campaign.language.tools import holes
from campaign.language.values import BUILTIN
from campaign.plan.expectations import render_expectations, searched
from campaign.plan.identity import draw, drawn_instant, instant_purpose, run_id
from campaign.plan.matrix import Run
from campaign.plan.names import run_directory
from campaign.plan.processes import Place, Rendered, render_processes
from campaign.plan.program import Environment, Program, Recipe, as_written
from campaign.plugins.names import canonical
from campaign.plugins.printing import printing_aside
from campaign.records import (
    Directories,
    FaultOrder,
    GuardOrder,
    HoldOrder,
    MetricOrder,
    OracleOrder,
    Order,
    PatternOrder,
    RetryOrder,
    RulesOrder,
    ServiceOrder,
    StepOrder,
    is_secret,
    late,
    order_digest,
)
from campaign.records.order import Template
from campaign.rules.orders import broken, sentence
from campaign.rules.structs import RuleBook
from campaign.units import Quantity, UnitError, Value, format_value, to_json, to_shown_json

DEFAULT_TIMEOUT_S = 600.0
#: What every tool gets of the environment, beside ``LC_*`` and what the spec passes on.
PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER")


class RenderContext(Struct, frozen=True, kw_only=True):
    """What rendering needs beside the run; all paths absolute.

    ``run_root`` is the campaign's own folder for people (``runs/<campaign-id>``), ``attempts`` the private one
    (``.campaign/attempts``), ``root`` the folder to which the paths of spec files are relative.  ``env`` is the
    captured environment, ``token`` makes a new token each time.  ``devices`` are what CUDA calls the units of a slot,
    ``guards`` what the rule sets have watched, ``book`` what they come to, and ``rules`` where they are to be found.
    """

    campaign: str
    campaign_name: str
    campaign_seed: int
    run_root: str
    attempts: str
    root: str
    env: Mapping[str, str]
    epoch: int
    token: Callable[[], str]
    origin: str = "plan"
    plugins: tuple[str, ...] = ()
    devices: Mapping[str, tuple[str, ...]] = {}
    guards: tuple[GuardOrder, ...] = ()
    rules: RulesOrder | None = None
    book: RuleBook = RuleBook()


def render(run: Run, attempt: int, context: RenderContext) -> Order:
    """The order of one attempt of a run; raises CampaignError where a value is refused or cannot be computed."""
    return _Rendering(run, attempt, context).order()


class PlannedStep(Struct, frozen=True):
    """A step as ``plan --list`` shows it: what only an attempt decides stands as its placeholder."""

    label: str
    tool: str
    argv: tuple[str, ...]


def planned_steps(run: Run, campaign_name: str, campaign_seed: int) -> tuple[PlannedStep, ...]:
    """The steps of a run without an attempt: ``{workdir}``, ``{slot.gpu}``, ``{env.HOME}`` stay as they are."""
    program = run.cell.scenario.program
    known = {**program.builtins, **_shared(run, campaign_name, program)}
    environment = program.environment(run.values, run.seed, known)
    place = Place(
        "{workdir}", run.seed, run.cell.scenario.label_text, run.cell.name, 1, program.tier, _drawer(run, campaign_seed)
    )
    processes = render_processes(program, run.values, environment, place, as_written)
    return tuple(
        PlannedStep(_labelled(each), each.recipe.part.facts.name, each.argv)
        for each in processes
        if each.recipe.part.kind == "run"
    )


def _labelled(rendered: Rendered) -> str:
    label = rendered.recipe.part.label
    return label if rendered.index is None else f"{label}[{rendered.index}]"


def _drawer(run: Run, campaign_seed: int) -> Callable[[str], int]:
    return lambda purpose: draw(campaign_seed, run.key, purpose)


def _shared(run: Run, campaign_name: str, program: Program) -> dict[str, Value]:
    """The builtins that every attempt of a run has in common."""
    return {
        "@campaign": campaign_name,
        "@instance": run.cell.scenario.label_text,
        "@cell": run.cell.name,
        "@tier": program.tier or "",
    }


class _Rendering:
    """One order in the making."""

    def __init__(self, run: Run, attempt: int, context: RenderContext) -> None:
        self.run = run
        self.attempt = attempt
        self.context = context
        self.scenario = run.cell.scenario
        self.program: Program = run.cell.scenario.program
        self.token = context.token()
        self.directories = self._directories()
        self.environment = self._environment()
        place = Place(
            workdir=self.directories.work,
            seed=run.seed,
            instance=self.scenario.label_text,
            cell=run.cell.name,
            attempt=attempt,
            tier=self.program.tier,
            draw=self._draw,
        )
        processes = render_processes(self.program, run.values, self.environment, place, self._path)
        self.processes = list(processes)
        self.passed, self.masked = self._passed()
        self.own = self._own_variables()

    def _draw(self, purpose: str) -> int:
        return draw(self.context.campaign_seed, self.run.key, purpose)

    def _path(self, text: str, file: str | None) -> str:
        """A path absolute: relative to the folder of the file that wrote it, or to the working directory."""
        if not text or "\0" in text:
            return text
        folder = os.path.dirname(file) if file is not None else ""
        return os.path.normpath(os.path.join(self.context.root, folder, text))

    def _directories(self) -> Directories:
        run, root = self.run, self.context.run_root
        cell = run_directory(self.scenario.label_text, run.cell.name, run.seed)
        public = f"{root}/{cell}/attempt-{self.attempt}"
        chained = "chain" in self.program.case.merged.once
        return Directories(
            public=public,
            private=f"{self.context.attempts}/{self.token}",
            work=f"{public}/work",
            chain=f"{root}/{os.path.dirname(cell)}/chain" if chained else None,
        )

    # --- values

    def _environment(self) -> Environment:
        """What the program's closures look up; exports of served tools are late, their own parameters are not."""
        builtins = {**{name: self._builtin(name) for name in self.program.builtins}, **self._own_builtins()}
        environment = self.program.environment(self.run.values, self.run.seed, builtins)
        of_served = {
            name: text for name in self.program.builtins if (text := self._of_served(name, environment)) is not None
        }
        if not of_served:
            return environment
        return self.program.environment(self.run.values, self.run.seed, {**builtins, **of_served})

    def _own_builtins(self) -> dict[str, Value]:
        return {
            **_shared(self.run, self.context.campaign_name, self.program),
            "@workdir": self.directories.work,
            "@chaindir": self.directories.chain or self.directories.work,
            "@public": self.directories.public,
            "@attempt": self.attempt,
        }

    def _builtin(self, name: str) -> Value:
        if name.startswith("@env."):
            variable = name.removeprefix("@env.")
            if variable not in self.context.env:
                raise CampaignError([undefined_variable(variable, None)])
            return self.context.env[variable]
        return late(name.removeprefix(BUILTIN))

    def _of_served(self, name: str, environment: Environment) -> str | None:
        """``{srv.port}`` where ``port`` is a parameter of the served tool rather than what it exports."""
        for recipe in self.program.recipes:
            if recipe.part.kind == "serve" and name.startswith(f"@{recipe.part.label}."):
                wanted = name.removeprefix(f"@{recipe.part.label}.")
                for each in recipe.given:
                    if each.name == wanted and recipe.part.facts.declared is not None:
                        return format_value(each.value(environment, self._path))
        return None

    # --- the order

    def order(self) -> Order:
        scenario, program = self.scenario, self.program
        expectations, patterns = render_expectations(
            program.expectations, program.case.values, self.run.values, self.environment
        )
        settings = program.settings(self.run.values, self.run.seed)
        order = Order(
            token=self.token,
            epoch=self.context.epoch,
            campaign=self.context.campaign,
            campaign_name=self.context.campaign_name,
            key=self.run.key,
            id=run_id(self.context.campaign_name, self.run.key, self.attempt),
            attempt=self.attempt,
            origin=self.context.origin,
            instance=scenario.label_text,
            cell=self.run.cell.name,
            seed=self.run.seed,
            tier=program.tier,
            axes=as_json(self.run.cell.values),
            settings={name: to_shown_json(value) for name, value in settings.items()},
            tags=scenario.tags,
            group=scenario.group,
            priority=scenario.priority,
            needs=dict(scenario.needs),
            prefers=dict(scenario.prefers),
            directories=self.directories,
            timeout_s=self._seconds(program.timeout, DEFAULT_TIMEOUT_S, "timeout"),
            cooldown_s=self._seconds(program.cooldown, 0.0, "cooldown"),
            retry=self._retry(),
            all_steps=program.word("steps", "all") == "all",
            services=tuple(self._service(each) for each in self.processes if each.recipe.part.kind == "serve"),
            steps=self._steps(),
            holds=self._holds(),
            guards=self.context.guards,
            faults=tuple(self._fault(each) for each in self._recipes("fault")),
            oracles=tuple(self._oracle(each) for each in self._recipes("oracle")),
            patterns=self._patterns(patterns),
            expectations=expectations,
            rules=self._rules(),
            devices={name: self.context.devices[name] for name in self._slots if name in self.context.devices},
            plugins=self.context.plugins,
            environment=self._judges_environment() if self._recipes("oracle") else {},
            masked=self.masked,
            secrets=self._secrets(),
        )
        self._hold_limits(order)
        return msgspec.structs.replace(order, digest=order_digest(order))

    def _patterns(self, expected: tuple[PatternOrder, ...]) -> tuple[PatternOrder, ...]:
        """What the output is searched for, each once: by expectations, and by triage rules should it fail."""
        rules = self.context.book.triage.values()
        found = (*expected, *(each for rule in rules for each in searched(rule.tree)))
        return tuple({each.id: each for each in found}.values())

    def _rules(self) -> RulesOrder | None:
        rules = self.context.rules
        return (
            None
            if rules is None
            else msgspec.structs.replace(rules, kinds=self.program.kinds, physical=self.program.physical)
        )

    def _hold_limits(self, order: Order) -> None:
        """What depends on more than axes is known only now; raises CampaignError for a value that breaks a limit."""
        if order.rules is None:
            return
        try:
            found = broken(order, self.context.book)
        except UnitError as error:
            raise _unsafe(f"{order.key}: a value cannot be held against its limits: {error}") from None
        if found:
            raise _unsafe("; ".join(f"{order.key}: {sentence(each)}" for each in found))

    def _recipes(self, kind: str) -> list[Recipe]:
        return [each for each in self.program.recipes if each.part.kind == kind and each.applies(self.run.values)]

    def _seconds(self, closure: Closure | None, otherwise: float, what: str) -> float:
        if closure is None:
            return otherwise
        value = self._computed(closure)
        seconds = float(value.value) if isinstance(value, Quantity) else otherwise
        if seconds < 0:
            raise _refused("CAMP112", f"{what} is {format_value(value)}, which is less than nothing", None)
        return seconds

    def _computed(self, closure: Closure) -> Value:
        try:
            return closure(self.environment)
        except EvaluationError as error:
            raise _refused("CAMP113", error.message, error.span) from None

    def _retry(self) -> RetryOrder | None:
        retry = self.program.retry
        if retry.attempts <= 1:
            return None
        first, last = retry.first, retry.last
        return RetryOrder(
            attempts=retry.attempts,
            on=retry.on,
            first_s=float(first.value) if first else 0.0,
            last_s=float(last.value) if last else 0.0,
        )

    # --- processes

    def _steps(self) -> tuple[StepOrder, ...]:
        steps = [each for each in self.processes if each.recipe.part.kind == "run"]
        only_last = self.program.word("steps", "all") == "last"
        return tuple(self._step(each, not only_last or each is steps[-1]) for each in steps)

    def _step(self, rendered: Rendered, counts: bool) -> StepOrder:
        part, engine = rendered.recipe.part, rendered.recipe.engine
        codes = self._computed(engine["ok-exits"][0]) if "ok-exits" in engine else (0,)
        return StepOrder(
            label=part.label,
            tool=part.facts.name,
            argv=rendered.argv,
            env=self._env_of(rendered),
            values=as_json(rendered.values),
            index=rendered.index,
            timeout_s=self._time(rendered.recipe, "timeout"),
            ok_exits=tuple(code for code in codes if isinstance(code, int)) if isinstance(codes, tuple) else (0,),
            counts=counts,
            metrics=_metrics(rendered.recipe),
            template=self._template(rendered),
        )

    def _service(self, rendered: Rendered) -> ServiceOrder:
        part = rendered.recipe.part
        return ServiceOrder(
            label=part.label,
            tool=part.facts.name,
            argv=rendered.argv,
            env=self._env_of(rendered),
            values=as_json(rendered.values),
            timeout_s=self._time(rendered.recipe, "timeout"),
            probe=part.facts.exports,
            template=self._template(rendered),
        )

    def _template(self, rendered: Rendered) -> tuple[Template, ...]:
        """How the arguments of a declared tool are made, so that they can be held against its values again."""
        made = rendered.recipe.manifest
        if made is None or self.context.rules is None:
            return ()
        return made.templates({canonical(name): value for name, value in rendered.values.items()})

    def _time(self, recipe: Recipe, name: str) -> float | None:
        closures = recipe.engine.get(name)
        return self._seconds(closures[0], 0.0, name) if closures else None

    @property
    def _slots(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.scenario.needs, *self.scenario.prefers)))

    def _own_variables(self) -> dict[str, str]:
        """``CAMPAIGN_…``, as all programs of the run get them."""
        run, program = self.run, self.program
        own = {
            "CAMPAIGN_NAME": self.context.campaign_name,
            "CAMPAIGN_RUN_ID": run_id(self.context.campaign_name, run.key, self.attempt),
            "CAMPAIGN_INSTANCE": self.scenario.label_text,
            "CAMPAIGN_CELL": run.cell.name,
            "CAMPAIGN_SEED": str(run.seed),
            "CAMPAIGN_ATTEMPT": str(self.attempt),
            "CAMPAIGN_TIER": program.tier or "",
            "CAMPAIGN_WORKDIR": self.directories.work,
        }
        if self.directories.chain is not None:
            own["CAMPAIGN_CHAINDIR"] = self.directories.chain
        for name in self._slots:
            own[f"CAMPAIGN_SLOT_{_variable(name)}"] = late(f"slot.{name}")
        return own

    def _env_of(self, rendered: Rendered) -> dict[str, str]:
        parameters = {f"CAMPAIGN_PARAM_{_variable(name)}": _env_text(value) for name, value in rendered.values.items()}
        return {**self.passed, **self._visible(), **rendered.env, **self.own, **parameters}

    def _judges_environment(self) -> dict[str, str]:
        """That of the tools, but for the devices: who judges holds none any more."""
        return {**self.passed, **dict.fromkeys(self._visible(), ""), **self.own}

    def _visible(self) -> dict[str, str]:
        """The one list of devices that CUDA heeds; a run that names no GPU is left as it is."""
        return {"CUDA_VISIBLE_DEVICES": late("device.gpu")} if "gpu" in self._slots else {}

    def _secrets(self) -> tuple[str, ...]:
        """Secret values that texts take as ``{env.NAME}`` without their variable being passed on."""
        names = (name.removeprefix("@env.") for name in self.program.builtins if name.startswith("@env."))
        values = {self.context.env[name] for name in names if is_secret(name) and name not in self.passed}
        return tuple(sorted(value for value in values if value))

    def _passed(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """The captured variables that tools get, and the names of those whose values are masked."""
        env = self.context.env
        named = {word.text: secret for word, secret in self.program.case.merged.pass_env}
        names = [*PASSED, *sorted(name for name in env if name.startswith("LC_")), *named]
        passed = {name: env[name] for name in names if name in env}
        declared = {name for each in self.processes for name in each.env}
        secret = {name for name, hidden in named.items() if hidden}
        secret |= {name for name in (*passed, *declared) if is_secret(name)}
        return passed, tuple(sorted(secret))

    # --- holds, faults and oracles

    def _holds(self) -> tuple[HoldOrder, ...]:
        """The held conditions; raises CampaignError where two would change one thing."""
        holds, owners = [], dict[str, Recipe]()
        for recipe in self._recipes("hold"):
            holds.append(hold := self._hold(recipe))
            for name in hold.resources:
                other = owners.setdefault(name if name.startswith("/") else canonical(name), recipe)
                if other is not recipe:
                    summary = f"the holds {shown(other.part.label)} and {shown(hold.label)} both change {shown(name)}"
                    raise _refused("CAMP165", summary, recipe.part.placed.span)
        return tuple(holds)

    def _hold(self, recipe: Recipe) -> HoldOrder:
        part, values = recipe.part, recipe.values(self.environment, self._path)
        return HoldOrder(
            label=part.label,
            fault=part.facts.name,
            settings=as_json(values),
            target=_label(part.engine.get("target")),
            random=self._draw(f"hold.{part.label}"),
            resources=_resources(recipe, values),
        )

    def _fault(self, recipe: Recipe) -> FaultOrder:
        part, values = recipe.part, recipe.values(self.environment, self._path)
        return FaultOrder(
            label=part.label,
            fault=part.facts.name,
            at_s=self._instant(recipe),
            settings=as_json(values),
            for_s=self._time(recipe, "for"),
            sla_s=self._time(recipe, "sla"),
            target=_label(part.engine.get("target")) or self._only_process(),
            after=_label(part.engine.get("after")),
            random=self._draw(f"fault.{part.label}"),
            resources=_resources(recipe, values),
        )

    def _only_process(self) -> str | None:
        labels = {each.recipe.part.label for each in self.processes}
        return labels.pop() if len(labels) == 1 else None

    def _instant(self, recipe: Recipe) -> float:
        """Seconds after the start; out of a range one of its whole milliseconds is drawn."""
        closures = recipe.engine.get("at", ())
        ends = [value.value for closure in closures if isinstance(value := self._computed(closure), Quantity)]
        if not ends:
            return 0.0
        if ends[0] < 0 or ends[-1] < ends[0]:
            summary = f"the fault {shown(recipe.part.label)} has no instant between {ends[0]}s and {ends[-1]}s"
            raise _refused("CAMP112", summary, recipe.part.engine["at"].span)
        if len(ends) == 1:
            return float(ends[0])
        return float(drawn_instant(ends[0], ends[1], self._draw(instant_purpose(recipe.part.label))))

    def _oracle(self, recipe: Recipe) -> OracleOrder:
        return OracleOrder(
            label=recipe.part.label,
            oracle=recipe.part.facts.name,
            settings=as_json(recipe.values(self.environment, self._path)),
            required=self._flag(recipe, "required", True),
            advisory=self._flag(recipe, "advisory", False),
            timeout_s=self._time(recipe, "timeout"),
        )

    def _flag(self, recipe: Recipe, name: str, otherwise: bool) -> bool:
        closures = recipe.engine.get(name)
        return self._computed(closures[0]) is True if closures else otherwise


def as_json(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values by name as JSON; raises CampaignError for one without an exact written form."""
    try:
        return {name: to_json(value) for name, value in values.items()}
    except UnitError as error:
        raise _refused("CAMP113", str(error), None) from None


def undefined_variable(name: str, span: Span | None) -> Diagnostic:
    """A variable that a spec asks for is not set where the campaign was submitted."""
    summary = f"the environment variable {shown(name)} is not set"
    return Diagnostic("CAMP180", summary, span, f"export {shown(name)}=… and try again", status=ExitStatus.SETUP)


def environment_problems(programs: Iterable[Program], env: Mapping[str, str]) -> list[Diagnostic]:
    """Every variable that a scenario asks for as ``{env.NAME}`` and that is not set; asked before anything runs."""
    found: dict[str, Diagnostic] = {}
    for program in programs:
        for name in program.builtins:
            variable = name.removeprefix("@env.")
            if variable != name and variable not in env and variable not in found:
                found[variable] = undefined_variable(variable, _place(program, f"env.{variable}"))
    return [found[name] for name in sorted(found)]


def _place(program: Program, name: str) -> Span | None:
    """Where a text of a program names ``name``."""
    case = program.case
    written = [each for part in case.parts if part.facts.declared is not None for each in holes(part.facts.declared)]
    exprs = [binding.expr for part in case.parts for binding in part.bindings.values() if binding.expr is not None]
    settings = (node.definition.setting for node in case.values.nodes.values() if node.definition is not None)
    exprs += [setting.value for setting in settings if setting is not None]
    named = (*written, *(each for expr in exprs for each in references(expr) if isinstance(each, Hole)))
    return next((each.span for each in named if each.name == name), None)


def _metrics(recipe: Recipe) -> tuple[MetricOrder, ...]:
    facts = recipe.part.facts
    if facts.declared is not None:
        return tuple(
            MetricOrder(each.name.text, each.pattern.pattern, each.type.text if each.type else "decimal")
            for each in facts.declared.metrics
        )
    return tuple(MetricOrder(each.name, each.pattern, each.type) for each in getattr(facts.provider, "metrics", ()))


def _resources(recipe: Recipe, values: Mapping[str, Value]) -> tuple[str, ...]:
    """What a fault or hold changes; whatever its plugin does wrong names it."""
    try:
        with printing_aside():
            named = recipe.part.facts.provider.resources(values)
    except (Exception, SystemExit) as error:  # a stranger's code: it must not take the plan down
        raise _broken_fault(recipe, f"raises in resources(): {type(error).__name__}: {error}") from error
    if not isinstance(named, tuple) or not all(isinstance(name, str) and name for name in named):
        raise _broken_fault(recipe, "answers resources() with something else than names")
    return named


def _broken_fault(recipe: Recipe, what: str) -> CampaignError:
    part = recipe.part
    summary = f"the fault {part.facts.name} {what}"
    return CampaignError([Diagnostic("CAMP181", summary, part.placed.provider.span, status=ExitStatus.SETUP)])


def _label(expr: Expr | None) -> str | None:
    return None if expr is None else label_of(expr)


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _env_text(value: Value) -> str:
    return msgspec.json.encode(to_json(value)).decode() if isinstance(value, tuple) else format_value(value)


def _unsafe(summary: str) -> CampaignError:
    return CampaignError([Diagnostic("CAMP320", summary, status=ExitStatus.SAFETY)])


def _refused(code: str, summary: str, span: Span | None) -> CampaignError:
    return CampaignError([Diagnostic(code, summary, span)])
