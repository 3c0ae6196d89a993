"""From a run to the order that carries it out: argument vectors, environments, instants, expectations.

Pure: the captured environment, the campaign's folders and the tokens are passed in.  The same run and attempt give the
same order but for the token.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection, Mapping

import msgspec
from msgspec import Struct

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus
from campaign.language.values import BUILTIN
from campaign.plan.conditions import looked_for, render_faults, render_holds, render_oracle, render_watch
from campaign.plan.evaluation import Evaluation, as_json
from campaign.plan.expectations import render_expectations, searched
from campaign.plan.identity import draw, run_id
from campaign.plan.matrix import Run
from campaign.plan.names import run_directory
from campaign.plan.processes import Place, Rendered, render_processes
from campaign.plan.program import Environment, Program, Recipe
from campaign.plan.schedule import schedule_order
from campaign.plan.slas import tightened
from campaign.plan.variables import undefined_variable
from campaign.plugins.names import canonical
from campaign.records import (
    Directories,
    FaultOrder,
    GuardOrder,
    MetricOrder,
    MinimizeOrder,
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
from campaign.records.order import Template, parameter_variables, variable
from campaign.rules.orders import broken, sentence
from campaign.rules.structs import RuleBook
from campaign.units import UnitError, Value, format_value, to_shown_json

DEFAULT_TIMEOUT_S = 600.0
#: Variables that begin so are set by nobody else.
_OURS = "CAMPAIGN_"
DEFAULT_TRACE_BYTES = 64 << 20
#: What every tool gets of the environment, beside ``LC_*`` and what the spec passes on.
PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER")


class RenderContext(Struct, frozen=True, kw_only=True):
    """What rendering needs beside the run; all paths absolute.

    ``run_root`` is the campaign's own folder for people (``runs/<campaign-id>``), ``attempts`` the private one
    (``.campaign/attempts``), ``root`` the folder to which the paths of spec files are relative.  ``env`` is the
    captured environment, ``token`` makes a new token each time.  ``devices`` are what CUDA calls the units of a slot,
    ``guards`` what the rule sets have watched, ``book`` what they come to, and ``rules`` where they are to be found.
    ``trace_bytes`` is what the traces of an attempt may hold in all; ``replays`` are traces that steps carry out again,
    absolute paths by their names.
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
    signed_by: tuple[str, ...] = ()
    devices: Mapping[str, tuple[str, ...]] = {}
    guards: tuple[GuardOrder, ...] = ()
    rules: RulesOrder | None = None
    book: RuleBook = RuleBook()
    trace_bytes: int = DEFAULT_TRACE_BYTES
    replays: Mapping[str, str] = {}


def render(run: Run, attempt: int, context: RenderContext) -> Order:
    """The order of one attempt of a run; raises CampaignError where a value is refused or cannot be computed."""
    return _Rendering(run, attempt, context).order()


