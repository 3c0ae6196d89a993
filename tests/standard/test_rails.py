"""Rails: what they hold, what they refuse, and what they put back."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.plugins.api import DisagreesError, UnableError
from campaign_standard.rails import Command, Sysfs

from .holds import arm, held, injection, values


@pytest.fixture
def rail(tmp_path: Path) -> Path:
    path = tmp_path / "vcore"
    path.write_text("1000\n")
    return path


def commands(rail: Path, **changed: object) -> dict[str, object]:
    given: dict[str, object] = {
        "rail": "vcore",
        "set": ["/bin/sh", "-c", f"echo 850 > {rail}"],
        "read": ["/bin/cat", str(rail)],
        "restore": ["/bin/sh", "-c", f"echo {{old}} > {rail}"],
        "value": "850",
    }
    return given | changed


def test_a_file_is_written_read_back_and_put_back(rail: Path) -> None:
    with held(Sysfs(), path=str(rail), value="850") as done:
        assert rail.read_text() == "850\n"
        assert done.notes == f"{rail}: 1000 → 850"
    assert rail.read_text() == "1000\n"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a file"),
        (lambda path: path.write_text(""), "is empty"),
    ],
)
def test_a_file_that_cannot_be_held(rail: Path, make, why: str) -> None:
    make(rail)
    with pytest.raises(UnableError, match=why):
        arm(Sysfs(), path=str(rail), value="850")
    if "empty" not in why:
        assert why in (Sysfs().missing(values(Sysfs(), path=str(rail), value="850")) or "")


def test_numbers_are_compared_as_numbers_and_texts_as_texts(rail: Path) -> None:
    for value in ("0850.0", "performance"):
        with held(Sysfs(), path=str(rail), value=value):
            assert rail.read_text() == f"{value}\n"
    assert rail.read_text() == "1000\n"


def test_a_file_that_is_deaf_disagrees() -> None:
    undo = {"path": "/dev/null", "old": "1000", "tolerance": "0", "settle": 0.0}
    with pytest.raises(DisagreesError, match="was set to 850 and reads nothing"):
        Sysfs().inject(injection(Sysfs(), path="/dev/null", value="850"), undo)
    with pytest.raises(DisagreesError, match="was set to 1000"):
        Sysfs().clear(undo)


def test_commands_set_read_and_restore(rail: Path) -> None:
    with held(Command(), **commands(rail)) as done:
        assert rail.read_text() == "850\n"
        assert done.notes == "vcore: 1000 → 850"
    assert rail.read_text() == "1000\n"


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (["/bin/true"], "printed nothing"),
        (["/bin/sh", "-c", "echo no bus >&2; exit 3"], "ended with 3: no bus"),
        (["/bin/sleep", "60"], "did not end within 0.2 s"),
    ],
)
def test_a_rail_that_cannot_be_read_is_not_set(rail: Path, read: list[str], why: str) -> None:
    with pytest.raises(UnableError, match=why):
        arm(Command(), **commands(rail, read=read, within="200ms"))
    assert rail.read_text() == "1000\n"


def test_a_command_that_is_not_there_is_said_before_anything_runs(rail: Path) -> None:
    why = Command().missing(values(Command(), **commands(rail, set=["no-such-tool"])))
    assert why == "no-such-tool was not found: install it, or give its path"
    assert Command().missing(values(Command(), **commands(rail))) is None


def test_no_shell_sees_a_value(rail: Path, tmp_path: Path) -> None:
    """What was read is one word of the restore command, whatever stands in it."""
    rail.write_text(f"$(touch {tmp_path}/owned); x\n")
    seen = tmp_path / "seen"
    given = commands(rail, restore=["/bin/sh", "-c", f'printf %s "$1" > {seen}', "sh", "{old}"])
    undo = arm(Command(), **given)
    Command().inject(injection(Command(), **given), undo)
    with pytest.raises(DisagreesError):
        Command().clear(undo)
    assert seen.read_text() == f"$(touch {tmp_path}/owned); x"
    assert not (tmp_path / "owned").exists()


def test_what_they_hold_is_named() -> None:
    assert Sysfs().resources(values(Sysfs(), path="/sys/x", value="1")) == ("/sys/x",)
    assert Command().resources({"rail": "vcore"}) == ("rail:vcore",)


def test_the_set_command_gets_the_value_itself(rail: Path) -> None:
    """So that a limit of the value reaches what is really set."""
    given = commands(rail)
    given["set"] = [str(word).replace(str(given["value"]), "{value}") for word in given["set"]]  # type: ignore[attr-defined]
    with held(Command(), **given):
        assert rail.read_text().strip() == given["value"]
