"""Detection, against this very machine: what the driver's own files say, or why there is nothing to find."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from campaign.engine.devices import detect

DRIVER = Path("/proc/driver/nvidia/gpus")


def test_the_devices_are_those_that_the_driver_lists() -> None:
    if find_spec("pynvml") is None or not DRIVER.is_dir():
        pytest.skip("no NVIDIA driver, or its binding is not installed")
    texts = [path.read_text() for path in DRIVER.glob("*/information")]
    uuids = {match for text in texts for match in re.findall(r"GPU UUID:\s*(\S+)", text)}
    assert {each.uuid for each in detect().devices} == uuids
    assert all(each.name for each in detect().devices)


def test_a_missing_driver_is_a_reason() -> None:
    if find_spec("pynvml") is None or Path("/proc/driver/nvidia").exists():
        pytest.skip("the binding is not installed, or there is a driver")
    found = detect()
    assert not found.devices
    assert "driver" in (found.why_none or "")


def test_a_missing_binding_is_a_reason() -> None:
    script = "import sys; sys.modules['pynvml'] = None; from campaign.engine.devices import detect; print(detect())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "nvidia-ml-py is not installed" in done.stdout


def test_nothing_imports_the_binding_before_it_is_asked_for() -> None:
    script = "import sys, campaign.engine.prepare, campaign.cli.health; print('pynvml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
