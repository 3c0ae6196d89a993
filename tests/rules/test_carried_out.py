"""Rule sets in campaigns that really run: refused before anything starts, tightened meanwhile, quarantined."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Campaign = Callable[..., "subprocess.CompletedProcess[str]"]
SPEC = """
rules "rules/z.yaml"
campaign "rails" { parallel 1 }
tool diag {
  command "/bin/sh" "tool.sh" "{voltage:mV}"
  param voltage: voltage = 900mV
  env HERE = "{env.HERE}"
}
instance margin.{voltage} {
  sweep voltage = [800mV, 900mV, 1000mV]
  run diag { }
}
""".replace('"tool.sh"', '"{env.HERE}/tool.sh"')
RULES = "name: z\nlimits:\n  # measured twice\n  voltage: {min: 800mV, max: 1100mV, why: sheet}\n"
TIGHTER = RULES.replace("1100mV", "850mV")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A spec, its rule set and a tool that notes every voltage that it was given."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/z.yaml").write_text(RULES)
    (tmp_path / "a.camp").write_text(SPEC)
    (tmp_path / "tool.sh").write_text('echo "$1" >> "$HERE/given"\n')
    return tmp_path


def given(bench: Path) -> list[str]:
    path = bench / "given"
    return path.read_text().split() if path.exists() else []


def verdicts(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return {name: count for name, count in found["verdicts"].items() if count}


def run(campaign: Campaign, bench: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return campaign("exec", "a.camp", "--format", "json", *arguments, env={"HERE": str(bench)})


def test_a_campaign_within_its_limits_runs(campaign: Campaign, bench: Path) -> None:
    done = run(campaign, bench)
    assert done.returncode == 0, done.stderr
    assert given(bench) == ["800", "900", "1000"]


def test_a_broken_limit_stops_everything_before_it_starts(campaign: Campaign, bench: Path) -> None:
    for arguments in (("--set", "voltage=1200mV"), ("--set", "diag.voltage=1200mV")):
        done = run(campaign, bench, *arguments)
        assert done.returncode == 4, done.stderr
        assert "CAMP320" in done.stderr
        assert "sheet" in done.stderr
    assert campaign("submit", "a.camp", "--set", "voltage=2V", env={"HERE": str(bench)}).returncode == 4
    assert given(bench) == []
    assert not (bench / ".campaign/runs").exists()


def test_a_limit_tightened_meanwhile_stops_what_has_not_started(campaign: Campaign, bench: Path) -> None:
    (bench / "tighter.yaml").write_text(TIGHTER)
    (bench / "tool.sh").write_text('echo "$1" >> "$HERE/given"; cp "$HERE/tighter.yaml" "$HERE/rules/z.yaml"\n')
    done = run(campaign, bench)
    assert given(bench) == ["800"]
    assert done.returncode == 4, done.stderr
    assert verdicts(done) == {"pass": 1, "error": 2}
    assert "diag.voltage = 900mV must be at most 850mV" in done.stderr
    kinds = {each["kind"] for each in json.loads(done.stdout)["failures"]}
    assert kinds == {"guard"}


def test_a_rule_set_that_is_gone_or_broken_stops_what_has_not_started(campaign: Campaign, bench: Path) -> None:
    (bench / "tool.sh").write_text('echo "$1" >> "$HERE/given"; echo "limits: [" > "$HERE/rules/z.yaml"\n')
    done = run(campaign, bench)
    assert (done.returncode, given(bench)) == (4, ["800"])
    assert "cannot be read as they are now" in done.stderr


def test_a_limit_that_was_loosened_or_moved_changes_nothing(campaign: Campaign, bench: Path) -> None:
    (bench / "tool.sh").write_text('echo "$1" >> "$HERE/given"; echo "# more" >> "$HERE/rules/z.yaml"\n')
    done = run(campaign, bench)
    assert (done.returncode, given(bench)) == (0, ["800", "900", "1000"]), done.stderr


def test_a_quarantined_failure_does_not_count(campaign: Campaign, bench: Path) -> None:
    (bench / "tool.sh").write_text("exit 3\n")
    done = run(campaign, bench)
    assert done.returncode == 1
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure["class"] == "new"
    written = campaign(
        "quarantine", failure["fingerprint"], "--rules", "rules/z.yaml", "--issue", "HW-7", "--until", "2999-12-31"
    )
    assert written.returncode == 0, written.stderr
    text = (bench / "rules/z.yaml").read_text()
    assert text.startswith(RULES)
    again = run(campaign, bench)
    assert again.returncode == 0, again.stderr
    assert verdicts(again) == {"fail": 3}
    assert [each["class"] for each in json.loads(again.stdout)["failures"]] == ["quarantined"]
    (bench / "rules/z.yaml").write_text(text.replace("2999-12-31", "2020-01-01"))
    assert run(campaign, bench).returncode == 1


def test_a_failure_is_triaged_in_its_record(campaign: Campaign, bench: Path) -> None:
    rules = """triage:
  - {id: burnt, when: 'output contains "smoke" and voltage > 850mV and exit.code == 3', cause: too hot}
  - {id: other, when: 'failure.kind == "timeout"'}
