"""``run.json``: what it says of an attempt, what it keeps to itself, and that it fits its schema."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from campaign.judge.classify import decide
from campaign.judge.view import run_view
from campaign.records import MASK, FaultExit, FaultOrder, MetricOrder, OracleOrder, OracleRecord, StepOrder, late
from campaign.records.schemas import RECORDS, json_schema

ENV = {"PATH": "/bin", "DB_TOKEN": "s3cret", "CAMPAIGN_SEED": "3", "CAMPAIGN_PARAM_API_KEY": "s3cret"}


@pytest.fixture
def full(order: Any, ended: Any, step: Any) -> Any:
    asked = order(
        steps=(StepOrder(label="writer", tool="w", argv=("w",), env=ENV, metrics=(MetricOrder("ops", "x"),)),),
        faults=(FaultOrder("kill", "process.kill", 1.5, sla_s=2.0),),
        oracles=(OracleOrder("o", "x.o"),),
        needs={"gpu": 1},
        masked=("DB_TOKEN",),
    )
    done = ended(
        step(argv=("w", "--token=s3cret"), metrics={"ops": "12.5"}, started_at_s=0.2),
        services=(step(label="srv", started_at_s=0.1),),
        faults=(FaultExit("kill", "process.kill", 1.5, injected_at_s=1.5, recovered_at_s=2.0),),
        granted={"gpu": (1,)},
    )
    said = (OracleRecord("o", "x.o", ok=True, paths=("oracle/o.json",)),)
    return run_view(asked, done, said, decide(asked, done, said), host_id="h")


def test_it_fits_its_schema(full: Any) -> None:
    jsonschema.validate(json.loads(msgspec.json.encode(full)), json_schema(RECORDS["run"]))


def test_it_tells_what_happened(full: Any) -> None:
    assert (full.verdict, full.passed, full.verified, full.flaky) == ("pass", True, True, False)
    assert full.steps[0].metrics == {"ops": 12.5}
    assert full.faults[0].within_sla is True
    assert full.resources.granted == {"gpu": (1,)}
    assert full.host.boot_id == "boot"


def test_names_of_variables_stand_there_their_values_do_not(full: Any) -> None:
    env = full.steps[0].env
    assert env == {"PATH": MASK, "DB_TOKEN": MASK, "CAMPAIGN_SEED": "3", "CAMPAIGN_PARAM_API_KEY": MASK}
    assert b"s3cret" not in msgspec.json.encode(full)


def test_late_values_stand_there_filled_in(order: Any, ended: Any, step: Any) -> None:
    env = {"CAMPAIGN_SLOT_GPU": late("slot.gpu"), "CAMPAIGN_PARAM_PORT": late("srv.port")}
    asked = order(steps=(StepOrder(label="writer", tool="w", argv=("w", late("srv.port")), env=env),))
    done = ended(step(argv=("w", late("srv.port"))), late={"slot.gpu": "1"})
    (seen,) = run_view(asked, done, (), decide(asked, done)).steps
    assert seen.env == {"CAMPAIGN_SLOT_GPU": "1", "CAMPAIGN_PARAM_PORT": "{srv.port}"}
    assert seen.argv == ("w", "{srv.port}")


def test_granted_devices_are_shown(order: Any, ended: Any, step: Any) -> None:
    env = {"CUDA_VISIBLE_DEVICES": late("device.gpu")}
    asked = order(steps=(StepOrder(label="writer", tool="w", argv=("w",), env=env),))
    done = ended(step(), late={"device.gpu": "GPU-b"})
    (seen,) = run_view(asked, done, (), decide(asked, done)).steps
    assert seen.env == {"CUDA_VISIBLE_DEVICES": "GPU-b"}


def test_an_author_who_says_a_secret_is_not_quoted(order: Any, ended: Any, step: Any, expect: Any) -> None:
    env = {"DB_TOKEN": "s3cret"}
    asked = order(
        steps=(StepOrder(label="writer", tool="w", argv=("w",), env=env),),
        expectations=(expect("exit.ok", why="s3cret does not work"),),
        masked=("DB_TOKEN",),
    )
    done = ended(step(code=1))
    decision = decide(asked, done)
    assert decision.failure is not None
    assert b"s3cret" not in msgspec.json.encode(run_view(asked, done, (), decision))


def test_a_pass_without_an_oracle_is_not_verified(order: Any, ended: Any) -> None:
    view = run_view(order(), ended(), (), decide(order(), ended()))
    assert (view.passed, view.verified) == (True, False)


def test_a_run_that_never_started_has_a_record(order: Any) -> None:
    view = run_view(order(), None, (), None, state="queued")
    assert (view.verdict, view.steps, view.started_at) == (None, (), None)
    jsonschema.validate(json.loads(msgspec.json.encode(view)), json_schema(RECORDS["run"]))


def test_the_failure_says_its_class_under_that_name(order: Any, ended: Any, step: Any) -> None:
    done = ended(step(code=1))
    written = json.loads(msgspec.json.encode(run_view(order(), done, (), decide(order(), done))))
    assert written["failure"]["kind"] == "exit"
    assert "class" in written["failure"]
    assert "classification" not in written["failure"]


def test_a_metric_that_is_no_number_stands_as_printed(order: Any, ended: Any, step: Any) -> None:
    done = ended(step(metrics={"ops": "fast"}))
    assert run_view(order(), done, (), None).steps[0].metrics == {"ops": "fast"}
