"""How far an iteration is: a record for programs, a table of its campaigns for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from campaign.analysis.iterate import FULL
from campaign.cli.tables import table
from campaign.cli.terminal import visible
from campaign.engine.iterate import Settings
from campaign.ledger.rows import DONE, IterationRow, StepRow
from campaign.records.iteration import IterationStep, IterationView

_CHANGES = ("fixed", "regressed", "unchanged", "new")


def view_of(row: IterationRow, steps: Sequence[StepRow], paused: str | None) -> IterationView:
    """What the ledger holds of it; ``paused`` is what it waits for."""
    settings, result = msgspec.convert(row.settings, Settings), row.result or {}
    test = settings.wishes.test
    tests = sum(each.kind == FULL and each.state == DONE for each in steps)
    return IterationView(
        iteration=row.id,
        spec=row.spec,
        state=row.state,
        at=row.at,
        ended_at=row.ended_at,
        target=settings.target,
        confidence=settings.confidence,
        margin=settings.margin,
        rounds=settings.rounds,
        low=test.low,
        tests=tests,
        error_rate=test.error_rate(tests),
        reached=result.get("reached"),
        why=result.get("why"),
        paused=paused,
        steps=tuple(map(_step, steps)),
    )


def _step(row: StepRow) -> IterationStep:
    named = {name: getattr(row, name) for name in ("number", "round", "kind", "state", "at", "ended_at", "campaign")}
    return msgspec.convert({**named, **row.settings, **(row.result or {})}, IterationStep)


def show(view: IterationView) -> None:
    """The campaigns as a table, and how it ended, or how to go on."""
    headers = ["round", "step", "campaign", "passes", "fails", "errors", *_CHANGES]
    click.echo(table(headers, [_line(each) for each in view.steps if each.passes is not None]))
    if view.paused is not None:
        why = visible(view.paused, keep="\n\t")  # the end of a log has lines
        click.echo(f"\n{why}\n\ngo on with: campaign iterate --resume {view.iteration}", err=True)
    elif view.reached is not None:
        click.echo(f"\n{'reached' if view.reached else 'not reached'}: {visible(view.why or '')}")
        if view.tests:
            click.echo(_sure(view))


def _sure(view: IterationView) -> str:
    """How often an iteration like this one says «reached» wrongly."""
    each, low = 1 - view.confidence, f"{view.low:.1%}".replace(".0%", "%")
    many = f"; {view.tests} full campaigns were tested: at most {view.error_rate:.2g} in all" if view.tests > 1 else ""
    return f"a true rate of {low} or less is called reached with a chance of at most {each:.2g} by one test{many}"


def _line(step: IterationStep) -> list[Any]:
    changes = (getattr(step, f"{name}_cells") for name in _CHANGES)
    counts = [step.passes, step.fails, step.errors]
    return [step.round, step.kind, step.campaign, *counts, *("" if each is None else each for each in changes)]