"""
    (bench / "rules/z.yaml").write_text(RULES + rules)
    (bench / "tool.sh").write_text("echo smoke rises\nexit 3\n")
    assert run(campaign, bench).returncode == 1
    found = {}
    for path in (bench / ".campaign/runs").rglob("attempt-1/run.json"):
        record = json.loads(path.read_text())
        found[record["cell"]] = record["failure"].get("triage", [])
    assert found == {"margin.800mV": [], "margin.900mV": ["burnt"], "margin.1000mV": ["burnt"]}


def test_a_guard_of_a_rule_set_stops_what_it_objects_to(campaign: Campaign, bench: Path) -> None:
    guard = f'guard:\n  - {{oracle: file.exists, path: "{bench}/cool", every: 50ms}}\n'
    (bench / "rules/z.yaml").write_text(RULES + guard)
    (bench / "cool").write_text("")
    (bench / "tool.sh").write_text('echo "$1" >> "$HERE/given"; rm -f "$HERE/cool"; sleep 60\n')
    done = run(campaign, bench, "--limit", "1")
    assert done.returncode == 4, done.stderr
    assert verdicts(done) == {"fail": 1}
    assert {each["kind"] for each in json.loads(done.stdout)["failures"]} == {"guard"}
    (bench / "rules/z.yaml").write_text(RULES + "guard:\n  - {oracle: file.exist, every: 50ms}\n")
    done = campaign("check", "a.camp")
    assert (done.returncode, "CAMP140" in done.stdout) == (2, True)


def test_the_wrong_host_and_the_right_one(campaign: Campaign, bench: Path) -> None:
    (bench / "rules/z.yaml").write_text(RULES + "match: {min_cores: 100000}\n")
    done = run(campaign, bench)
    assert (done.returncode, given(bench)) == (4, []), done.stderr
    assert "CAMP322" in done.stderr
    (bench / "rules/z.yaml").write_text(RULES + "match: {min_cores: 1}\n")
    (bench / "a.camp").write_text(SPEC.replace('rules "rules/z.yaml"', "rules auto"))
    (bench / "rules/other.yaml").write_text("name: other\nmatch: {min_cores: 100000}\nlimits: {voltage: {max: 1V}}\n")
    done = run(campaign, bench, "--set", "voltage=1200mV")
    assert (done.returncode, "CAMP320" in done.stderr) == (4, True), done.stderr
    done = run(campaign, bench)
    assert done.returncode == 0, done.stderr
    assert "rules/z.yaml" in done.stderr
    (bench / "rules/z.yaml").unlink()
    done = run(campaign, bench)
    assert (done.returncode, "CAMP323" in done.stderr) == (4, True), done.stderr


def test_the_plan_holds_its_rule_sets_and_goes_on_with_them(campaign: Campaign, bench: Path) -> None:
    assert run(campaign, bench).returncode == 0
    (folder,) = (bench / ".campaign/runs").iterdir()
    plan = json.loads((folder / "plan.json").read_text())
    assert [each["path"] for each in plan["files"]] == ["a.camp", "rules/z.yaml"]
    (bench / "rules/z.yaml").write_text(RULES.replace("sheet", "another reason"))
    run(campaign, bench)
    (other,) = (each for each in (bench / ".campaign/runs").iterdir() if each != folder)
    assert json.loads((other / "plan.json").read_text())["plan_hash"] != plan["plan_hash"]


FAILS = 'echo "$1" >> "$HERE/given"; test "$1" = 800\n'
TIGHT = RULES.replace("1100mV", "850mV")


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The values that are refused, by the lines that say so."""
    return [line for line in done.stderr.splitlines() if "error[CAMP320]" in line]


def test_a_retry_is_held_against_the_limits_of_now_before_anything_runs(campaign: Campaign, bench: Path) -> None:
    (bench / "tool.sh").write_text(FAILS)
    assert run(campaign, bench).returncode == 1
    (bench / "rules/z.yaml").write_text(TIGHT)
    for _ in range(2):
        done = campaign("retry", "rails")
        assert done.returncode == 4, done.stderr
        assert len(told(done)) == 2
        assert "900mV must be at most 850mV" in done.stderr
        assert "1000mV must be at most 850mV" in done.stderr
    assert given(bench) == ["800", "900", "1000"]
    (bench / "rules/z.yaml").write_text(RULES.replace("min: 800mV", "min: 850mV"))  # 800mV has passed: it is over
    assert campaign("retry", "rails").returncode == 0
    (bench / "rules/z.yaml").unlink()
    assert campaign("exec", "a.camp", "--resume").returncode == 4
    assert given(bench) == ["800", "900", "1000"]


