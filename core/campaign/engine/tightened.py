"""What the rule sets as they are by now say of a campaign that was planned before, and of what of it is still to run.

The supervisor asks them again before each attempt; whoever has a campaign go on is told of everything here, at once,
before anything is started.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import structs

from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus, Severity
from campaign.engine.desk import RETRIED
from campaign.engine.workspace import Workspace
from campaign.language.files import Reader
from campaign.ledger.queries import LedgerReader
from campaign.ledger.rows import CampaignRow
from campaign.plan import snapshot as snapshots
from campaign.plan.limits import check_limits, refused
from campaign.plan.plan import Plan, from_snapshot
from campaign.plugins.registry import Registry
from campaign.records import Order
from campaign.rules.files import bind_paths
from campaign.rules.orders import broken
from campaign.units import UnitError

#: Whether a run, by its key, is still to be carried out.
ToRun = Callable[[str], bool]


def refused_by_now(plan: Plan, directory: str, read: Reader, to_run: ToRun | None = None) -> list[Diagnostic]:
    """Every value of a recorded plan that its rule sets refuse by now; one that is gone refuses it whole.

    ``directory`` is where its relative paths belong, ``to_run`` narrows it to runs that are still to come.
    """
    if plan.rules is None:
        return []
    try:
        now = bind_paths([os.path.join(directory, path) for path in plan.rules.paths], read)
    except CampaignError as error:
        return [structs.replace(each, status=ExitStatus.SAFETY) for each in error.diagnostics]
    then = {os.path.join(directory, path): data for path, data in plan.rules.files.items()}
    found = [] if now.files == then else check_limits(plan.selected, plan.name, plan.seed, now.book, to_run)
    return [each for each in found if each.severity is Severity.ERROR]


def refuse_going_on(plan: Plan, directory: str, campaign: str, workspace: str, read: Reader) -> list[Diagnostic]:
    """Before a campaign is resumed: raises CampaignError with every value of what is not done that is refused.

    Where attempts are under way or were left behind, these are warnings: whoever resumes takes back what they hold.
    """
    if plan.rules is None:
        return []
    with LedgerReader(Workspace(workspace).ledger) as ledger:
        done = frozenset(ledger.done_keys(campaign))
        left = any(row.state != "queued" for row in ledger.unfinished(campaign))
    found = refused_by_now(plan, directory, read, lambda key: key not in done)
    if not left:
        _raise(found)
    return [structs.replace(each, severity=Severity.WARNING) for each in found]


def refuse_retry(campaign: CampaignRow, workspace: str, read: Reader) -> None:
    """Before a campaign is retried: raises CampaignError with every value of what would run again that is refused.

    Says nothing where its rule sets are what they were, or where it cannot be planned any more, which is told later.
    """
    with LedgerReader(Workspace(workspace).ledger) as ledger:
        if ledger.blob(campaign.snapshot or campaign.plan_hash) is None:
            return
        snapshot = snapshots.load(campaign.snapshot or campaign.plan_hash, ledger.blob)
        here: Reader = lambda path: read(os.path.join(snapshot.directory, path))  # noqa: E731
        if not snapshots.bound_rules(snapshot) or not snapshots.changed_files(snapshot, here):
            return
        plan, _ = from_snapshot(snapshot, ledger.blob, Registry)
        verdicts = {row.key: row.verdict for row in ledger.deciding_attempts(campaign.id)}
    if plan is not None:
        canceled = campaign.exit_status == ExitStatus.CANCELED  # then what never began is carried out too
        _raise(refused_by_now(plan, snapshot.directory, read, lambda key: _again(key, verdicts, canceled)))


def refuse_order(order: Order, read: Reader) -> None:
    """Before an attempt is carried out again as it was: raises CampaignError with all that is refused by now."""
    if order.rules is None:
        return
    try:
        violations = broken(order, bind_paths(order.rules.paths, read).book)
    except CampaignError as error:
        raise CampaignError([structs.replace(each, status=ExitStatus.SAFETY) for each in error.diagnostics]) from None
    except UnitError as error:
        summary = f"{order.key}: a value cannot be held against its limits: {error}"
        raise CampaignError([Diagnostic("CAMP320", summary, status=ExitStatus.SAFETY)]) from None
    # a setting and the parameters that it reaches are one mistake
    found = {(each.value, each.reason, each.origins): each for each in reversed(violations)}
    _raise([refused(each, None, f"of {order.key}") for each in reversed(found.values())])


def _again(key: str, verdicts: dict[str, str | None], canceled: bool) -> bool:
    return verdicts[key] in (None, *RETRIED) if key in verdicts else canceled


def _raise(found: list[Diagnostic]) -> None:
    if found:
        raise CampaignError(found)
