"""The page of a GitHub job: what markdown says, and never more than fits."""

from typing import Any

from campaign.records import UniqueFailure
from campaign_standard.github import GithubReporter


def test_the_runs_open_on_demand(written: Any, run: Any) -> None:
    text = written(GithubReporter(), run("off", "fail"), run("wal", "pass"))
    assert text.startswith("# crash\n\n**2 runs**")
    assert "<details><summary>Attempts that did not pass</summary>\n\n## " in text
    assert text.index("</details>") < text.index("## About this campaign")
    assert "<details>" not in written(GithubReporter(), run("wal", "pass"))


def test_it_is_never_longer_than_a_page_may_be_and_says_so(written: Any, run: Any) -> None:
    failures = tuple(
        UniqueFailure(fingerprint=f"{n:016x}", kind="oracle", message="ü" * 900, count=1, first="a#1@1", evidence="e")
        for n in range(2000)
    )
    text = written(GithubReporter(), run("off", "fail"), failures=failures)
    assert 900_000 < len(text.encode()) <= 1 << 20
    assert text.endswith("The whole is in the campaign's own reports.\n")