def shared_builtins(run: Run, campaign_name: str, program: Program) -> dict[str, Value]:
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
        self.evaluation = Evaluation(self.environment, self._path, self._draw)
        place = Place(
            workdir=self.directories.work,
            seed=run.seed,
            instance=self.scenario.label_text,
            cell=run.cell.name,
            attempt=attempt,
            tier=self.program.tier,
            draw=self._draw,
            served=self.directories.chain,
            public=self.directories.public,
            trace_bytes=context.trace_bytes,
            replays=context.replays,
        )
        self.processes = render_processes(self.program, run.values, self.environment, place, self._path)
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
        chain = f"{root}/{os.path.dirname(cell)}/chain-{self.attempt}"
        return Directories(
            public=public,
            private=f"{self.context.attempts}/{self.token}",
            work=f"{public}/work",
            chain=chain if self.program.chained else None,
        )

    # --- values

    def _environment(self) -> Environment:
        """What the program's closures look up; exports of served tools are late, their own parameters are not."""
        builtins = {**{name: self._builtin(name) for name in self.program.builtins}, **self._own_builtins()}
        environment = self.program.environment(self.run.values, self.run.seed, builtins)
        served = {**environment, "@workdir": self.directories.served}
        of_served = {
            name: text for name in self.program.builtins if (text := self._of_served(name, served)) is not None
        }
        if not of_served:
            return environment
        return self.program.environment(self.run.values, self.run.seed, {**builtins, **of_served})

    def _own_builtins(self) -> dict[str, Value]:
        return {
            **shared_builtins(self.run, self.context.campaign_name, self.program),
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
        labels = {each.recipe.part.label for each in self.processes}
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
            timeout_s=self.evaluation.seconds(program.timeout, DEFAULT_TIMEOUT_S, "timeout"),
            clock="virtual" if program.word("clock", "real") == "virtual" else "real",
            schedule=None if program.schedule is None else schedule_order(program.schedule, self.evaluation),
            cooldown_s=self.evaluation.seconds(program.cooldown, 0.0, "cooldown"),
            retry=self._retry(),
            minimize=self._minimize(),
            all_steps=program.word("steps", "all") == "all",
            services=tuple(self._service(each) for each in self.processes if each.recipe.part.kind == "serve"),
            steps=self._steps(),
            holds=render_holds(self._recipes("hold"), self.evaluation),
            guards=self.context.guards,
            faults=self._faults(labels),
            watches=tuple(render_watch(each, self.evaluation) for each in self._recipes("watch")),
            oracles=tuple(render_oracle(each, self.evaluation) for each in self._recipes("oracle")),
            patterns=self._patterns(patterns),
            expectations=expectations,
            rules=self._rules(),
            devices={name: self.context.devices[name] for name in self._slots if name in self.context.devices},
            plugins=self.context.plugins,
            signed_by=self.context.signed_by,
            environment=self._judges_environment() if self._recipes("oracle") or self._recipes("watch") else {},
            masked=self.masked,
            secrets=self._secrets(),
        )
        self._hold_limits(order)
        return msgspec.structs.replace(order, digest=order_digest(order))

    def _patterns(self, expected: tuple[PatternOrder, ...]) -> tuple[PatternOrder, ...]:
        """What the output is searched for, each once: by expectations, by oracles, by triage rules should it fail."""
        ruled = (each for rule in self.context.book.triage.values() for each in searched(rule.tree))
        asked = (*self._recipes("oracle"), *self._recipes("watch"))
        found = (*expected, *(each for recipe in asked for each in looked_for(recipe, self.evaluation)), *ruled)
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

    def _minimize(self) -> MinimizeOrder | None:
        wish = self.program.minimize
        if wish is None:
            return None
        found = MinimizeOrder(by=wish.by, order=wish.order, attempts=wish.attempts)
        return found if wish.time is None else msgspec.structs.replace(found, seconds=float(wish.time.value))

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

    def _faults(self, processes: Collection[str]) -> tuple[FaultOrder, ...]:
        recipes, schedule = self._recipes("fault"), self.program.schedule
        return tightened(render_faults(recipes, schedule, self.evaluation, processes, self.run.seed), self.context.book)

    # --- processes

    def _steps(self) -> tuple[StepOrder, ...]:
        steps = [each for each in self.processes if each.recipe.part.kind == "run"]
        only_last = self.program.word("steps", "all") == "last"
        return tuple(self._step(each, not only_last or each is steps[-1]) for each in steps)

    def _step(self, rendered: Rendered, counts: bool) -> StepOrder:
        part, engine = rendered.recipe.part, rendered.recipe.engine
        codes = self.evaluation.computed(engine["ok-exits"][0]) if "ok-exits" in engine else (0,)
        return StepOrder(
            label=part.label,
            tool=part.facts.name,
            argv=rendered.argv,
            env=self._env_of(rendered),
            values=as_json(rendered.values),
            index=rendered.index,
            timeout_s=self.evaluation.time(rendered.recipe, "timeout"),
            ok_exits=tuple(code for code in codes if isinstance(code, int)) if isinstance(codes, tuple) else (0,),
            counts=counts,
            metrics=_metrics(rendered.recipe),
            template=self._template(rendered),
            env_template=self._env_template(rendered),
            trace=rendered.trace,
        )

    def _service(self, rendered: Rendered) -> ServiceOrder:
        part = rendered.recipe.part
        return ServiceOrder(
            label=part.label,
            tool=part.facts.name,
            argv=rendered.argv,
            env=self._env_of(rendered),
            values=as_json(rendered.values),
            timeout_s=self.evaluation.time(rendered.recipe, "timeout"),
            probe=part.facts.exports,
            template=self._template(rendered),
            env_template=self._env_template(rendered),
            trace=rendered.trace,
        )

    def _template(self, rendered: Rendered) -> tuple[Template, ...]:
        """How the arguments of a declared tool are made, so that they can be held against its values again."""
        made = rendered.recipe.manifest
        if made is None or self.context.rules is None:
            return ()
        values = {canonical(name): value for name, value in rendered.values.items()}
        return made.templates(values, rendered.chosen)

    def _env_template(self, rendered: Rendered) -> dict[str, Template]:
        """The same of its variables; those that are ours, whatever the tool declares, are held against by name."""
        made = rendered.recipe.manifest
        if made is None or self.context.rules is None:
            return {}
        return {name: each for name, each in made.env_templates.items() if not name.startswith(_OURS)}

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
            own[f"CAMPAIGN_SLOT_{variable(name)}"] = late(f"slot.{name}")
        return own

    def _env_of(self, rendered: Rendered) -> dict[str, str]:
        parameters = parameter_variables(rendered.values)
        served = rendered.recipe.part.kind == "serve"
        place = {"CAMPAIGN_WORKDIR": self.directories.served} if served else {}
        return {**self.passed, **self._visible(), **rendered.env, **self.own, **place, **parameters}

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


def _metrics(recipe: Recipe) -> tuple[MetricOrder, ...]:
    facts = recipe.part.facts
    if facts.declared is not None:
        return tuple(
            MetricOrder(each.name.text, each.pattern.pattern, each.type.text if each.type else "decimal")
            for each in facts.declared.metrics
        )
    return tuple(MetricOrder(each.name, each.pattern, each.type) for each in getattr(facts.provider, "metrics", ()))


def _unsafe(summary: str) -> CampaignError:
    return CampaignError([Diagnostic("CAMP320", summary, status=ExitStatus.SAFETY)])
