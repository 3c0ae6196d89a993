from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from campaign.cli.options import LARGEST_SEED, selection_options
from campaign.cli.terminal import colour_wanted, live_wanted, visible
from campaign.cli.workspace import find_workspace
from campaign.language.instances import MAXIMUM_SEED


class Terminal:
    def __init__(self, tty: bool = True) -> None:
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(
    ("environ", "tty", "colour", "live"),
    [
        ({}, True, True, True),
        ({}, False, False, False),
        ({"NO_COLOR": "1"}, True, False, True),
        ({"NO_COLOR": ""}, True, True, True),
        ({"CI": "true"}, True, False, False),
        ({"TERM": "dumb"}, True, False, False),
    ],
)
def test_colour_and_progress(environ: dict[str, str], tty: bool, colour: bool, live: bool) -> None:
    assert colour_wanted(Terminal(tty), environ) is colour  # type: ignore[arg-type]
    assert live_wanted(Terminal(tty), environ) is live  # type: ignore[arg-type]


def test_hostile_text_is_written_out() -> None:
    assert visible("a\x1b[2J\u202e\ud800\x9b\nß測") == "a\\u{1b}[2J\\u{202e}\\u{d800}\\u{9b}\\u{a}ß測"
    assert visible("a\tb\n", keep="\t\n") == "a\tb\n"


def test_the_workspace_is_the_nearest_one_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_workspace(None, {}, str(deep)) == str(deep / ".campaign")
    (tmp_path / ".campaign").mkdir()
    assert find_workspace(None, {}, str(deep)) == str(tmp_path / ".campaign")


def test_the_option_goes_before_the_variable(tmp_path: Path) -> None:
    environ = {"CAMPAIGN_WORKSPACE": "/elsewhere"}
    assert find_workspace(None, environ, str(tmp_path)) == "/elsewhere"
    assert find_workspace("here", environ, str(tmp_path)) == str(tmp_path / "here")


@click.command()
@selection_options
def choose(options) -> None:
    click.echo(f"{options.tier} {options.filter} {options.seeds} {options.sets} {options.limit}")


def test_selection_is_gathered_in_one_record() -> None:
    done = CliRunner().invoke(
        choose,
        ["--tier", "quick", "--filter", "tag=a", "--seeds", "3,1..2,2", "--set", "a=1", "--set", "b=2", "--limit", "5"],
    )
    assert done.output == "quick tag=a (3, 1, 2) ('a=1', 'b=2') 5\n"


@pytest.mark.parametrize("seeds", ["x", "2..1", "1..99999999999", "", "1,,2", "-4", "-1..3", "18446744073709551616"])
def test_wrong_seeds_are_refused(seeds: str) -> None:
    done = CliRunner().invoke(choose, ["--seeds", seeds])
    assert done.exit_code == 2


@pytest.mark.parametrize(("seed", "status"), [("-4", 2), ("0", 0), (str(MAXIMUM_SEED), 0), (str(MAXIMUM_SEED + 1), 2)])
def test_the_campaign_seed_is_one_that_a_spec_could_say(seed: str, status: int) -> None:
    assert LARGEST_SEED == MAXIMUM_SEED
    assert CliRunner().invoke(choose, ["--campaign-seed", seed]).exit_code == status
