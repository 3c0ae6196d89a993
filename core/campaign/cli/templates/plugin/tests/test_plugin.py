import os
import subprocess
from pathlib import Path

import pytest
from campaign_newname import plugin

from campaign.plugins.api import Evidence, Exit, Step, parse_quantity
from campaign.plugins.parameters import defaults, validate
from campaign.plugins.testing import problems

SOURCES = Path(plugin.__file__).parents[1]


def run(workdir, **settings):
    """Run the tool's command as campaign would, in ``workdir``."""
    tool = plugin.Greeter()
    settings = {**defaults(tool), **settings}
    assert validate(tool, settings) == []
    step = Step(
        label="greeter", settings=settings, workdir=str(workdir), seed=0, random=0, instance="i", cell="i", attempt=1
    )
    command = tool.command(step)
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    return subprocess.run(command.argv, cwd=workdir, env=environment, capture_output=True, text=True, check=True)


def judge(workdir, greetings):
    end = Exit(token="t", epoch=1, digest="d", started_at="", finished_at="", duration_s=0, boot_id="b")
    evidence = Evidence(
        campaign="c",
        key="i#0",
        instance="i",
        cell="i",
        seed=0,
        attempt=1,
        directory=str(workdir),
        work=str(workdir),
        exit=end,
    )
    return plugin.Complete().judge(evidence, {"greetings": greetings})


def test_campaign_takes_the_plugin():
    assert problems(plugin) == []


def test_what_the_tool_writes_the_oracle_finds(tmp_path):
    assert run(tmp_path, greetings=3).stdout == "greetings 3\n"
    assert judge(tmp_path, 3).ok


def test_the_oracle_names_the_first_greeting_that_is_missing(tmp_path):
    run(tmp_path, greetings=3)
    judgement = judge(tmp_path, 5)
    assert (judgement.ok, judgement.message) == (False, "greeting 3 is missing")


@pytest.mark.parametrize("settings", [{"greetings": 0}, {"pause": parse_quantity("5V")}, {"greeting": 3}])
def test_wrong_settings_are_refused(settings):
    assert validate(plugin.Greeter(), settings)
