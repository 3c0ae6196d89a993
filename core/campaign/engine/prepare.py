"""What is settled before anything runs: the plan, its snapshot, and whether this machine can carry it out.

A new campaign is planned from the files as they are; one that is resumed, from its snapshot alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import prod
from typing import Any

from msgspec import Struct, structs

from campaign import __version__
from campaign.diagnostics import CampaignError, Diagnostic, Severity, failed
from campaign.engine import repeat
from campaign.engine.admission import objections
from campaign.engine.capacity import Capacity, capacity_of, doubts
from campaign.engine.host import processors
from campaign.engine.lacking import lacking, only_missing
from campaign.engine.tightened import refused_by_now
from campaign.language.files import Reader
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import INTERRUPTED, OPEN, CampaignRow, RequestRow
from campaign.plan import snapshot as snapshots
from campaign.plan.names import directory_name
from campaign.plan.nothing import nothing_selected
from campaign.plan.plan import Options, Plan, make_plan
from campaign.plan.render import DEFAULT_TRACE_BYTES, PASSED, RenderContext
from campaign.plan.ruled import Host
from campaign.plan.selection import Selected
from campaign.plan.snapshot import Snapshot
from campaign.plan.space import Space, UncountableError, components
from campaign.plan.view import planned_instances, planned_skips
from campaign.plugins.parameters import parameter_types
from campaign.plugins.registry import Registry
from campaign.records import GuardOrder, RulesOrder
from campaign.records.plan import PlanCounts, PlanPlugin, PlanTool, PlanView
from campaign.rules.failures import merged, split
from campaign.rules.structs import Guard, RuleBook
from campaign.units import Dimension, UnitError, parse_quantity, to_json

#: Combinations that an exclusion is asked about before the campaign starts; a tenth of a second or so.
_MOST_ASKED = 20_000
#: The variable that says what the traces of an attempt may hold; it is read where the campaign is submitted.
TRACE_SIZE = "CAMPAIGN_TRACE_SIZE"
_MOST_TRACE_BYTES = 1 << 40


class Prepared(Struct, frozen=True, kw_only=True):
    """A campaign that can be carried out: ``root`` is the folder to which the spec's paths are relative."""

    plan: Plan
    campaign: CampaignRow
    snapshot: Snapshot
    registry: Registry
    capacity: Capacity
    counts: PlanCounts | None
    requests: tuple[RequestRow, ...] = ()
    resume: bool = False
    aside: bool = False
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def until_fail(self) -> bool:
        """Whether its first failure ends it, and until then it is repeated."""
        return any(each.kind == repeat.KIND for each in self.requests)

    @property
    def blobs(self) -> dict[str, bytes]:
        """The snapshot's parts by their hashes; nothing new where it is resumed."""
        return {} if self.resume else snapshots.parts(self.snapshot, self.plan.files)

    def context(self, epoch: int, attempts: str, token: Callable[[], str]) -> RenderContext:
        """What orders are rendered with."""
        return RenderContext(
            campaign=self.campaign.id,
            campaign_name=self.plan.name,
            campaign_seed=self.plan.seed,
            run_root=self.campaign.run_root,
            attempts=attempts,
            root=self.snapshot.directory,
            env=self.snapshot.environment,
            epoch=epoch,
            token=token,
            plugins=tuple(plugin.plugin for plugin in self.snapshot.plugins),
            signed_by=self.registry.implementing("campaign_fingerprint"),
            guards=_guards(self.plan, self.registry, self.snapshot.directory),
            rules=_rules(self.plan, self.snapshot.directory),
            book=self.plan.rules.book if self.plan.rules is not None else RuleBook(),
            devices=self.capacity.devices,
            trace_bytes=trace_bytes(self.snapshot.environment.get(TRACE_SIZE)),
        )


class Wishes(Struct, frozen=True, kw_only=True):
    """What the command line says beside the selection; ``host`` is what rule sets are matched with, if with any."""

    workspace: str
    run_root: str | None = None
    parallel: int | None = None
    host: Host | None = None


def prepare(spec: str, options: Options, wishes: Wishes, read: Reader, environ: Mapping[str, str]) -> Prepared:
    """Plan a new campaign and see whether it can run; raises CampaignError with everything that speaks against it."""
    registries: list[Registry] = []
    plan, found = make_plan(spec, read, options, _remembering(registries), wishes.host)
    if plan is None and only_missing(found):
        raise CampaignError([*found, *lacking(spec, read, options, registries[0], environ)])
    if plan is None:
        raise CampaignError(found)
    return _begun(plan, found, registries[0], spec, os.getcwd(), wishes, environ)


