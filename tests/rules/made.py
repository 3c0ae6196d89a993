"""Rule sets and specs as text, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from campaign.diagnostics import Diagnostic
from campaign.language.resolve import check
from campaign.plan.plan import Options, Plan, plan_checked
from campaign.plan.ruled import Host, bind_rules
from campaign.plugins.registry import Registry
from campaign.rules.files import Bound, Named, bind
from campaign.rules.load import load_rule_set
from campaign.rules.structs import RuleSet

#: Put before the text of a spec: a tool with physical parameters.
TOOL = """
tool diag {
  command "bin/diag" "--voltage={voltage:mV}" "--frequency={frequency:MHz}" "--n={n}" "--method={method}"
  param voltage: voltage = 900mV
  param frequency: frequency = 1GHz
  param n: int = 1
  param method: string = "fft"
}
"""


def reader(files: Mapping[str, str | bytes]) -> Callable[[str], bytes]:
    """A disk with these files and nothing else."""

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        data = files[path]
        return data.encode() if isinstance(data, str) else data

    return read


def load(text: str | bytes, path: str = "x.yaml") -> tuple[RuleSet | None, list[Diagnostic]]:
    """One rule set."""
    return load_rule_set(path, text.encode() if isinstance(text, str) else text)


def loaded(text: str, path: str = "x.yaml") -> RuleSet:
    """One rule set with which nothing is wrong."""
    rule_set, found = load(text, path)
    assert rule_set is not None, [str(each) for each in found]
    assert not found
    return rule_set


def bound(files: Mapping[str, str], *names: str) -> tuple[Bound | None, list[Diagnostic]]:
    """The sets that are named, bound side by side."""
    return bind([Named(name, "") for name in names or files], reader(files), lambda _: None)


def planned(
    text: str, rules: Mapping[str, str], sets: tuple[str, ...] = (), registry: Registry | None = None, **options: str
) -> tuple[Plan | None, list[Diagnostic]]:
    """The plan of a spec and its rule sets, which stand beside it."""
    whole = text if "campaign " in text else f'campaign "x" {{ }}\n{text}'
    read = reader({"x.camp": whole, **rules})
    registry = registry or Registry()
    checked, found = check("x.camp", read, registry)
    assert checked is not None, found
    assert checked.sound, [str(each) for each in found]
    host = Host(find_installed=lambda _: None)
    bound_rules, wrong = bind_rules(checked, read, registry, host)
    assert bound_rules is not None, [str(each) for each in wrong]
    plan, wrong = plan_checked(checked, Options(sets=sets, **options), registry, bound_rules)  # type: ignore[arg-type]
    return plan, wrong


def codes(found: list[Diagnostic]) -> list[tuple[str, str]]:
    """Codes and places, the file's name left out."""
    return [(each.code, f"{each.span.line}:{each.span.column}" if each.span else "") for each in found]
