"""``python -m bench``: measure everything, print a table, and write it where ``--write`` says."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import check, dispatch, matrix, output, reports
from bench.measure import CAMPAIGN, Result, machine, version_of

PARTS = {
    "dispatch": dispatch.measure,
    "check": check.measure,
    "matrix": matrix.measure,
    "output": output.measure,
    "reports": reports.measure,
}


def main() -> int:
    """Status 1 where a bound is broken."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure; everything unless said")
    parser.add_argument("--short", action="store_true", help="smaller sizes, about a minute")
    parser.add_argument("--write", type=Path, help="write the table to this file")
    chosen = parser.parse_args()
    results: list[Result] = []
    for part in chosen.parts or PARTS:
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        results += PARTS[part](short=chosen.short)
    text = table(results, short=chosen.short)
    print(text)
    if chosen.write:
        chosen.write.write_text(text)
    return int(not all(result.kept for result in results))


def table(results: list[Result], *, short: bool) -> str:
    """The results as Markdown, with the machine and the versions they were measured on."""
    versions = [version_of([*CAMPAIGN, "--version"]), *dispatch.versions()]
    head = [
        "# Results",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {'short' if short else 'full'} form. {machine()}.",
        f"{'; '.join(versions)}.",
        "",
        "| what | measured | bound | kept | numbers |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *(result.row() for result in results)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
