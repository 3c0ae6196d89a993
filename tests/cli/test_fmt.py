import os
from pathlib import Path

import pytest

LOOSE = 'campaign   "c" {about "x"; parallel 2}\n# kept\ntool t {command "/bin/true"}\ninstance i {run t}\n'


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "a.camp"
    path.write_text(LOOSE)
    return path


def test_a_file_is_written_in_place_and_its_mode_kept(spec: Path, in_process) -> None:
    spec.chmod(0o640)
    done = in_process("fmt", "a.camp")
    assert (done.exit_code, done.stderr) == (0, "formatted a.camp\n")
    assert spec.read_text() != LOOSE
    assert "# kept" in spec.read_text()
    assert spec.stat().st_mode & 0o777 == 0o640
    assert in_process("fmt", "a.camp").stderr == ""
    assert [path.name for path in spec.parent.iterdir()] == ["a.camp"]


def test_a_symbolic_link_stays_one(spec: Path, in_process) -> None:
    link = spec.with_name("link.camp")
    link.symlink_to("a.camp")
    in_process("fmt", "link.camp")
    assert link.is_symlink()
    assert spec.read_text() != LOOSE


@pytest.mark.parametrize("option", ["--check", "--diff"])
def test_check_and_diff_write_nothing_and_end_with_1(spec: Path, in_process, option: str) -> None:
    done = in_process("fmt", option, "a.camp")
    assert done.exit_code == 1
    assert spec.read_text() == LOOSE
    in_process("fmt", "a.camp")
    assert in_process("fmt", option, "a.camp").exit_code == 0


def test_a_diff_can_be_applied(spec: Path, in_process) -> None:
    lines = in_process("fmt", "--diff", "a.camp").stdout.splitlines()
    assert lines[:2] == ["--- a.camp", "+++ a.camp"]
    in_process("fmt", "a.camp")
    added = [line[1:] for line in lines[2:] if line.startswith(("+", " "))]
    assert added == spec.read_text().splitlines()


def test_standard_input_goes_to_standard_output(spec: Path, in_process) -> None:
    done = in_process("fmt", "-", input=LOOSE)
    in_process("fmt", "a.camp")
    assert done.stdout == spec.read_text()


def test_a_spec_with_mistakes_is_left_alone_and_the_others_are_written(spec: Path, in_process) -> None:
    broken = spec.with_name("broken.camp")
    broken.write_text("campaign {{{ \n")
    done = in_process("fmt", "broken.camp", "a.camp", "gone.camp")
    assert done.exit_code == 2
    assert broken.read_text() == "campaign {{{ \n"
    assert spec.read_text() != LOOSE
    assert "broken.camp:1:" in done.stderr
    assert "error[CAMP130]: gone.camp cannot be read" in done.stderr


def test_a_file_that_cannot_be_put_in_its_place_is_said_and_left_alone(spec: Path, in_process) -> None:
    spec.with_name(f".a.camp.{os.getpid()}.draft").mkdir()  # where the new text would go first
    done = in_process("fmt", "a.camp")
    assert done.exit_code == 3
    assert "error[CAMP571]: a.camp cannot be written" in done.stderr
    assert spec.read_text() == LOOSE


def test_all_that_is_wrong_is_said_and_a_refused_character_is_not_formatted_away(spec: Path, in_process) -> None:
    spec.write_text("group g { x = 1 }\u202e\n")
    done = in_process("fmt", "a.camp")
    assert (done.exit_code, done.stderr.count("error[CAMP003]")) == (2, 1)
    assert spec.read_text() == "group g { x = 1 }\u202e\n"
    spec.write_text("group g { x = }\u202e\n")
    done = in_process("fmt", "a.camp")
    assert (done.stderr.count("error[CAMP003]"), done.stderr.count("error[CAMP019]")) == (1, 1)