def test_a_campaign_goes_on_only_within_the_limits_of_now(campaign: Campaign, bench: Path) -> None:
    name = campaign("submit", "a.camp", env={"HERE": str(bench)}).stdout.strip()
    (bench / "rules/z.yaml").write_text(TIGHT)
    for arguments in (("a.camp", "--resume"), ("--resume", name)):
        done = campaign("exec", *arguments, env={"HERE": str(bench)})
        assert done.returncode == 4, done.stderr
        assert len(told(done)) == 2
    assert given(bench) == []
    (bench / "rules/z.yaml").write_text(RULES)
    assert campaign("exec", "--resume", name, env={"HERE": str(bench)}).returncode == 0
    assert given(bench) == ["800", "900", "1000"]


def test_what_was_queued_is_stopped_by_a_limit_that_was_tightened_since(
    campaign: Campaign, bench: Path, clean_environ: dict[str, str]
) -> None:
    name = campaign("submit", "a.camp", env={"HERE": str(bench)}).stdout.strip()
    (bench / "rules/z.yaml").write_text(TIGHT)
    environ = {**clean_environ, "HOME": str(bench), "XDG_RUNTIME_DIR": str(bench)}
    daemon = subprocess.Popen([sys.executable, "-m", "campaign", "daemon"], cwd=bench, env=environ)
    try:
        while daemon.poll() is None and campaign("wait", name).returncode == 3:
            pass  # it does not serve yet
        assert campaign("wait", name).returncode == 4
    finally:
        daemon.terminate()
        daemon.wait(60)
    assert given(bench) == ["800"]


def failures(done: subprocess.CompletedProcess[str]) -> list[tuple[str, int]]:
    return [(each["fingerprint"], each["count"]) for each in json.loads(done.stdout)["failures"]]


def test_failures_are_made_one_and_told_apart_by_hand(campaign: Campaign, bench: Path) -> None:
    (bench / "tool.sh").write_text('[ "$1" = 800 ] && exit 3; exit 4\n')
    (four, of_four), (three, of_three) = failures(run(campaign, bench))
    assert (of_four, of_three) == (2, 1)
    one = f"fingerprints:\n  - {{same: [{three}, {four}], why: one cause}}\n"
    (bench / "rules/z.yaml").write_text(RULES + one)
    assert failures(run(campaign, bench)) == [(three, 3)]
    apart = f"  - {{split: {four}, by: voltage, why: two rails}}\n"
    (bench / "rules/z.yaml").write_text(RULES + one + apart)
    told = failures(run(campaign, bench))
    assert [count for _, count in told] == [1, 1, 1]
    assert not {three, four} & {fingerprint for fingerprint, _ in told}
    said = campaign("rules", "explain", "rules/z.yaml").stdout
    assert f"also {four}" in said
    assert "one for each voltage" in said
    why = campaign("failures", "--why", told[0][0]).stdout
    assert f"instead of {three}" in why or f"instead of {four}" in why
    assert "step diag" in why


def test_why_a_fingerprint_is_what_it_is(campaign: Campaign, bench: Path) -> None:
    (bench / "tool.sh").write_text("echo 'fatal: page 7 of /tmp/x is torn'; exit 3\n")
    ((fingerprint, _),) = failures(run(campaign, bench))
    why = campaign("failures", "--why", fingerprint[:8]).stdout
    assert "fatal: page # of # is torn" in why
    assert "in output.log" in why
    grounds = json.loads(campaign("failures", "--why", fingerprint, "--format", "json").stdout)["grounds"]
    assert (grounds["form"], grounds["kind"], grounds["subject"]) == ("lines", "fail exit", "step diag exit 3")
    unknown = campaign("failures", "--why", "zz")
    assert (unknown.returncode, "CAMP595" in unknown.stderr) == (2, True)


@pytest.mark.parametrize("verb", ["replay", "minimize"])
def test_a_run_is_not_carried_out_again_beyond_the_limits_of_now(campaign: Campaign, bench: Path, verb: str) -> None:
    (bench / "tool.sh").write_text(FAILS)
    assert run(campaign, bench).returncode == 1
    (bench / "rules/z.yaml").write_text(TIGHT)
    done = campaign(verb, "margin.1000mV#0")
    assert done.returncode == 4, done.stderr
    (line,) = told(done)
    assert "1000mV must be at most 850mV (z: sheet)" in line
    assert "of margin.1000mV#0" in done.stderr
    (bench / "rules/z.yaml").unlink()
    assert campaign(verb, "margin.1000mV#0").returncode == 4
    assert given(bench) == ["800", "900", "1000"]
