"""Shaping, by the kernel's own traffic control, on the loopback of a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from campaign_standard.net import Shape, _discipline, _kernel_lacks

from .holds import values

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from campaign.plugins.api import UnableError
from campaign_standard.net import Shape, _root
from tests.standard.holds import arm, held
import subprocess
given = {"interface": "lo", "rate": "1MB"}
with held(Shape(), **given) as done:
    print(done.notes)
    print(_root("lo"))
print(_root("lo"))
subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "handle", "7:", "pfifo"], check=True)
try:
    arm(Shape(), **given)
except UnableError as error:
    print(error)
Shape().clear({"interface": "lo"})
print(_root("lo"))
Shape().clear({"interface": "gone0"})
"""


def test_an_interface_is_shaped_and_unshaped() -> None:
    if (why := Shape().available() or _kernel_lacks("tbf")) is not None:
        pytest.skip(why)
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    notes, on, off, taken, kept = done.stdout.splitlines()
    assert notes == "lo: tbf rate 8000000bit burst 32768b latency 50ms"
    assert (on, off) == ("ca3b:", "None")
    assert taken.startswith("lo is shaped already (7:)")
    assert kept == "7:", "what somebody else has set is not ours to remove"


def test_the_words_that_tc_takes() -> None:
    def words(**given: str) -> str:
        return " ".join(_discipline(values(Shape(), interface="lo", **given)))

    assert words() == ""
    assert words(rate="125kB") == "tbf rate 1000000bit burst 32768b latency 50ms"
    assert words(delay="20ms") == "netem delay 20ms"
    assert words(delay="1500us", loss="0.5%", rate="1kB") == "netem delay 1.5ms loss 0.5% rate 8000bit"


def test_what_is_missing_is_said() -> None:
    shape = Shape()
    assert "there is no network interface eth77" in (shape.missing(values(shape, interface="eth77")) or "")
    assert "no network interface ../net/lo" in (shape.missing(values(shape, interface="../net/lo")) or "")
    assert shape.missing(values(shape, interface="lo")) == "nothing is shaped: give a rate, a delay or a loss"


def test_a_kernel_without_netem_says_so() -> None:
    if shutil.which("tc") is None or (why := _kernel_lacks("netem")) is None:
        pytest.skip("this kernel offers netem, or tc is not here")
    assert "modprobe sch_netem" in why
    assert Shape().missing(values(Shape(), interface="lo", delay="1ms")) == why


def test_a_machine_without_tc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert Shape().available() == "tc was not found: apt-get install iproute2"
