"""Examples of triage rules: values, lists, whole records; names that ask for nothing are found."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campaign.records import (
    FailureView,
    FaultView,
    OracleView,
    ProcessExit,
    RunView,
    StepView,
)
from campaign.rules.told import values_of
from campaign.units import format_value

RULES = """
name: z
triage:
  - {id: torn, when: failure.kind == "oracle" and oracle.integrity.message matches /torn/ and sync == "off"}
  - {id: slow, suspicious: true, when: max(faults.recovery_times) > 10s and metrics.ops < 100}
examples:
"""


def view(**changes: Any) -> RunView:
    base: dict[str, Any] = {
        "id": "i",
        "key": "c#1",
        "campaign": "c",
        "instance": "c",
        "cell": "c",
        "axes": {"sync": "off"},
        "settings": {"memory-size": "4GiB", "keys": 7},
        "seed": 1,
        "tier": None,
        "attempt": 2,
        "state": "done",
        "verdict": "fail",
        "reason": "integrity: torn",
        "failure": FailureView(kind="oracle", message="integrity: torn", fingerprint="9f2c1a7be0d14c55"),
        "steps": (
            StepView(label="w", index=1, tool="t", argv=(), ok=True, exit=ProcessExit(code=0), metrics={"ops": "12.5"}),
            StepView(label="w", index=2, tool="t", argv=(), exit=ProcessExit(signal=9), started_at_s=2, duration_s=3),
        ),
        "faults": (FaultView(name="f", label="kill", planned_at_s=1, injected_at_s=1, recovered_at_s=13.5),),
        "oracles": (OracleView(name="o", label="integrity", ok=False, message="torn page"),),
    }
    return RunView(**{**base, **changes})


def test_a_record_is_told_by_the_names_of_the_language() -> None:
    found = {
        name: format_value(value) if not isinstance(value, tuple) else value
        for name, value in values_of(msgspec.json.encode(view())).items()
    }
    want = {
        "verdict": "fail",
        "failure.kind": "oracle",
        "sync": "off",
        "memory-size": "4GiB",
        "keys": "7",
        "attempt": "2",
        "exit.code": "137",
        "exit.signal": "9",
        "step.w.exit.ok": "false",
        "step.w[1].exit.code": "0",
        "metrics.ops": "12.5",
        "step.w.metrics.ops": "12.5",
        "elapsed": "5s",
        "oracle.ok": "false",
        "oracle.integrity.message": "torn page",
        "fault.kill.detected": "false",
        "faults.recovered": "true",
        "fault.kill.recovery_time": "12.5s",
        "faults.detect_times": (),
    }
    assert {name: found[name] for name in want} == want
    assert "tier" not in found
    assert "fault.kill.detect_time" not in found


def test_a_run_that_never_began_has_little_to_say() -> None:
    bare = view(steps=(), faults=(), oracles=(), failure=None, verdict=None, axes={}, settings={"x": 0.5, "y": None})
    found = values_of(msgspec.json.encode(bare))
    assert found["x"] == Fraction(1, 2)
    assert found.keys() == {
        *("x", "attempt", "seed", "oracle.ok", "faults.detected", "faults.recovered", "faults.within_sla"),
        *("faults.detect_times", "faults.recovery_times"),
    }


@pytest.fixture
def tested(in_process: Callable[..., Any], tmp_path: Path) -> Callable[[str], Any]:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/torn.json").write_bytes(msgspec.json.encode(view()))
    (tmp_path / "runs/odd.json").write_text('{"schema": "campaign.plan/1"}')

    def test(examples: str) -> Any:
        (tmp_path / "z.yaml").write_text(f"{RULES}{examples}")
        return in_process("rules", "test", "z.yaml")

    return test


def test_examples_may_be_records_values_and_both(tested: Callable[[str], Any]) -> None:
    done = tested(
        "  triaged:\n    - {as: torn, record: runs/torn.json}\n    - {as: slow, record: runs/torn.json}\n"
        "    - {as: slow, faults.recovery_times: [1s, 11s], metrics.ops: 3}\n"
        "    - {as: torn, failure.kind: oracle, oracle.integrity.message: torn, SYNC: off}\n"
        "  not-triaged:\n    - {record: runs/torn.json, sync: full, metrics.ops: 1000}\n    - {faults.recovery_times: []}\n"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert "2/2" in done.stdout


@pytest.mark.parametrize(
    ("example", "status", "said"),
    [
        (
            "  triaged: [{as: torn, record: runs/torn.json, sync: full}]",
            1,
            "torn must know this run, and not only slow",
        ),
        ("  not-triaged: [{as: slow, record: runs/torn.json}]", 1, "slow must not know this run"),
        ("  triaged: [{record: runs/none.json}]", 1, "No such file"),
        ("  triaged: [{record: runs}]", 1, "cannot be read"),
        ("  triaged: [{record: runs/odd.json}]", 1, "cannot be read"),
        ("  triaged: [{failure.mesage: x}]", 2, "did you mean failure.message?"),
        ("  not-triaged: [{faults.recoverd: true}]", 2, "recovered"),
        ("  triaged: [{faults.recovery_times: [[1s]]}]", 2, "faults.recovery_times"),
        ("  triaged: [{faults.recovery_times: {a: 1}}]", 2, "faults.recovery_times"),
    ],
)
def test_what_is_wrong_with_an_example_is_said_at_its_place(
    tested: Callable[[str], Any], example: str, status: int, said: str
) -> None:
    done = tested(example)
    assert (done.exit_code, said in done.stderr, "z.yaml:7:" in done.stderr) == (status, True, True), done.stderr


def test_what_is_suspicious_is_true_or_false(in_process: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "z.yaml").write_text("name: z\ntriage:\n  - {id: a, when: 'true', suspicious: maybe}\n")
    done = in_process("rules", "check", "z.yaml")
    assert (done.exit_code, "z.yaml:3:" in done.stdout + done.stderr) == (2, True)


def test_the_standard_set_agrees_with_its_examples(in_process: Callable[..., Any]) -> None:
    from campaign.rules.installed import TRIAGE, find_installed, installed_rules

    path = installed_rules(TRIAGE)["standard"]
    assert find_installed("standard") == path
    done = in_process("rules", "test", path)
    assert done.exit_code == 0, done.stderr
    assert "6/6" in done.stdout
