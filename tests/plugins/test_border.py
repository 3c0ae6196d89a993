"""What hooks may return: everything else is refused with the plugin, the distribution and the hook."""

from __future__ import annotations

import pytest

WHO = "plugin broken (campaign-stranger 1.2)"

TOOL = """
class Echo(Tool):
    name = "echo"
    about = "Says something."
    parameters = PARAMETERS

    def command(self, step):
        return Command(argv=("echo",))

@hookimpl
def campaign_tools():
    return [Echo()]
"""


def _tools(expression: str, classes: str = "") -> str:
    return f"{classes}\n@hookimpl\ndef campaign_tools():\n    return {expression}\n"


def _class(body: str, base: str = "Tool") -> str:
    return f"class Echo({base}):\n    {body}\n"


NAMED = "name = 'echo'; about = 'x'; command = lambda self, step: Command(argv=('x',))"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "@hookimpl\ndef campaign_tool():\n    return []\n",
            f"CAMP404 {WHO} implements the hook campaign_tool, which does not exist; campaign_tools does",
        ),
        (
            "@hookimpl\ndef something_else():\n    return []\n",
            f"CAMP404 {WHO} implements the hook something_else, which does not exist",
        ),
        (
            "def campaign_tools():\n    return []\n",
            f"CAMP404 {WHO} has the hook campaign_tools without its mark",
        ),
    ],
)
def test_hooks_of_a_wrong_name(rejected, source, said) -> None:
    assert rejected(source) == said


def test_a_hook_of_a_wrong_signature(rejected) -> None:
    said = rejected("@hookimpl\ndef campaign_planned(campaign, runs, colour):\n    pass\n")
    assert said.startswith(f"CAMP404 {WHO} implements the hook campaign_planned with a wrong signature: ")
    assert "colour" in said


def test_a_hook_that_raises(rejected) -> None:
    assert (
        rejected(_tools("1 / 0"))
        == f"CAMP405 {WHO} raises in the hook campaign_tools: ZeroDivisionError: division by zero"
    )


def test_a_generator_that_raises_half_way(rejected) -> None:
    source = _class(NAMED) + "@hookimpl\ndef campaign_tools():\n    yield Echo()\n    raise OSError('gone')\n"
    assert rejected(source) == f"CAMP405 {WHO} raises in the hook campaign_tools: OSError: gone"


def test_a_hook_that_leaves(rejected) -> None:
    assert rejected("import sys\n" + _tools("sys.exit(3)")).endswith("raises in the hook campaign_tools: SystemExit: 3")


@pytest.mark.parametrize(
    ("expression", "classes", "ending"),
    [
        ("7", "", "an int, not a list of providers"),
        ("'echo'", "", "a str, not a list of providers"),
        ("[None]", "", "nothing, which is no Tool of campaign.plugins.api"),
        ("[Echo]", _class(NAMED), "the class Echo, not an instance of it"),
        ("[Echo()]", _class(NAMED, "object"), "an Echo, which is no Tool of campaign.plugins.api"),
        ("[Echo()]", _class(NAMED, "Oracle"), "an Echo, which is no Tool of campaign.plugins.api"),
        ("[Echo()]", _class("about = 'x'"), "an Echo without a name"),
        ("[Echo()]", _class("name = 7"), "an Echo whose name 7 is not a name of the language"),
        ("[Echo()]", _class("name = 'a.b'"), "an Echo whose name 'a.b' is not a name of the language"),
        ("[Echo()]", _class("name = '../../etc'"), "an Echo whose name '../../etc' is not a name of the language"),
        ("[Echo()]", _class("name = 'echo'"), "echo without `about`, one sentence that says what it is"),
        ("[Echo()]", _class("name = 'echo'; about = 'x'"), "echo without the method command"),
        ("[Echo()]", _class(NAMED + "; serves = True"), "echo without the method ready"),
        ("[Echo()]", _class(NAMED + "; traces = True"), "echo without the method replay"),
        ("[Echo()]", _class(NAMED + "; __hash__ = None"), "echo, which cannot be hashed; providers are frozen"),
        (
            "[Echo()]",
            _class(NAMED + "; metrics = ('ops',)"),
            "echo whose metrics hold a str, which is no Metric with a name of the language",
        ),
        (
            "[Echo()]",
            _class(NAMED + "; metrics = (Metric(name='ops', pattern='(x)', type='number'),)"),
            "echo whose metrics hold ops of the unknown type number",
        ),
        (
            "[Echo()]",
            _class(NAMED + "; metrics = (Metric(name='ops', pattern='x'),)"),
            "echo whose metrics hold ops with a pattern without a group",
        ),
        (
            "[Echo()]",
            _class(NAMED + "; metrics = (Metric(name='ops', pattern=r'(x)\\1'),)"),
            "echo whose metrics hold ops with a pattern that is no linear-time one: invalid escape sequence: \\1",
        ),
        ("[Echo(), Echo()]", _class(NAMED), "two providers of one name: broken.echo and broken.echo"),
    ],
)
def test_results_of_a_wrong_shape(rejected, expression, classes, ending) -> None:
    assert rejected(_tools(expression, classes)) == f"CAMP406 {WHO} returns from the hook campaign_tools {ending}"


