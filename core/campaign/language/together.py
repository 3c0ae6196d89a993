"""What the parts of a run have to know of each other: targets, instants, watches, slots, served tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from campaign.diagnostics import Diagnostic, Span
from campaign.language.items import Part, labels_of, parts_by_kind
from campaign.language.names import meant, shown
from campaign.language.observed import longest
from campaign.language.scopes import Merged
from campaign.language.syntax import Boolean, Hole, Words
from campaign.language.tools import holes
from campaign.plugins.names import canonical

Report = Callable[[Diagnostic], None]
Counts = Mapping[str, Mapping[str, int]]


def check_together(  # noqa: PLR0913, PLR0917 - a run, part by part
    merged: Merged, parts: Sequence[Part], schedule: Part | None, counts: Counts, lost: bool, report: Report
) -> None:
    """Check a run as a whole; where a part is ``lost``, what may be missing only for that reason is no mistake."""
    together = _Together(merged, parts, lost, report)
    together.steps()
    together.faults()
    if schedule is not None:
        together.schedule(schedule)
    together.slots(counts)
    together.placeholders(counts)


class _Together:
    def __init__(self, merged: Merged, parts: Sequence[Part], lost: bool, report: Report) -> None:
        self.merged = merged
        self.parts = parts
        self.lost = lost
        self.kinds = parts_by_kind(parts)
        self.report = report
        clock = merged.once.get("clock")
        self.virtual = isinstance(clock, Words) and clock.words[0].text == "virtual"

    def wrong(self, code: str, summary: str, span: Span | None, hint: str | None = None) -> None:
        self.report(Diagnostic(code, summary, span, hint))

    def of(self, *kinds: str) -> list[Part]:
        return [part for kind in kinds for part in self.kinds.get(kind, ())]

    def steps(self) -> None:
        nothing = not self.of("run") and not (self.virtual and self.of("fault"))
        if nothing and not self.lost:
            summary = f"the instance {shown(self.merged.scope.text)} runs nothing"
            self.wrong("CAMP160", summary, self.merged.scope.instance.label.span, "give it a step: run TOOL")

    # --- faults and watches

    def faults(self) -> None:
        faults, watches = self.of("fault"), self.of("watch")
        for part in faults:
            self._target(part, self.of("serve", "run"))
            if self.virtual:
                self._simulated(part)
            elif not getattr(part.facts.provider, "injects", True) and getattr(part.facts.provider, "simulates", False):
                summary = f"{shown(part.facts.name)} cannot stand here: it is only simulated"
                self.wrong("CAMP164", summary, part.placed.provider.span, "write: clock virtual")
            else:
                self._can(part, "injects", "it acts only while it is held", "hold")
            self._starts_again(part)
            self._aims(part)
        for part in self.of("hold"):
            self._known_labels(part, "target", self.of("serve", "run"))
            self._can(part, "holds", "it acts at an instant, on a process that is there", "fault")
        for part in faults:
            if "at" not in part.engine and "schedule" not in self.merged.once and not self.lost:
                hint = "say when: { at = 1s }, or lay faults out: schedule STRATEGY { over = 8h }"
                self.wrong("CAMP163", f"the fault {shown(part.label)} has no instant", part.placed.provider.span, hint)
            self._known_labels(part, "after", self.of("run"))
            if not self.virtual:
                self._watched(part, watches)
        for part in watches:
            self._known_labels(part, "faults", faults)

    def schedule(self, schedule: Part) -> None:
        """The faults that it is asked to keep of those that it lays out: labels, also with an index."""
        expr = schedule.engine.get("faults")
        labels = [each.label for each in self.of("fault") if "at" not in each.engine]
        for text, span in labels_of(expr) if expr is not None else ():
            if text is None:
                self.wrong("CAMP121", "faults takes labels", span)
            elif text.partition("[")[0] not in labels and not self.lost:
                hint = meant(text, labels) or (f"it lays out {', '.join(labels)}" if labels else None)
                self.wrong("CAMP146", f"nothing that is laid out here is labelled {shown(text)}", span, hint)

    def _simulated(self, part: Part) -> None:
        provider = part.facts.provider
        if provider is not None and not getattr(provider, "simulates", False):
            summary = f"{shown(part.facts.name)} cannot be simulated, so it cannot stand under clock virtual"
            hint = "use a model that can (campaign explain CAMP166 shows one), or the real clock"
            self.wrong("CAMP166", summary, part.placed.provider.span, hint)

    def _target(self, part: Part, processes: Sequence[Part]) -> None:
        if "target" in part.engine:
            self._known_labels(part, "target", processes)
        elif _most_at_once(processes) > 1 and not self.lost:
            hint = f"say which: target = {' or '.join(dict.fromkeys(each.label for each in processes))}"
            summary = f"this run has more than one process, so {shown(part.label)} needs a target"
            self.wrong("CAMP162", summary, part.placed.provider.span, hint)

    def _can(self, part: Part, ability: str, why: str, instead: str) -> None:
        """Whether a fault's model can stand after this keyword."""
        provider = part.facts.provider
        if provider is not None and not getattr(provider, ability, True):
            keyword = {"injects": "fault", "holds": "hold"}[ability]
            summary = f"{shown(part.facts.name)} cannot stand after {keyword}: {why}"
            self.wrong("CAMP164", summary, part.placed.provider.span, f"write: {instead} {part.facts.name} {{ … }}")

    def _starts_again(self, part: Part) -> None:
        """What is started again must be served: a step that has ended is over."""
        if self.lost or not getattr(part.facts.provider, "restarts", False):
            return
        target = part.engine.get("target")
        served = {each.label for each in self.of("serve")}
        for text, span in labels_of(target) if target is not None else ((None, part.placed.provider.span),):
            if text not in served:
                summary = f"{shown(part.facts.name)} can start only a served tool again"
                hint = f"say which: target = {' or '.join(sorted(served))}" if served else "serve it: serve TOOL"
                self.wrong("CAMP169", summary, span, hint)

    def _aims(self, part: Part) -> None:
        """Whether the target is the tool that the fault's model acts in."""
        wanted = getattr(part.facts.provider, "aims_at", None)
        if self.lost or wanted is None:
            return
        labels = {each.label for each in self.of("serve", "run") if each.facts.name == wanted}
        target = part.engine.get("target")
        for text, span in labels_of(target) if target is not None else ((None, part.placed.provider.span),):
            if text not in labels:
                summary = f"{shown(part.facts.name)} acts in a {wanted}, and in nothing else"
                hint = f"say which: target = {' or '.join(sorted(labels))}" if labels else f"serve one: serve {wanted}"
                self.wrong("CAMP168", summary, span, hint)

    def _known_labels(self, part: Part, setting: str, among: Sequence[Part]) -> None:
        expr = part.engine.get(setting)
        labels = [each.label for each in among]
        for text, span in labels_of(expr) if expr is not None else ():
            if text is None:
                self.wrong("CAMP121", f"{setting} takes a label", span)
            elif text not in labels and not self.lost:
                hint = meant(text, labels) or (f"there are {', '.join(labels)}" if labels else None)
                self.wrong("CAMP146", f"nothing here is labelled {shown(text)}", span, hint)

    def _watched(self, part: Part, watches: Sequence[Part]) -> None:
        sla = part.engine.get("sla")
        if sla is not None and not self.lost and not any(_watches(watch, part.label) for watch in watches):
            summary = f"nothing watches whether {shown(part.label)} recovers within its sla"
            self.wrong("CAMP161", summary, sla.span, "add a watch: watch ORACLE { every = 100ms }")

    # --- slots, and placeholders of declared tools: slots and served tools are known only here

    def slots(self, counts: Counts) -> None:
        declared = counts.get("slots", {})
        for keyword in ("needs", "prefer"):
            for name in counts.get(keyword, {}):
                hint = meant(name, declared)
                if name not in declared and hint is not None:
                    span = self.merged.counts[keyword][name].name.span
                    self.wrong("CAMP146", f"no slots are called {shown(name)}", span, hint)

    def placeholders(self, counts: Counts) -> None:
        held = {*counts.get("needs", {}), *counts.get("prefer", {})}
        held |= {name for part in self.parts for name in part.facts.needs}
        for index, part in enumerate(self.parts):
            if part.facts.declared is None or self.lost:
                continue
            served = [each for each in self.parts[:index] if each.kind == "serve"]
            for hole in holes(part.facts.declared):
                head, dot, name = hole.name.partition(".")
                if head == "slot" and dot:
                    self._slot(name, hole, held)
                elif head != "env" and dot:
                    self._served(hole, part, served if part.kind == "serve" else self.of("serve"))

    def _slot(self, name: str, hole: Hole, held: set[str]) -> None:
        if name not in held:
            hint = meant(name, held) or f"say so: needs {shown(name)} = 1"
            self.wrong("CAMP142", f"this run holds no slots called {shown(name)}", hole.span, hint)

    def _served(self, hole: Hole, part: Part, served: Sequence[Part]) -> None:
        label = longest(hole.name, [each.label for each in served]) or ""
        facts = next((each.facts for each in served if each.label == label), None)
        if facts is None:
            summary = f"nothing served before {shown(part.label)} is labelled as in {{{shown(hole.name)}}}"
            hint = meant(hole.name.partition(".")[0], [each.label for each in served])
            self.wrong("CAMP142", summary, hole.span, hint or "serve a tool under that label")
            return
        name = hole.name[len(label) + 1 :]
        if not facts.exports and canonical(name) not in facts.parameters:
            hint = meant(name, [each.name for each in facts.parameters.values()])
            self.wrong("CAMP142", f"{shown(label)} exports no {shown(name)}", hole.span, hint)


def _most_at_once(processes: Sequence[Part]) -> int:
    """The most processes that any cell can have: of an axis's values there is one at a time."""
    conditions = [part.placed.condition for part in processes]
    return conditions.count(None) + len({each.axis for each in conditions if each is not None})


def _watches(watch: Part, fault: str) -> bool:
    """Whether it says when a fault was recovered from; one that is advisory says nothing that counts."""
    advisory = watch.engine.get("advisory")
    if isinstance(advisory, Boolean) and advisory.value:
        return False
    named = watch.engine.get("faults")
    return named is None or fault in [label for label, _ in labels_of(named)]
