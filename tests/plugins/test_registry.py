"""Finding and loading plugins: what is imported when, and what is said of broken ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from campaign.diagnostics import ExitStatus, Severity
from campaign.plugins.registry import PluginError, Registry

TOOL = """
class Echo(Tool):
    name = "echo"
    about = "Says something."
    parameters = {"text": {"type": "string", "default": "hello"}}

    def command(self, step):
        return Command(argv=("echo", step.settings["text"]))

@hookimpl
def campaign_tools():
    return [Echo()]
"""


def test_a_strangers_tool_is_found_where_it_is_used(packages) -> None:
    packages.plugin("friend", TOOL)
    registry = Registry()
    assert registry.find("tool", "friend.echo") is None
    assert registry.hint("tool", "friend.echo") == "write `use friend`"
    assert registry.use(["friend"]) == []
    tool = registry.find("tool", "friend.echo")
    assert tool is not None
    assert tool.about == "Says something."
    assert registry.find("oracle", "friend.echo") is None
    assert registry.find("tool", "friend.other") is None
    assert "friend.echo" in registry.names("tool")


def test_uses_given_at_the_start_are_loaded_on_first_need(packages) -> None:
    packages.plugin("friend", TOOL)
    registry = Registry(["friend"])
    assert registry.distributions() == []
    assert registry.find("tool", "friend.echo") is not None
    (distribution,) = registry.distributions()
    assert (distribution.plugin, distribution.name, distribution.version) == ("friend", "campaign-stranger", "1.2")


def test_a_provider_named_like_its_entry_point_is_called_by_that_alone(packages) -> None:
    packages.plugin("echo", TOOL)
    registry = Registry(["echo"])
    assert "echo" in registry.names("tool")
    assert registry.find("tool", "echo") is not None
    assert registry.find("tool", "echo.echo") is registry.find("tool", "echo")


def test_standard_plugins_need_no_use() -> None:
    registry = Registry()
    assert registry.find("fault", "process.kill") is not None
    assert registry.find("oracle", "command") is not None
    assert {each.name for each in registry.distributions()} == {"campaign-engine"}


def test_a_plugin_that_is_not_used_is_not_imported(packages) -> None:
    module = packages.write("bystander", "raise RuntimeError('imported')")
    registry = Registry()
    registry.find("fault", "process.kill")
    registry.names("fault")
    assert module not in sys.modules


def test_nothing_heavy_is_imported_before_a_plugin_is_asked_for() -> None:
    code = (
        "import sys; from campaign.plugins.registry import Registry; Registry();"
        "heavy = {'stevedore', 'pluggy', 'cerberus', 'importlib.metadata', 'difflib', 're2'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout == "[]\n"


def test_a_plugin_that_is_not_installed_is_named_with_a_near_one(packages) -> None:
    packages.plugin("friend", TOOL)
    (found,) = Registry().use(["freind"])
    assert (found.code, found.summary, found.hint) == (
        "CAMP400",
        "plugin freind is not installed",
        "did you mean friend?",
    )
    assert found.status is ExitStatus.SETUP
    (far,) = Registry().use(["zzzzzzzzzzzz"])
    assert "pip install campaign-zzzzzzzzzzzz" in (far.hint or "")
    assert "./plugins/campaign-zzzzzzzzzzzz" in (far.hint or "")


def test_a_name_that_is_only_somewhat_like_another_is_that_of_a_package_to_install(packages) -> None:
    packages.plugin("quad", TOOL)
    (found,) = Registry().use(["equax"])
    assert "did you mean" not in (found.hint or "")
    assert "pip install campaign-equax" in (found.hint or "")


def test_hints_name_a_near_provider_or_what_there_is(packages) -> None:
    packages.plugin("friend", TOOL)
    registry = Registry(["friend"])
    assert registry.hint("tool", "friend.ecko") == "did you mean friend.echo?"
    assert registry.hint("tool", "friend.zzzzzzzzzzzz") == "friend provides friend.echo"
    assert registry.hint("oracle", "friend.zzzzzzzzzzzz") == "friend provides no oracle"
    assert registry.hint("tool", "nowhere.at-all") is None


# --- broken plugins: each a diagnostic with plugin, distribution and what is wrong -------------------------------


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise RuntimeError('first line\\nsecond line')", "RuntimeError: first line second line"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("assert False, 'never'", "AssertionError: never"),
        ("import sys; sys.exit(7)", "SystemExit: 7"),
        ("raise ValueError", "ValueError"),
    ],
)
def test_a_failing_import_is_one_line(packages, source, ending) -> None:
    packages.write("broken", source)
    (found,) = Registry().use(["broken"])
    assert found.code == "CAMP401"
    assert found.summary.startswith(f"plugin broken (campaign-stranger 1.2) cannot be imported: {ending}")
    assert "\n" not in found.summary
    assert "Traceback" not in found.summary


def test_a_missing_module_or_attribute_is_a_failing_import(packages) -> None:
    packages.declare("broken", "no_such_module_at_all")
    packages.declare("other", "json:no_such_name", name="campaign-other")
    found = Registry().use(["broken", "other"])
    assert [each.code for each in found] == ["CAMP401", "CAMP401"]
    assert "No module named 'no_such_module_at_all'" in found[0].summary
    assert "no attribute 'no_such_name'" in found[1].summary


def test_a_broken_plugin_raises_where_a_provider_of_it_is_asked_for(packages) -> None:
    packages.write("broken", "import no_such_module_anywhere")
    registry = Registry(["broken"])
    for _ in range(2):  # the second time from memory
        with pytest.raises(PluginError) as caught:
            registry.find("tool", "broken.echo")
        assert caught.value.diagnostics[0].code == "CAMP401"
        assert caught.value.status is ExitStatus.SETUP


def test_two_plugins_of_one_name_are_both_named_and_neither_is_imported(packages) -> None:
    modules = [
        packages.write("twin", "raise RuntimeError", name="campaign-one", version="1.0"),
        packages.write("twin", "raise RuntimeError", name="campaign-two", version="2.0"),
    ]
    (found,) = Registry().use(["twin"])
    assert found.code == "CAMP402"
    assert found.summary == "two plugins are called twin: from campaign-one 1.0 and campaign-two 2.0"
    assert not set(modules) & sys.modules.keys()


def test_two_distributions_that_name_the_same_module_are_a_conflict_too(packages) -> None:
    module = packages.plugin("twin", TOOL, name="campaign-one")
    packages.declare("twin", module, name="campaign-two")
    (found,) = Registry().use(["twin"])
    assert found.summary == "two plugins are called twin: from campaign-one 1.2 and campaign-two 1.2"


def test_a_stranger_cannot_take_the_name_of_a_standard_plugin(packages) -> None:
    packages.plugin("process", TOOL)
    with pytest.raises(
        PluginError, match=r"two plugins are called process: from campaign-engine \S+ and campaign-stranger"
    ):
        Registry().find("fault", "process.kill")


def test_one_module_under_two_names_is_refused(packages) -> None:
    module = packages.plugin("first", TOOL)
    packages.declare("second", module, name="campaign-second")
    found = Registry().use(["first", "second"])
    assert [each.code for each in found] == ["CAMP402"]
    assert f"plugin second (campaign-second 1.2) names the module {module}" in found[0].summary


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "does not say which api it speaks"),
        ("api = 2", "speaks api 2, this campaign speaks api 1"),
        ("api = '1'", "speaks api '1', this campaign speaks api 1"),
        ("api = True", "speaks api True, this campaign speaks api 1"),
    ],
)
def test_another_api_is_refused_by_name(packages, line, sentence) -> None:
    packages.write("broken", line)
    (found,) = Registry().use(["broken"])
    assert (found.code, found.summary) == ("CAMP403", f"plugin broken (campaign-stranger 1.2) {sentence}")


def test_an_entry_point_to_something_else_than_a_module_is_refused(packages) -> None:
    packages.declare("broken", "json:JSONEncoder")
    (found,) = Registry().use(["broken"])
    assert found.summary == "plugin broken (campaign-stranger 1.2) is a type, not a module"


def test_broken_plugins_do_not_disturb_others(packages) -> None:
    packages.plugin("broken", "@hookimpl\ndef campaign_tool():\n    return []\n")
    packages.plugin("friend", TOOL, name="campaign-friend")
    registry = Registry()
    found = registry.use(["broken", "friend"])
    assert [each.code for each in found] == ["CAMP404"]
    assert registry.find("tool", "friend.echo") is not None
    assert registry.emit("campaign_planned", campaign="c", runs=1) == []
    assert "friend.echo" in registry.names("tool")


def test_installed_lists_the_sound_and_the_broken(packages) -> None:
    packages.write("broken", "import no_such_module_anywhere")
    packages.plugin("friend", TOOL, name="campaign-friend")
    plugins = {plugin.name: plugin for plugin in Registry().installed()}
    assert [each.code for each in plugins["broken"].problems] == ["CAMP401"]
    assert str(plugins["broken"].origins[0]) == "campaign-stranger 1.2"
    assert list(plugins["friend"].providers["tool"]) == ["friend.echo"]
    assert "process" in plugins


# --- availability, events, fingerprints --------------------------------------------------------------------------


def test_what_is_missing_on_this_machine_is_said(packages) -> None:
    lacking = TOOL.replace("def command", "def available(self):\n        return 'there is no lp0'\n\n    def command")
    packages.plugin("friend", lacking)
    registry = Registry(["friend"])
    found = registry.unavailable("tool", "friend.echo")
    assert found is not None
    assert (found.code, found.summary) == ("CAMP408", "tool friend.echo cannot be used here: there is no lp0")
    assert registry.unavailable("tool", "friend.nothing") is None


def test_an_available_that_raises_is_an_answer_too(packages) -> None:
    lacking = TOOL.replace("def command", "def available(self):\n        raise OSError('gone')\n\n    def command")
    packages.plugin("friend", lacking)
    found = Registry(["friend"]).unavailable("tool", "friend.echo")
    assert found is not None
    assert found.summary.endswith("plugin friend (campaign-stranger 1.2) raises in available(): OSError: gone")


EVENTS = """
heard = []