def test_two_spellings_of_a_provider(rejected) -> None:
    classes = _class(NAMED) + "class Other(Echo):\n    name = 'ECHO'\n"
    assert rejected(_tools("[Echo(), Other()]", classes)).endswith(
        "two providers of one name: broken.echo and broken.ECHO"
    )


@pytest.mark.parametrize(
    ("parameters", "ending"),
    [
        ("7", "parameters are an int, not a mapping"),
        ("{'x': 7}", "parameter x has an int where its rules should stand"),
        ("{'x': {}}", "parameter x has no type"),
        ("{'x': {'type': 'integer'}}", "parameter x has the unknown type integer"),
        ("{'x': {'type': ['int', 'string']}}", "parameter x has the unknown type ['int', 'string']"),
        ("{'x': {'type': 'int', 'coerce': int}}", "parameter x has the rule coerce, which parameters cannot have"),
        ("{'x': {'type': 'int', 'mni': 1}}", "parameter x has the rule mni, which parameters cannot have"),
        ("{'x': {'type': 'int', 'default': 'many'}}", "parameter x has the default 'many': many is not a number"),
        ("{'x': {'type': 'int', 'default': 0, 'min': 1}}", "parameter x has a default that is 0; the least is 1"),
        (
            "{'x': {'type': 'string', 'default': 'c', 'allowed': ['a', 'b']}}",
            'parameter x has a default that is "c"; allowed are "a", "b"',
        ),
        ("{'x': {'type': 'duration', 'default': '10'}}", "parameter x has the default '10': 10 is not a quantity"),
        ("{'x': {'type': 'duration', 'max': '5V'}}", "parameter x has the max '5V': 5V is a voltage, not a duration"),
        ("{'x': {'type': 'string', 'allowed': 'abc'}}", "parameter x has the allowed 'abc': it is not a list"),
        ("{'x': {'type': 'string', 'required': 'yes'}}", "parameter x required: must be of boolean type"),
        (
            "{'x': {'type': 'list', 'schema': {'type': 'thing'}}}",
            "parameter x has items whose schema has the unknown type thing",
        ),
        (
            "{'x': {'type': 'string', 'regex': r'(a)\\1'}}",
            "parameter x has the regex '(a)\\\\1': invalid escape sequence: \\1",
        ),
        ("{'a.b': {'type': 'int'}}", "parameter a.b is not a name (letters, digits, _, single dashes inside)"),
        ("{7: {'type': 'int'}}", "parameter 7 is not a name (letters, digits, _, single dashes inside)"),
        ("{'SLA': {'type': 'int'}}", "parameter SLA belongs to the engine in every provider's block"),
        ("{'ok_exits': {'type': 'int'}}", "parameter ok_exits belongs to the engine in every provider's block"),
        ("{'seed': {'type': 'int'}}", "parameter seed is reserved: it has a meaning of its own in expressions"),
        ("{'a-b': {'type': 'int'}, 'A_b': {'type': 'int'}}", "parameters a-b and A_b are two spellings of one name"),
    ],
)
def test_parameters_that_cannot_be_used(rejected, parameters, ending) -> None:
    said = rejected(TOOL.replace("PARAMETERS", parameters))
    assert said == f"CAMP407 {WHO} returns from the hook campaign_tools broken.echo, whose {ending}"


def test_everything_wrong_with_the_parameters_is_said_at_once(rejected) -> None:
    said = rejected(TOOL.replace("PARAMETERS", "{'at': {'type': 'int'}, 'x': {'type': 'y'}, 'z': {}}"))
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("", f"CAMP406 {WHO} returns from the hook campaign_reporters echo without the method report"),
        ("; report = lambda self, summary, runs, write: None", ""),
        ("; render = lambda self, results, settings, write: None", ""),
    ],
)
def test_a_reporter_brings_report_or_render(rejected, method, said) -> None:
    hook = "@hookimpl\ndef campaign_reporters():\n    return [Echo()]\n"
    reporter = _class("name = 'echo'; about = 'x'; filename = 'x.txt'" + method, "Reporter")
    assert rejected(f"{reporter}\n{hook}") == said
