"""Hostile values over every route into a tool: ``python -m tests.torture.limits [--size N]``; none may get through.

A value is hostile where it lies outside a limit, however it is spelt: in another unit, as another type, in a list, in a
step's own sweep, with ``--set``, by jitter, or written into an order that is already rendered: into its values, its
arguments or its environment.  Each batch takes one route; a batch is refused by a diagnostic, or it has brought a value to
an argument vector: then this stops with status 1.  Only values that really took a route are counted.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from campaign.diagnostics import CampaignError, Diagnostic
from campaign.plan.plan import Options, make_plan
from campaign.plan.render import RenderContext, render
from campaign.plan.ruled import Host
from campaign.plugins.registry import Registry
from campaign.records import Order, RulesOrder, order_digest
from campaign.supervise.limits import Limits
from campaign.units import format_number

from .scenario import Figures, main

LOW, HIGH = Fraction(8, 10), Fraction(11, 10)
RULES = 'name: z\nunbounded: deny\nlimits:\n  voltage: {min: 800mV, max: 1100mV, why: "it burns"}\n'
_TOOL = """
campaign "x" { }
rules "z.yaml"
tool diag {
  command "bin/diag" "--voltage={voltage:uV}" "--note={note}"
  param voltage: voltage = 900mV
  param note: string = "-"
  param n: int = 0
  env RAIL = "{voltage:mV}"
}
"""
_UNITS = (("uV", 10**6), ("mV", 10**3), ("V", 1))


def hostile(chance: random.Random) -> str:
    """A value outside the limits, as a spec might write it."""
    side = chance.random() < 0.5
    distance = chance.choice((Fraction(1, 10**6), Fraction(1, 10**9), Fraction(1, 10), Fraction(10), Fraction(10**6)))
    value = LOW - distance if side else HIGH + distance
    if chance.random() < 0.1:
        value = -value
    unit, size = chance.choice(_UNITS)
    number = format_number(value * size)
    return f"{number}{unit}"


_NONSENSE = (
    "5s", "3", "900", '"900mV"', "0x384", "NaN", "inf", "null", "true", "９００mV", "1e3mV", "[2V]", "[[2V]]", "900 mV",
    "900mA", "900MV", "1V * 2V", "0V", "-0.9V", "1V / 0", "2V / 1", "max(1V, 2V)", "1V + 1V", "999999999999999999999V",
)  # fmt: skip

#: Each route takes hostile values to a spec's text and what stands on the command line.
Route = Callable[[Sequence[str]], tuple[str, tuple[str, ...]]]


def _instances(body: str) -> Route:
    """One instance for each value."""

    def route(values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        made = (f"instance i{n} {{ {body.replace('@', value)} }}" for n, value in enumerate(values))
        return "\n".join(made), ()

    return route


def _listed(body: str) -> Route:
    """All values in one list."""
    return lambda values: (f"instance i {{ {body.replace('@', ', '.join(values))} }}", ())


def _joint(body: str, pair: str) -> Route:
    """All values in one list, each beside a number."""
    return lambda values: _listed(body)([pair.format(value, n) for n, value in enumerate(values)])


def _zipped(values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    numbers = ", ".join(map(str, range(len(values))))
    return f"instance i {{ combine zip; sweep voltage = [{', '.join(values)}]; sweep n = [{numbers}]; run diag }}", ()


def _set(name: str) -> Route:
    """One value on the command line, where the last of a name wins."""
    return lambda values: ("instance i { run diag }", tuple(f"{name}={value}" for value in values))


ROUTES: dict[str, Route] = {
    "a setting": _instances("voltage = @; run diag"),
    "a setting in another spelling": _instances("VOLTAGE = @; run diag"),
    "a qualified setting": _instances("diag.voltage = @; run diag"),
    "a block": _instances("run diag { voltage = @ }"),
    "a served tool's block": _instances("serve s: diag { voltage = @ }; run diag"),
    "an expression": _instances("x = @; run diag { voltage = x }"),
    "an axis": _listed("sweep voltage = [@]; run diag"),
    "an axis beside sound values": _listed("sweep voltage = [900mV, @, 1V]; run diag"),
    "a step's own sweep": _listed("run diag { sweep voltage = [@] }"),
    "an axis in an expression": _listed("sweep x = [@]; run diag { voltage = x }"),
    "jitter": _instances("sweep voltage = [@] jitter 1uV; seeds 1..3; run diag"),
    "a text": _instances('x = @; run diag { note = "{x}" }'),
    "a group's setting": lambda values: (
        "\n".join(f"group g{n} {{ voltage = {value}; instance i {{ run diag }} }}" for n, value in enumerate(values)),
        (),
    ),
    "a hold": _instances('voltage = @; hold rails.sysfs { path = "r"; value = "{voltage:mV}" }; run diag'),
    "a hold's own text": _instances('hold rails.sysfs { path = "r"; value = "@" }; run diag'),
    "a joint axis": _joint("sweep (voltage, n) = [@]; run diag", "({}, {})"),
    "a zipped axis": _zipped,
    "a range": _instances("sweep voltage = @..@ step 1mV; run diag"),
    "--set": _set("voltage"),
    "--set, qualified": _set("diag.voltage"),
}


def attempt(route: Route, values: Sequence[str]) -> str | None:
    """Take values along a route as far as they come; None where they were refused, else how they got through."""
    text, sets = route(values)
    files = {"x.camp": _TOOL + text + "\n", "z.yaml": RULES}

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "No such file", path)
        return files[path].encode()

    host = Host(find_installed=lambda _: None)
    try:
        plan, found = make_plan("x.camp", read, Options(sets=sets), Registry, host)
    except CampaignError as error:
        found, plan = list(error.diagnostics), None
    if plan is None:
        return _unsaid(text, found)
    for run in plan.runs():
        order = render(run, 1, _context(plan.rules))
        for step in (*order.services, *order.steps):
            if _outside(step.argv[1]) or _outside(step.env["RAIL"]):
                return f"{step.argv} of {run.key}"
    return "the plan was made" if any(map(_is_outside, values)) else None


def _unsaid(text: str, found: Sequence[Diagnostic]) -> str | None:
    """Which instance was not spoken of, where each has a line of its own and only limits are broken."""
    codes = {each.code for each in found if each.severity == "error"}
    if not codes:
        return "refused without a word"
    told = {each.span.line for each in found if each.span is not None}
    lines = range(_TOOL.count("\n") + 1, _TOOL.count("\n") + 1 + len(text.splitlines()))
    silent = [line for line in lines if line not in told] if codes == {"CAMP320"} and "--set" not in str(found) else []
    return f"nothing was said of {text.splitlines()[silent[0] - lines[0]]}" if silent else None


def _context(rules: Any) -> RenderContext:
    del rules  # rendered without the net, to see what the plan alone lets through
    return RenderContext(
        campaign="x-1",
        campaign_name="x",
        campaign_seed=0,
        run_root="/runs",
        attempts="/private",
        root="/",
        env={},
        epoch=1,
        token=lambda: "token",
    )


def _outside(text: str) -> bool:
    number = Fraction(text.rpartition("=")[2]) / (10**6 if "=" in text else 10**3)
    return not LOW <= number <= HIGH


def _is_outside(value: str) -> bool:
    """Whether a value is one that even its spelling shows to be outside; the others may be sound (``0.9V`` twice)."""
    number = value.rstrip("uVm")
    return value.endswith("V") and value not in _NONSENSE and number.lstrip("-").replace(".", "").isdigit()


# --- what a supervisor is handed ----------------------------------------------------------------------------------


_NO_VALUES: tuple[Any, ...] = (
    *(float("inf"), None, 900, 1.2, True, "0x384", ["900mV", "2V"], {"v": 1}, "", "９００mV"),
)


def forged(limits: Limits, order: Order, chance: random.Random) -> str | None:
    """An order that was changed after it was rendered; None where the supervisor refuses it."""
    step, value = order.steps[0], hostile(chance)
    where = chance.choice(("values", "values", "argv", "env", "parameter"))
    if where == "values":
        told: Any = chance.choice((value, *_NO_VALUES))
        step = replace(step, values={**step.values, "voltage": told})
    elif where == "argv":
        step = replace(step, argv=(step.argv[0], f"--voltage={_plain(value, 'uV')}", *step.argv[2:]))
    elif where == "env":
        step = replace(step, env={**step.env, "RAIL": _plain(value, "mV")})
    else:
        step = replace(step, env={**step.env, "CAMPAIGN_PARAM_VOLTAGE": value})
    changed = replace(order, steps=(step,))
    why = limits.broken(replace(changed, digest=order_digest(changed)))
    return None if why is not None else f"the supervisor took {step}"


def _plain(value: str, unit: str) -> str:
    sizes = dict(_UNITS)
    written = value[:-2] if value[-2:] in sizes else value[:-1]
    return format_number(Fraction(written) / sizes[value[len(written) :]] * sizes[unit])


def _order(folder: Path) -> Order:
    """A sound order, as a supervisor is handed it."""
    path = folder / "z.yaml"
    path.write_text(RULES)
    files = {"x.camp": _TOOL + "instance i { run diag }\n", "z.yaml": RULES}
    plan, found = make_plan("x.camp", lambda name: files[name].encode(), Options(), Registry, Host())
    assert plan is not None, found
    assert plan.rules is not None
    context = replace(_context(None), rules=RulesOrder(paths=(str(path),), files={}), book=plan.rules.book)
    return msgspec.json.decode(msgspec.json.encode(render(next(plan.runs()), 1, context)), type=Order)


SIZE = 1_000_000


def torture(folder: Path, size: int, choice: random.Random) -> Figures:
    """``size`` hostile values, route after route; a violation is a value that got through."""
    batch = min(500, max(20, size // 1000))
    limits, order = Limits(), _order(folder)
    routes = [None, *ROUTES]
    violations = [] if limits.broken(order) is None else ["a sound order is refused"]
    tried = number = 0
    while tried < size:
        name = routes[number % len(routes)]
        number += 1
        if name is None:
            found = (forged(limits, order, choice) for _ in range(batch))
            violations += [through for through in found if through is not None]
            tried += batch
            continue
        for values in _batches(name, batch, choice):
            tried += len(values)
            if (through := attempt(ROUTES[name], values)) is not None:
                violations.append(f"{name}: {through}: {values[:5]}")
    return Figures({"values": tried, "routes": len(routes), "batch": batch}, violations)


def _batches(name: str, batch: int, choice: random.Random) -> list[list[str]]:
    """What takes a route together: many values, and by itself one that is none; on the command line each alone."""
    if name.startswith("--set"):
        return [[hostile(choice)] for _ in range(20)] + [[choice.choice(_NONSENSE)]]
    return [[hostile(choice) for _ in range(batch)], [choice.choice(_NONSENSE)]]


if __name__ == "__main__":
    sys.exit(main("limits", torture, SIZE))