@hookimpl
def campaign_planned(campaign, runs):
    heard.append((campaign, runs))
"""


def test_events_reach_every_plugin_and_one_that_raises_costs_a_warning(packages) -> None:
    packages.plugin("bad", "@hookimpl\ndef campaign_planned(campaign):\n    raise KeyError('x')\n", name="campaign-bad")
    module = packages.plugin("good", EVENTS)
    registry = Registry()
    assert registry.use(["bad", "good"]) == []
    (warning,) = registry.emit("campaign_planned", campaign="c-1", runs=3)
    assert (warning.code, warning.severity) == ("CAMP405", Severity.WARNING)
    assert warning.summary == "plugin bad (campaign-bad 1.2) raises in the hook campaign_planned: KeyError: 'x'"
    assert sys.modules[module].heard == [("c-1", 3)]


def test_the_first_fingerprint_wins_and_nonsense_does_not(packages) -> None:
    for name, answer in (("nobody", "None"), ("number", "7"), ("signature", "'torn-' + message")):
        source = f"@hookimpl\ndef campaign_fingerprint(message):\n    return {answer}\n"
        packages.plugin(name, source, name=f"campaign-{name}")
    registry = Registry()
    assert registry.use(["nobody", "number", "signature"]) == []
    assert registry.fingerprint(None, None, "page") == ("torn-page", [])  # type: ignore[arg-type]
