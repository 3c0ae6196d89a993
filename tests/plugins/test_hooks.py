"""Every hook, implemented by a stranger: what it returns is found, what it is told arrives."""

from __future__ import annotations

import sys

from campaign.plugins.registry import KINDS, Registry

EVERYTHING = """
heard = []


class _Named:
    name = "one"
    about = "does it all"


class OneTool(_Named, Tool):
    def command(self, step):
        return Command(argv=("true",))


class OneFault(_Named, Fault):
    def inject(self, injection, undo):
        return Injected()


class OneSchedule(_Named, Schedule):
    def lay_out(self, spread):
        return [Placement(0, spread.over)]


class OneOracle(_Named, Oracle):
    def judge(self, evidence, settings):
        return Judgement(ok=True)


class OneMatcher(_Named, Matcher):
    def matches(self, facts, wanted):
        return facts.get("cores") == wanted


class OneMinimizer(_Named, Minimizer):
    def size(self, candidate):
        return len(candidate)

    def candidates(self, start, settings, slots):
        yield [start[1:]]


class OneReporter(_Named, Reporter):
    filename = "one.txt"

    def report(self, summary, runs, write):
        write("done")


class OneExecutor(_Named):
    pass


@hookimpl
def campaign_tools():
    return [OneTool()]


@hookimpl
def campaign_faults():
    return (OneFault(),)


@hookimpl
def campaign_schedules():
    yield OneSchedule()


@hookimpl
def campaign_oracles():
    return [OneOracle()]


@hookimpl
def campaign_matchers():
    return [OneMatcher()]


@hookimpl
def campaign_minimizers():
    return [OneMinimizer()]


@hookimpl
def campaign_reporters():
    return [OneReporter()]


@hookimpl
def campaign_executors():
    return [OneExecutor()]


@hookimpl
def campaign_fingerprint(exit, evidence, message):
    return f"{exit} {evidence} {message}"


@hookimpl
def campaign_planned(campaign, runs):
    heard.append(("planned", campaign, runs))


@hookimpl
def campaign_run_started(campaign, key, attempt):
    heard.append(("started", campaign, key, attempt))


@hookimpl
def campaign_run_finished(campaign, run):
    heard.append(("run finished", campaign, run))


@hookimpl
def campaign_finished(summary):
    heard.append(("finished", summary))
"""


def test_one_plugin_can_implement_every_hook(packages) -> None:
    module = packages.plugin("everything", EVERYTHING)
    registry = Registry()
    assert registry.use(["everything"]) == []
    for kind in KINDS:
        assert registry.find(kind, "everything.one") is not None, kind
    assert registry.fingerprint("exit", "evidence", "message") == ("exit evidence message", [])  # type: ignore[arg-type]
    events = {
        "campaign_planned": {"campaign": "c", "runs": 3},
        "campaign_run_started": {"campaign": "c", "key": "cell#0", "attempt": 1},
        "campaign_run_finished": {"campaign": "c", "run": "view"},
        "campaign_finished": {"summary": "all"},
    }
    for hook, arguments in events.items():
        assert registry.hears(hook)
        assert registry.emit(hook, **arguments) == []
    assert sys.modules[module].heard == [
        ("planned", "c", 3),
        ("started", "c", "cell#0", 1),
        ("run finished", "c", "view"),
        ("finished", "all"),
    ]


def test_nobody_hears_what_no_plugin_implements(packages) -> None:
    packages.plugin("deaf", "")
    registry = Registry()
    assert not registry.hears("campaign_planned")
    assert registry.use(["deaf"]) == []
    assert not registry.hears("campaign_planned")
    assert registry.emit("campaign_planned", campaign="c", runs=1) == []
