"""One campaign's way through the engine: what is known of it beside its attempts in flight."""

from __future__ import annotations

from collections.abc import Mapping

from campaign.engine.flight import Flight
from campaign.engine.shares import matches
from campaign.records import Decision, Order, Verdict


class Course:
    """A campaign that has attempts in flight or a planner; ``opened`` while a planner is there to hear of it."""

    def __init__(self, name: str, orphans: str) -> None:
        self.name, self.orphans = name, orphans
        self.stop_on_fail = False
        self.quarantined: frozenset[str] = frozenset()  # the fingerprints of failures that do not count
        self.labels: dict[int, str] = {}  # of its lanes
        self.counts: dict[str, dict[str, int]] = {}  # attempts by cause, of the plan's runs that had more than one
        self.revoked: dict[tuple[str, str, int], Flight] = {}  # attempts that are queued again
        self.wishes: dict[str, str] = {}  # why runs of chains are to be repeated, by key
        self.due: set[tuple[str, int]] = set()  # chains that are to be repeated, by cell and attempt
        self.chained: frozenset[str] = frozenset()  # labels of instances whose seeds are chains
        self.canceled: list[str] = []  # prefixes
        self.requests: dict[str, str] = {}  # what is open beside the plan: the label of the instance that it is about
        self.beside: dict[str, set[int]] = {}  # the lanes of each of these
        self.minimized: set[str] = set()  # the fingerprints of failures of which that was asked for
        self.opened = self.begun = self.stopping = self.told_idle = self.abandoned = False
        self.plan_stopped = self.aside = self.asking = False
        self.lost = 0
        self.told_busy = False  # that it waits for devices of other workspaces was said

    def detach(self) -> None:
        """Its planner is gone; the next one tells anew what can be known only by it."""
        self.opened = self.begun = self.stopping = self.told_idle = self.plan_stopped = False
        self.counts, self.revoked, self.beside, self.wishes = {}, {}, {}, {}
        self.due.clear()

    def stops_for(self, decision: Decision) -> bool:
        """Whether nothing more of the plan starts after a run that came to this."""
        known = decision.failure is not None and decision.failure.fingerprint in self.quarantined
        return self.stop_on_fail and decision.verdict is Verdict.FAIL and not known

    def cancels(self, label: str) -> bool:
        """Whether instances of that label were canceled."""
        return any(matches(label, prefix) for prefix in self.canceled)

    def refuses(self, order: Order) -> bool:
        """Whether nobody wants an attempt any more: it was canceled, or what asked for it is at its end."""
        return self.cancels(order.instance) or (order.request is not None and order.request not in self.requests)

    def dismiss(self, prefix: str) -> list[str]:
        """Forget what is asked for beside the plan of instances that start so; which that is."""
        found = [name for name, label in self.requests.items() if matches(label, prefix)]
        for name in found:
            del self.requests[name]
        return found

    def count(self, key: str) -> Mapping[str, int]:
        """The attempts of a run by cause; empty where it had at most one."""
        return self.counts.get(key, {})

    def count_more(self, key: str, cause: str) -> int:
        """One attempt more; returns how many of that cause there are now."""
        counts = self.counts.setdefault(key, {"plan": 1})
        counts[cause] = counts.get(cause, 0) + 1
        return counts[cause]