def repeated(prepared: Prepared, max_runs: int | None, identity: str) -> Prepared:
    """The same until its first failure, ``max_runs`` runs in all at most."""
    row = prepared.campaign
    settings = {} if max_runs is None else {"max_runs": max_runs}
    asked = RequestRow(id=identity, campaign=row.id, kind=repeat.KIND, settings=settings, at=row.created_at)
    return structs.replace(prepared, requests=(asked,))


def prepare_rerun(
    campaign: CampaignRow, options: Options, wishes: Wishes, read: Reader, environ: Mapping[str, str]
) -> Prepared:
    """Plan a new campaign from the snapshot of a recorded one; ``options`` go before its own, one by one.

    Its values keep the limits of then and of now.  Raises CampaignError with everything that speaks against it, also
    where plugins have changed.
    """
    registries: list[Registry] = []
    with LedgerReader(os.path.join(wishes.workspace, "ledger.sqlite")) as ledger:
        snapshot = snapshots.load(campaign.snapshot or campaign.plan_hash, ledger.blob)
        stored = snapshots.reader(snapshot, ledger.blob)
        then = structs.replace(wishes.host or Host(), chosen=snapshots.chosen_rules(snapshot))
        wanted = over(snapshot.options, options)
        plan, found = make_plan(snapshot.spec, stored, wanted, _remembering(registries), then)
    if plan is None:
        raise CampaignError(found)
    changed = snapshots.changed_plugins(snapshot, _plugins(registries[0]))
    if changed:
        raise CampaignError(changed)
    here = _relative_to(snapshot.directory, read)
    refused = refused_by_now(plan, snapshot.directory, read)
    if refused:
        raise CampaignError(refused)
    found = [*found, *map(_changed, snapshots.changed_files(snapshot, here))]
    return _begun(plan, found, registries[0], snapshot.spec, snapshot.directory, wishes, environ)


def over(before: Options, now: Options) -> Options:
    """A recorded selection with what is asked for now: what is given replaces, settings come behind."""
    given = {name: value for name in Options.__struct_fields__ if (value := getattr(now, name)) not in (None, ())}
    return structs.replace(before, **{**given, "sets": (*before.sets, *now.sets)})


