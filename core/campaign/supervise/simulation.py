"""How the faults of a run go on the virtual clock, asked of their models: in the provider host, all in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

from campaign.plugins.api import Draw, Fault, Outcome, Timeline, UnableError
from campaign.plugins.api import Simulated as Went
from campaign.plugins.parameters import defaults, from_json
from campaign.plugins.registry import Registry
from campaign.supervise.hostmessages import Failed, Simulate, Simulated, SimulatedFault, VirtualFault

#: What the files of one run may hold, in characters.
_MOST_CHARS = 4 << 20


def simulate(registry: Registry, request: Simulate) -> Simulated | Failed:
    """Ask each model about each of its faults, then for its files; whatever a model does wrong is raised."""
    problems = registry.use(request.plugins)
    if problems:
        return Failed(request.id, "; ".join(each.summary for each in problems))
    asking = _Asking(registry, request)
    outcomes = [asking.outcome(each) for each in request.faults]
    went = tuple(
        SimulatedFault(each.simulated.detected_after_s, each.simulated.recovered_after_s, each.simulated.notes)
        for each in outcomes
    )
    return Simulated(request.id, went, asking.files(outcomes))


class _Asking:
    def __init__(self, registry: Registry, request: Simulate) -> None:
        self._registry, self._request = registry, request
        self._models: dict[str, Fault] = {}

    def outcome(self, fault: VirtualFault) -> Outcome:
        """How one fault goes; raises UnableError for an answer that is none."""
        model = self._model(fault.fault)
        settings = defaults(model) | from_json(model, fault.settings)
        draw = Draw(
            label=fault.label,
            seed=self._request.seed,
            random=fault.random,
            sequence=fault.sequence,
            index=fault.index,
            at_s=fault.at_s,
            for_s=fault.for_s,
            sla_s=fault.sla_s,
        )
        went = model.simulate(draw, settings)
        if not isinstance(went, Went) or not all(map(_is_time, (went.detected_after_s, went.recovered_after_s))):
            raise UnableError(f"{fault.fault} simulates {went!r}, which is no Simulated with times after the injection")
        return Outcome(draw=draw, settings=settings, simulated=went)

    def files(self, outcomes: Iterable[Outcome]) -> dict[str, str]:
        """What every model says of its own, the files of two models under two names; raises UnableError."""
        request = self._request
        timeline = Timeline(
            campaign=request.campaign,
            key=request.key,
            instance=request.instance,
            seed=request.seed,
            tier=request.tier,
            attempt=request.attempt,
            schedule=request.schedule,
            over_s=request.over_s,
        )
        by_model: dict[str, list[Outcome]] = {}
        for fault, outcome in zip(request.faults, outcomes, strict=True):
            by_model.setdefault(fault.fault, []).append(outcome)
        found: dict[str, str] = {}
        for name, own in by_model.items():
            for file, text in _texts(name, self._model(name).reports(timeline, own)):
                if found.setdefault(file, text) is not text:
                    raise UnableError(f"two models write the file {file}, {name} is one")
        if sum(map(len, found.values())) > _MOST_CHARS:
            raise UnableError(f"the files of its models hold more than {_MOST_CHARS:,} characters")
        return found

    def _model(self, name: str) -> Fault:
        if name not in self._models:
            model = self._registry.find("fault", name)
            if not isinstance(model, Fault):
                raise UnableError(f"no plugin provides the fault {name}")
            self._models[name] = model
        return self._models[name]


def _is_time(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and isfinite(value) and value >= 0)


def _texts(name: str, files: object) -> Iterable[tuple[str, str]]:
    if not isinstance(files, Mapping) or not all(isinstance(each, str) for pair in files.items() for each in pair):
        raise UnableError(f"{name} answers reports() with something else than texts by name")
    return files.items()
