"""Runs the quickstart and checks that it found what it should: SQLite without a journal breaks, with one it survives.

``make demo`` and CI run this; it ends with 0 when the campaign ended with 1 and blamed exactly the right settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

SPEC = Path(__file__).with_name("quickstart.camp")
#: What SQLite's own documentation says of it: with the rollback journal off, a crash in mid-transaction corrupts.
BROKEN = "off"


def main() -> int:
    """Run ``campaign exec`` as a user would, then read what it wrote."""
    command = [str(Path(sys.executable).with_name("campaign")), "exec", os.path.relpath(SPEC), "--tier", "quick"]
    print("$", "campaign", *command[1:], flush=True)
    before = set(campaigns())
    status = subprocess.run(command, check=False).returncode
    made = sorted(set(campaigns()) - before)
    if status != 1 or len(made) != 1:
        print(f"demo: campaign ended with {status}, expected 1: failures were found", file=sys.stderr)
        return 1
    return judge([json.loads(path.read_bytes()) for path in made[0].rglob("seed-*/run.json")], made[0])


def campaigns() -> list[Path]:
    """The folders of the campaigns in this workspace."""
    workspace = Path(os.environ.get("CAMPAIGN_WORKSPACE", ".campaign"))
    return [path for path in (workspace / "runs").glob("*") if path.is_dir()]


def judge(runs: list[dict[str, Any]], folder: Path) -> int:
    """Whether only runs without a journal failed, and at least one of them did."""
    verdicts = Counter((run["axes"]["journal"], run["verdict"]) for run in runs)
    unexpected = [key for key in verdicts if key[1] not in ("fail", "pass") or (key[1] == "fail" and key[0] != BROKEN)]
    if not verdicts[BROKEN, "fail"] or unexpected:
        print(f"demo: not what was expected: {dict(verdicts)}", file=sys.stderr)
        return 1
    print()
    print(f"journal_mode=OFF lost data in {verdicts[BROKEN, 'fail']} of its runs; every other journal mode survived.")
    print(f"The evidence of each failure, the broken database among it, is under {os.path.relpath(folder)}:")
    for run in runs:
        if run["verdict"] == "fail":
            key = f"{run['cell']}#{run['seed']}"
            print(f"  {key}: {run['reason']}")
            print(f"    campaign show {folder.name}/{key}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