def _begun(  # noqa: PLR0913, PLR0917 - a plan, where it comes from, and what it is to run on
    plan: Plan,
    found: Sequence[Diagnostic],
    registry: Registry,
    spec: str,
    directory: str,
    wishes: Wishes,
    environ: Mapping[str, str],
) -> Prepared:
    """A new campaign of a plan, with its snapshot and its row; raises CampaignError where it cannot run here."""
    capacity = capacity_of(plan, wishes.parallel, environ)
    snapshot = Snapshot(
        campaign=__version__,
        spec=spec,
        directory=directory,
        options=plan.options,
        environment=snapshots.captured(_variables(plan), environ),
        host=_host(plan, capacity),
        files=snapshots.plan_files(plan.files),
        plugins=tuple(_plugins(registry)),
    )
    hash_ = snapshots.plan_hash(snapshot)
    counts, now = _counted(plan), datetime.now(UTC)
    nothing = nothing_selected(plan) if counts is not None and not counts.runs else None
    if nothing is not None:
        raise CampaignError([*found, nothing])
    identity = campaign_id(plan.name, now)
    root = os.path.abspath(wishes.run_root) if wishes.run_root else os.path.join(wishes.workspace, "runs")
    row = CampaignRow(
        id=identity,
        name=plan.name,
        about=plan.whole.about if plan.whole else None,
        spec=os.path.abspath(os.path.join(directory, spec)),
        run_root=os.path.join(root, identity),
        snapshot=hash_,
        plan_hash=hash_,
        seed=plan.seed,
        tier=plan.options.tier,
        total=counts.runs if counts else None,
        parallel=capacity.parallel,
        orphans=_orphans(plan),
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
    prepared = Prepared(
        plan=plan,
        campaign=row,
        snapshot=snapshot,
        registry=registry,
        capacity=capacity,
        counts=counts,
        warnings=(*found, *doubts(capacity)),
    )
    _see_whether_it_can_run(prepared)
    return prepared


def prepare_again(  # noqa: PLR0913 - what is meant, and what it is to run on
    word: str | None,
    spec: str | None,
    wishes: Wishes,
    read: Reader,
    environ: Mapping[str, str],
    *,
    aside: CampaignRow | None = None,
) -> Prepared:
    """Plan a recorded campaign again from its snapshot; raises CampaignError, also where plugins have changed.

    ``aside`` is one of which nothing but what is asked for beside its plan is to be carried out.
    """
    with LedgerReader(os.path.join(wishes.workspace, "ledger.sqlite")) as ledger:
        row = aside or _unfinished(ledger, word, spec)
        requests = tuple(ledger.requests(row.id, state=OPEN))
        snapshot = snapshots.load(row.snapshot or row.plan_hash, ledger.blob)
        registries: list[Registry] = []
        stored = snapshots.reader(snapshot, ledger.blob)
        then = structs.replace(wishes.host or Host(), chosen=snapshots.chosen_rules(snapshot))
        plan, found = make_plan(snapshot.spec, stored, snapshot.options, _remembering(registries), then)
    if plan is None:
        raise CampaignError(found)
    changed = snapshots.changed_plugins(snapshot, _plugins(registries[0]))
    if changed:
        raise CampaignError(changed)
    here = _relative_to(snapshot.directory, read)
    capacity = capacity_of(plan, wishes.parallel or row.parallel, environ)
    warnings = [_changed(path) for path in snapshots.changed_files(snapshot, here)]
    prepared = Prepared(
        plan=plan,
        campaign=row,
        snapshot=snapshot,
        registry=registries[0],
        capacity=capacity,
        counts=_counted(plan) if aside is None else None,
        requests=requests,
        resume=True,
        aside=aside is not None,
        warnings=(*found, *warnings, *doubts(capacity)),
    )
    _see_whether_it_can_run(prepared)
    return prepared


def is_aside(row: CampaignRow) -> bool:
    """Whether nothing of a campaign's plan is to be carried out but by ``exec --resume`` or ``retry``."""
    return row.finished or (row.state == INTERRUPTED and row.submission is None)


def _unfinished(ledger: LedgerReader, word: str | None, spec: str | None) -> CampaignRow:
    if word is not None:
        row = ledger.campaign(word)
        if row is None:
            raise _nothing(f"no campaign is called {word}")
        if row.finished:
            raise _nothing(f"{word} is finished")
        return row
    row = ledger.newest_campaign(os.path.abspath(spec) if spec else None, unfinished=True)
    if row is None:
        raise _nothing(f"no campaign of {spec} is unfinished" if spec else "no campaign is unfinished")
    return row


def _nothing(summary: str) -> CampaignError:
    hint = "campaign list shows what was recorded; without --resume a new campaign begins"
    return CampaignError([Diagnostic("CAMP508", f"there is nothing to resume: {summary}", hint=hint)])


def _changed(path: str) -> Diagnostic:
    summary = f"{path} has changed since the campaign began; it goes on with what was recorded"
    return Diagnostic("CAMP509", summary, severity=Severity.WARNING)


def _relative_to(directory: str, read: Reader) -> Reader:
    return lambda path: read(os.path.join(directory, path))


def _remembering(made: list[Registry]) -> Callable[[], Registry]:
    def make() -> Registry:
        made.append(Registry())
        return made[-1]

    return make


def _see_whether_it_can_run(prepared: Prepared) -> None:
    context = prepared.context(0, "/", lambda: "")
    found = objections(prepared.plan, prepared.capacity, prepared.registry, context)
    if failed(found):
        raise CampaignError(found)


# --- snapshot and names -----------------------------------------------------------------------------------------


def _host(plan: Plan, capacity: Capacity) -> dict[str, str]:
    """The facts of this machine that the plan depends on."""
    facts = {"processors": str(processors()), **{f"slots.{name}": str(n) for name, n in capacity.slots.items()}}
    if plan.rules is not None:
        facts[snapshots.BOUND_RULES] = "\n".join(plan.rules.paths)
    if plan.rules is not None and plan.rules.chosen:
        facts[snapshots.AUTO_RULES] = "\n".join(plan.rules.chosen)
    return facts


def _rules(plan: Plan, directory: str) -> RulesOrder | None:
    """Where the rule sets of a plan are to be found by whoever carries an order out; absolute paths."""
    if plan.rules is None:
        return None
    bound = plan.rules
    files = {os.path.join(directory, path): snapshots.digest(data) for path, data in sorted(bound.files.items())}
    return RulesOrder(
        paths=tuple(os.path.join(directory, path) for path in bound.paths),
        files=files,
        merged=merged(bound.book),
        split=split(bound.book),
    )


def _guards(plan: Plan, registry: Registry, directory: str) -> tuple[GuardOrder, ...]:
    """What the rule sets have watched while a run lasts; those of one oracle bear numbers."""
    found: list[GuardOrder] = []
    for guard in plan.rules.book.guards if plan.rules is not None else ():
        number = sum(each.oracle == guard.oracle for each in found)
        label = guard.oracle if not number else f"{guard.oracle}.{number + 1}"
        found.append(
            GuardOrder(
                label=label,
                oracle=guard.oracle,
                every_s=float(guard.every.value),
                settings=_watched(guard, registry, directory),
            )
        )
    return tuple(found)


def _watched(guard: Guard, registry: Registry, directory: str) -> dict[str, Any]:
    """A guard's settings; a relative path in them belongs to the rule set's own file."""
    provider = registry.find("oracle", guard.oracle)
    types = parameter_types(provider) if provider is not None else {}
    folder = os.path.dirname(os.path.join(directory, guard.origin.span.file))
    return {
        name: os.path.normpath(os.path.join(folder, str(value))) if types.get(name) == "path" else to_json(value)
        for name, value in guard.settings.items()
    }


def _orphans(plan: Plan) -> str:
    """What becomes of runs whose runner died: the spec's word goes before a rule set's."""
    of_spec = plan.whole.orphans if plan.whole is not None else None
    of_rules = plan.rules.book.orphans if plan.rules is not None else None
    return of_spec or (of_rules.word if of_rules is not None else "adopt")


def _variables(plan: Plan) -> list[str]:
    """The environment that tools of this plan can get."""
    names = dict.fromkeys([*PASSED, "LC_*"])
    for scenario in plan.scenarios:
        program = scenario.program
        names.update({TRACE_SIZE: None} if program.word("trace", "off") == "on" else {})
        names.update(dict.fromkeys(word.text for word, _ in program.case.merged.pass_env))
        names.update(dict.fromkeys(name.removeprefix("@env.") for name in program.builtins if name.startswith("@env.")))
    return list(names)


def trace_bytes(text: str | None) -> int:
    """What ``CAMPAIGN_TRACE_SIZE`` says that the traces of an attempt may hold; raises CampaignError."""
    if text is None or not text.strip():
        return DEFAULT_TRACE_BYTES
    try:
        size = parse_quantity(text.strip())
    except (UnitError, ValueError):
        size = None
    if size is None or size.dimension is not Dimension.SIZE or not 0 < size.value <= _MOST_TRACE_BYTES:
        summary = f"{TRACE_SIZE} is {text!a:.60}, which is no size above 0B up to 1024GiB"
        raise CampaignError([Diagnostic("CAMP513", summary, hint=f"write a size: {TRACE_SIZE}=256MiB")])
    return int(size.value)


def _plugins(registry: Registry) -> list[PlanPlugin]:
    return [
        PlanPlugin(plugin=each.plugin, distribution=each.name, version=each.version, record_hash=each.record_hash)
        for each in registry.distributions()
    ]


def _counted(plan: Plan) -> PlanCounts | None:
    """How many runs there are; None where counting would keep the first one waiting."""
    if sum(_combinations_to_ask(each) for each in plan.selected) > _MOST_ASKED:
        return None
    try:
        return plan.count()
    except UncountableError:
        return None


def _combinations_to_ask(selected: Selected) -> int:
    """Of how many combinations an exclusion would have to be asked one by one."""
    space = Space(selected.scenario, selected.leaves_out)
    sizes = (*space.sizes, len(selected.scenario.seeds))
    parts = components(sizes, (*space.constraints, *space.narrowing, *space.seeded))
    return sum(prod(part.sizes) for part in parts)


def plan_view(prepared: Prepared, tools: tuple[PlanTool, ...]) -> PlanView:
    """What ``plan.json`` holds."""
    plan, row = prepared.plan, prepared.campaign
    return PlanView(
        campaign=row.id,
        name=row.name,
        about=row.about,
        spec=row.spec,
        plan_hash=row.plan_hash,
        seed=row.seed,
        created_at=row.created_at,
        counts=prepared.counts,
        options=plan.options,
        instances=planned_instances(plan),
        skipped=planned_skips(plan),
        files=prepared.snapshot.files,
        plugins=prepared.snapshot.plugins,
        tools=tools,
    )


def campaign_id(name: str, now: datetime) -> str:
    """``name-UTC-4hex``, fit to be the name of a folder."""
    return f"{directory_name(name)}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
