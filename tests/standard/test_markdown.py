"""Markdown: what a reader looks for is there, and hostile text stays text."""

from typing import Any

from campaign.records import Environment, PlanSkip, PlanTool, Remark
from campaign_standard.markdown import MarkdownReporter


def test_it_says_what_came_out_and_what_to_do(written: Any, run: Any) -> None:
    text = written(MarkdownReporter(), run("off", "fail"), run("wal", "pass"))
    assert text.startswith("# crash\n\n**2 runs**: 1 pass, 1 fail. Win rate 50.0%")
    assert "| crash.\\{journal\\} | 1 | 1 |" in text
    assert "| 9f2c1a7be0d14c55 | new | oracle | 2 | row 7 missing | off\\#1@1 |" in text
    assert "| off\\#1@1 | fail | row 7 missing |" in text
    assert "\n    look at off#1@1\n" in text


def test_hostile_text_makes_no_markup(written: Any, run: Any) -> None:
    reason = "a|b\n# c <script> `d` [e](f) \x1b[31m \u202eg"
    text = written(MarkdownReporter(), run("off", "fail", reason=reason))
    line = next(line for line in text.splitlines() if line.startswith("| off"))
    assert line == "| off\\#1@1 | fail | a\\|b \\# c \\<script\\> \\`d\\` \\[e\\](f) \\[31m g |"


def test_commands_can_be_copied_as_they_are(written: Any, run: Any) -> None:
    command = """campaign show 'c/q[big="a|b`_*"]#0@1'"""
    text = written(MarkdownReporter(), run("off", "fail"), next_steps=(f"look: {command}", "two\x1b[2J\nlines"))
    assert f"\n## Next steps\n\n    look: {command}\n    two[2J lines\n\n" in text


def test_a_long_list_is_cut_and_says_so(written: Any, run: Any) -> None:
    text = written(MarkdownReporter(), *(run(f"c{number}", "fail") for number in range(250)))
    assert "50 more stand in runs.csv." in text
    assert text.count("| fail | row") == 200


def test_nothing_but_passes_needs_no_lists(written: Any, run: Any) -> None:
    text = written(MarkdownReporter(), run("wal", "pass"), failures=(), next_steps=())
    assert "did not pass" not in text
    assert "Unique failures" not in text


def test_versions_are_lists_of_names_and_values(written: Any, run: Any) -> None:
    tools = (
        PlanTool(tool="sqlite.writer", distribution="campaign-sqlite", version="0.1.0"),
        PlanTool(tool="t", path="/bin/t", size_bytes=3, modified_at="2026-11-20T10:00:00Z", digest="ab"),
        PlanTool(tool="u"),
    )
    environment = Environment(campaign="0.1.0", plugins={"sqlite": "campaign-sqlite 0.1.0"}, tools=tools)
    text = written(MarkdownReporter(), run("wal", "pass"), environment=environment)
    assert text.endswith(
        """- version of campaign: 0.1.0
- plugins:
  - sqlite: campaign-sqlite 0.1.0
- tools:
  - sqlite.writer: campaign-sqlite 0.1.0
  - t: /bin/t, of 2026-11-20T10:00:00Z, BLAKE2b ab
  - u: not found
"""
    )


def test_remarks_and_what_was_skipped(written: Any, run: Any) -> None:
    remarks = (
        Remark(at="2026-11-20T10:00:00Z", text="the fan\nwas off", key="off#1"),
        Remark(at="2026-11-20T10:00:01Z", mark=True),
    )
    skipped = (
        PlanSkip(instance="m.{v}", cells="m.*", why="burns <b>", issue="DB-7", rule_set="z", place="z.yaml:4:5"),
        PlanSkip(instance="n", why="no such board", rule_set="z", place="z.yaml:5:5"),
    )
    text = written(MarkdownReporter(), run("wal", "pass"), remarks=remarks, skipped=skipped)
    assert "\n- 2026-11-20T10:00:00Z off\\#1: the fan was off\n- 2026-11-20T10:00:01Z (marked)\n" in text
    assert "\n| m.\\{v\\} | m.\\* | burns \\<b\\> | DB-7 | z (z.yaml:4:5) |\n" in text
    assert "\n| n | all | no such board |  | z (z.yaml:5:5) |\n" in text
