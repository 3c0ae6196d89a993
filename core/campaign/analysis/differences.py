"""What two campaigns were made of, and where that differs: said before any number is compared; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from campaign.analysis.beside import Beside
from campaign.ledger.rows import CampaignRow
from campaign.records import HostRecord, PlanView

#: Of a host, what changes results; its clocks, sensors and names of devices do not.
_HOST = (
    ("host", "id"),
    ("hostname", "hostname"),
    ("processor", "cpu_model"),
    ("processors", "cpus"),
    ("memory", "memory_bytes"),
    ("microcode", "microcode"),
    ("kernel", "release"),
    ("libc", "libc"),
)
_RULES = (".yaml", ".yml")


class Difference(Struct, frozen=True):
    """One thing that differs: what kind it is of, its name, and how it was on either side (None: not there)."""

    kind: str
    name: str
    a: str | None
    b: str | None


def differences(a: tuple[CampaignRow, Beside], b: tuple[CampaignRow, Beside]) -> list[Difference]:
    """Specs, rule sets, options, seeds, versions and hosts, in that order; nothing where all is the same."""
    (row, beside), (other, besides) = a, b
    found = [*_row(row, other), *_plans(beside.plan, besides.plan), *_hosts(beside.host, besides.host)]
    return [each for each in found if each.a != each.b]


def _row(a: CampaignRow, b: CampaignRow) -> Iterator[Difference]:
    yield Difference("spec", "spec", a.spec, b.spec)
    yield Difference("seed", "seed", str(a.seed), str(b.seed))
    yield Difference("option", "tier", a.tier, b.tier)


def _plans(a: PlanView | None, b: PlanView | None) -> Iterator[Difference]:
    if a is None or b is None:
        yield Difference("plan", "plan.json", *("there" if each else "gone" for each in (a, b)))
        return
    files = ({each.path: each.digest[:12] for each in plan.files} for plan in (a, b))
    for each in _mappings("spec", *files):
        yield Difference("rule set", each.name, each.a, each.b) if each.name.endswith(_RULES) else each
    yield from _mappings("option", *(_options(plan) for plan in (a, b)))
    yield from _mappings("version", *(_versions(plan) for plan in (a, b)))


def _options(plan: PlanView) -> dict[str, str]:
    options = {name: value for name, value in asdict(plan.options).items() if name not in ("tier", "sets")}
    sets = dict(each.partition("=")[::2] for each in plan.options.sets)
    given = {name: _text(value) for name, value in options.items() if value is not None}
    return given | {f"--set {name}": value for name, value in sets.items()}


def _versions(plan: PlanView) -> dict[str, str]:
    found = {f"plugin {each.plugin}": f"{each.distribution} {each.version}" for each in plan.plugins}
    for tool in plan.tools:
        which = tool.digest[:12] if tool.digest else tool.modified_at
        known = [tool.version, tool.path, which] if tool.path else [tool.distribution, tool.version]
        found[f"tool {tool.tool}"] = " ".join(filter(None, known))
    return found


def _hosts(a: HostRecord | None, b: HostRecord | None) -> Iterator[Difference]:
    if a is None or b is None:
        yield Difference("host", "host.json", *("there" if each else "gone" for each in (a, b)))
        return
    yield Difference("version", "campaign", a.campaign, b.campaign)
    yield Difference("version", "python", a.python, b.python)
    for name, field in _HOST:
        yield Difference("host", name, *(_known(getattr(each, field)) for each in (a, b)))


def _mappings(kind: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys((*a, *b)):
        yield Difference(kind, name, a.get(name), b.get(name))


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _known(value: Any) -> str | None:
    return None if value is None else _text(value)
