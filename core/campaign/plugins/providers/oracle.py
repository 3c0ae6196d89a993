"""Oracles: whether what was seen is right."""

from __future__ import annotations

from collections.abc import Mapping

from campaign.plugins.providers import Provider
from campaign.records import Evidence, Judgement, PatternOrder
from campaign.units import Value


class Oracle(Provider):
    """Judges evidence; may read files and run programs of its own, never changes the evidence.

    A program gets ``evidence.env`` as its environment: the provider host's own has nothing of what a spec passes on.
    """

    def missing(self, settings: Mapping[str, Value], env: Mapping[str, str]) -> str | None:
        """What these settings ask for and this machine lacks, in one sentence: a program, say; None where all is there.

        Called before anything runs, with the settings of a scenario's first run, and for an oracle that need not be
        there again before it judges; ``env`` is what ``evidence.env`` will be, of the first run.
        """
        return None

    def looks_for(self, settings: Mapping[str, Value]) -> tuple[PatternOrder, ...]:
        """What it looks for in the run's output, made by ``pattern_order``; nothing unless said.

        The supervisor looks for it in all that is printed, of which only the first and the last MiB are kept, and
        ``evidence.searched`` says by its id whether it was found.  What is known only when the run has begun (a port
        that a served tool exports) is not looked for: it is missing there.  Called in the planner, for every run.
        """
        return ()

    def judge(self, evidence: Evidence, settings: Mapping[str, Value]) -> Judgement:
        """Judge one attempt.  Called in the provider host, once, after its processes are gone."""
        raise NotImplementedError(f"{type(self).__name__}.judge")
