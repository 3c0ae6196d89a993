"""A client that submits: ``python -m tests.torture.submitter WORKSPACE SPEC COUNT LOG``.

It does what ``campaign submit`` does, with the same parts, but plans only once.  A submission that was not answered is
sent again with the same UUID until it is; then, and only then, it is written to LOG with the campaign's id.
"""

from __future__ import annotations

import os
import sys
import time

import msgspec

from campaign.cli.files import read_file
from campaign.cli.queueing import submission, submit
from campaign.diagnostics import CampaignError
from campaign.engine import wire
from campaign.engine.asking import ask
from campaign.engine.desk import new_submission
from campaign.engine.prepare import Wishes, prepare
from campaign.plan.plan import Options

#: The workspace is just changing hands, or whoever held it was killed: ask again.
_AGAIN = frozenset({"CAMP524", "CAMP525", "CAMP526"})
_PATIENCE_S = 120.0


def main(arguments: list[str]) -> int:
    """Submit COUNT campaigns, each until it is acknowledged."""
    workspace, spec, count, log = arguments[0], arguments[1], int(arguments[2]), arguments[3]
    first = submission(prepare(spec, Options(), Wishes(workspace=workspace), read_file, os.environ))
    with open(log, "a", encoding="ascii", buffering=1) as acknowledged:
        for _ in range(count):
            asked = _another(first)
            campaign = submit(asked, lambda each: _persist(workspace, each))
            acknowledged.write(f"{asked.campaign.submission} {campaign}\n")
    return 0


def _another(first: wire.Submit) -> wire.Submit:
    row = first.campaign
    name = row.id[:-4] + os.urandom(2).hex()
    root = os.path.join(os.path.dirname(row.run_root), name)
    return wire.Submit(msgspec.structs.replace(row, id=name, run_root=root, submission=new_submission()), first.blobs)


def _persist(workspace: str, asked: wire.Submit) -> wire.Done:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask(workspace, "submit", asked, lambda desk: desk.submit(asked))[0]
        except CampaignError as error:
            if error.diagnostics[0].code not in _AGAIN or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
