"""Every file that a real campaign leaves is what its shipped JSON Schema says."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import jsonschema
import pytest

SPEC = """
campaign "demo" { parallel 2 }
tool t {
  command "/bin/sh" "-c" "{script}"
  metric n: int = /n=(\\d+)/
  param script: string = "echo n=7; kill -9 $$"
}
instance swept {
  sweep how = ["true", "exit 3"]
  script = "test $CAMPAIGN_ATTEMPT -eq 2 || {how}"
  retry { attempts = 2; backoff = 1ms..2ms }
  prefer gpu = 1
  run t
}
instance killed {
  run t
  serve other: t { script = "sleep 60" }
  fault process.stop { target = other; at = 1ms; for = 1ms }
  oracle file.exists { path = "none"; required = false }
}
"""


@pytest.fixture
def folder(campaign: Callable[..., CompletedProcess[str]], tmp_path: Path) -> Path:
    (tmp_path / "a.camp").write_text(SPEC)
    done = campaign("exec", "a.camp")
    assert done.returncode == 1, done.stderr
    (found,) = (tmp_path / ".campaign" / "runs").iterdir()
    return found


def validator(name: str) -> Any:
    schema = json.loads(files("campaign.records.schemas").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def test_files_fit_their_schemas(folder: Path) -> None:
    for name, least in (("run", 7), ("summary", 1), ("plan", 1), ("host", 1)):
        found = list(folder.rglob(f"{name}.json"))
        assert len(found) >= least, name
        for path in found:
            validator(name).validate(json.loads(path.read_bytes()))
    for file, name, least in (("events.ldjson", "event", 20), ("steps.ldjson", "step", 5)):
        lines = [line for path in folder.rglob(file) for line in path.read_text().splitlines()]
        assert len(lines) >= least, name
        for line in lines:
            validator(name).validate(json.loads(line))


def test_private_records_fit_their_schemas(folder: Path) -> None:
    attempts = folder.parent.parent / "attempts"
    for name in ("order", "exit"):
        found = list(attempts.rglob(f"{name}.json"))
        assert found, name
        for path in found:
            validator(name).validate(json.loads(path.read_bytes()))
