"""The shipped JSON Schemas are those of the records, valid, and fit what is really written."""

import json
from importlib.resources import files

import jsonschema
import msgspec
import pytest

from campaign.records import EventView, Exit, HostRecord, PlanCounts, PlanView, ProcessExit, StepExit, StepLine
from campaign.records.schemas import RECORDS, json_schema, schema_text

EXAMPLES = [
    Exit(
        token="t",
        epoch=1,
        digest="d",
        started_at="2026-11-20T10:00:00Z",
        finished_at="2026-11-20T10:00:01Z",
        duration_s=1.0,
        boot_id="b",
        steps=(StepExit(label="w", tool="t", argv=("true",), exit=ProcessExit(code=0), ok=True),),
        granted={"gpu": (0, 1)},
    ),
    EventView(seq=1, at="2026-11-20T10:00:00Z", campaign="c", key="k#0", attempt=1, to_state="queued"),
    StepLine(label="w", tool="t", argv=("true",), exit=ProcessExit(signal=9)),
    HostRecord(
        id="h", boot_id="b", hostname="n", system="Linux", release="6", architecture="x", python="3", campaign="0"
    ),
    PlanView(
        campaign="c",
        name="n",
        spec="s.camp",
        plan_hash="0" * 32,
        seed=0,
        created_at="2026-11-20T10:00:00Z",
        counts=PlanCounts(instances=1, cells=2, runs=4),
    ),
]


@pytest.mark.parametrize("name", RECORDS)
def test_the_shipped_schema_is_made_from_the_record(name: str) -> None:
    shipped = files("campaign.records.schemas").joinpath(f"{name}.json").read_text(encoding="utf-8")
    assert shipped == schema_text(RECORDS[name]), "run: python -m campaign.records.schemas"


@pytest.mark.parametrize("name", RECORDS)
def test_each_schema_is_valid_2020_12(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(RECORDS[name]))


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_as_written_fits_its_schema(record: msgspec.Struct) -> None:
    jsonschema.validate(json.loads(msgspec.json.encode(record)), json_schema(type(record)))


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_without_its_schema_name_is_refused(record: msgspec.Struct) -> None:
    written = json.loads(msgspec.json.encode(record))
    del written["schema"]
    with pytest.raises(jsonschema.ValidationError, match="schema"):
        jsonschema.validate(written, json_schema(type(record)))


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_of_another_major_version_is_refused(record: msgspec.Struct) -> None:
    written = json.loads(msgspec.json.encode(record))
    written["schema"] = written["schema"].replace("/1", "/2")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, json_schema(type(record)))
