import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from campaign.cli import main
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Put a function in the place of a verb and run it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def call(body, *arguments: str) -> int:
        command = click.command()(body)
        monkeypatch.setattr(main.Verbs, "get_command", lambda *_: command)
        return main.run(["check", *arguments])

    return call


def raising(error: BaseException):
    def body() -> None:
        raise error

    return body


def test_help_lists_every_verb_and_imports_none() -> None:
    script = "import sys; from campaign.cli import main; code = main.run(['--help']); print([m for m in sys.modules if m.startswith('campaign.cli.')]); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for verb in main.VERBS:
        assert f"  {verb} " in done.stdout
    assert not any(f"campaign.cli.{verb}'" in done.stdout for verb in main.VERBS)


@pytest.mark.parametrize("name", main.VERBS)
def test_every_verb_has_help(name: str, in_process) -> None:
    done = in_process(name, "--help")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"Usage: campaign {name} ")


def test_version(campaign) -> None:
    done = campaign("--version")
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "campaign", "")


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["--bogus"], ["check"], ["check", "--bogus"], ["fmt", "--format", "x"]]
)
def test_a_wrong_command_line_is_one_line_and_status_2(arguments: list[str], in_process) -> None:
    done = in_process(*arguments)
    assert done.exit_code == ExitStatus.USAGE
    assert done.stderr.startswith("campaign: ")
    assert done.stderr.count("\n") == 1


def test_a_misspelt_verb_and_a_code_that_is_none_are_told(in_process) -> None:
    assert "there is no verb 'exce', did you mean exec?" in in_process("exce", "x.camp").stderr
    assert "there is no code CAMP9999; they go from" in in_process("explain", "CAMP9999").stderr


def test_no_verb_at_all_is_status_2_with_the_help(in_process) -> None:
    done = in_process()
    assert done.exit_code == ExitStatus.USAGE
    assert "Verbs:" in done.stderr


def test_a_verb_gives_its_status(verb) -> None:
    assert verb(lambda: ExitStatus.CANCELED) == 5
    assert verb(lambda: None) == 0
    assert verb(lambda: click.get_current_context().exit(3)) == 3


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([ExitStatus.SETUP], 3), ([ExitStatus.SETUP, ExitStatus.USAGE], 2), ([ExitStatus.USAGE, ExitStatus.SAFETY], 4)],
)
def test_diagnostics_are_rendered_and_decide_the_status(verb, capsys, statuses, expected: int) -> None:
    found = [Diagnostic("CAMP572", f"wrong {status}", status=status) for status in statuses]
    assert verb(raising(CampaignError(found))) == expected
    assert capsys.readouterr().err.count("error[CAMP572]: wrong") == len(found)


def test_an_interrupt_is_130(verb, capsys) -> None:
    assert verb(raising(KeyboardInterrupt())) == ExitStatus.INTERRUPTED
    assert capsys.readouterr().err == "campaign: interrupted\n"


def test_a_defect_is_70_and_its_details_are_in_a_private_file(verb, capsys, tmp_path: Path) -> None:
    assert verb(raising(RuntimeError("odd\x1b[2J"))) == ExitStatus.DEFECT
    message = capsys.readouterr().err
    [saved] = (tmp_path / "state/campaign/defects").iterdir()
    assert "a defect of campaign itself: RuntimeError: odd\\u{1b}[2J" in message
    assert str(saved) in message
    assert "Traceback" not in message
    assert "Traceback" in saved.read_text()
    assert saved.stat().st_mode & 0o077 == 0


def test_a_defect_is_saved_in_the_workspace_where_there_is_one(verb, tmp_path: Path) -> None:
    (tmp_path / ".campaign").mkdir()
    verb(raising(RuntimeError("odd")))
    assert len(list((tmp_path / ".campaign/defects").iterdir())) == 1


@pytest.mark.parametrize(
    "error", [OSError(number, "odd") for number in (errno.ENOSPC, errno.EMFILE, errno.EIO)] + [MemoryError()]
)
def test_a_machine_without_means_is_a_setup_error(verb, capsys, error: Exception) -> None:
    assert verb(raising(error)) == ExitStatus.SETUP
    assert "error[CAMP572]" in capsys.readouterr().err


def test_any_other_operating_system_error_is_a_defect(verb) -> None:
    assert verb(raising(OSError(errno.EBADF, "bad"))) == ExitStatus.DEFECT


def test_a_full_disk_behind_standard_output_is_said(campaign) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "campaign", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == ExitStatus.SETUP
    assert "CAMP572" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_campaign_in_silence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "campaign", "--help"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")
