"""The JSON Schemas (2020-12) of every file and message that campaign writes, made from the records themselves.

``python -m campaign.records.schemas`` writes them again; a test holds that the shipped files are what it writes.
Nothing imports this at start-up.
"""

from __future__ import annotations

import json
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from campaign.records import EventView, Exit, HostRecord, Order, PlanView, RunView, StepLine, Summary, WatchLine
from campaign.records.analysis import Analysis
from campaign.records.iteration import IterationView

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: By file name: what each schema describes.  ``event``, ``step`` and ``watch`` are of one line of their ``.ldjson``.
RECORDS: dict[str, type[Struct]] = {
    "analysis": Analysis,
    "event": EventView,
    "exit": Exit,
    "host": HostRecord,
    "iteration": IterationView,
    "order": Order,
    "plan": PlanView,
    "run": RunView,
    "step": StepLine,
    "summary": Summary,
    "watch": WatchLine,
}


def json_schema(record: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of ``record``: its own shape at the top, what it holds under ``$defs``.

    ``schema`` is pinned to the record's name and major version; fields that are not known are allowed, because
    fields are added within a major version.
    """
    _, definitions = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    top = definitions.pop(record.__name__)
    identity = _identity(record)
    top["properties"]["schema"] = {"const": identity}
    top["required"] = ["schema", *(name for name in top.get("required", ()) if name != "schema")]
    for definition in (top, *definitions.values()):
        definition["description"] = cleandoc(definition.get("description", ""))
    name, _, major = identity.removeprefix("campaign.").partition("/")
    head = {"$schema": DIALECT, "$id": f"urn:campaign:{name}:{major}"}
    return {**head, **top, "$defs": dict(sorted(definitions.items()))}


def _identity(record: type[Struct]) -> str:
    """What the record's ``schema`` field says, a tag or a default: ``campaign.run/1``."""
    tag = record.__struct_config__.tag
    return str(tag or next(field.default for field in msgspec.structs.fields(record) if field.name == "schema"))


def schema_text(record: type[Struct]) -> str:
    """The schema as its file holds it."""
    return json.dumps(json_schema(record), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema into ``folder``, one file for each record."""
    for name, record in RECORDS.items():
        (folder / f"{name}.json").write_text(schema_text(record), encoding="utf-8")
