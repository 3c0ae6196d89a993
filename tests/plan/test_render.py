"""Orders: what is executed, and what an attempt is told."""

from __future__ import annotations

import msgspec
import pytest
from tests.plan.spec import TOOL, all_runs, context, orders, scenarios

from campaign.diagnostics import CampaignError
from campaign.language.expressions import Missing, evaluate
from campaign.language.syntax import Expr
from campaign.plan.listing import planned_steps
from campaign.plan.render import render
from campaign.plan.variables import environment_problems
from campaign.records import late, order_digest, pattern_order
from campaign.units import Value

WORK = "/runs/a/a/seed-0/attempt-1/work"


def test_the_command_line_of_a_declared_tool() -> None:
    tool = """
    tool u {
      command "bin/u" "--db={workdir}/db" "--d={d:ms}" "{fast}" "{s}" "{campaign}/{instance}/{cell}/{seed}/{attempt}/{tier}"
      param d: duration = 1.5s
      param s: string = "a b"
      param fast: bool = false flag "--fast"
      param late: bool = false flag "--late"
      env U_HOME = "{env.HOME}/u"
    }
    tier quick { d = 1m30s }
    instance a { run u { fast = true; late = true } }
    """
    (order,) = orders(tool)
    (step,) = order.steps
    assert step.argv == ("/home/me/specs/bin/u", f"--db={WORK}/db", "--d=1500", "--fast", "a b", "x/a/a/0/1/", "--late")
    assert step.env["U_HOME"] == "/home/me/u"
    (order,) = orders(tool, "quick")
    assert order.steps[0].argv[2] == "--d=90000"
    assert order.steps[0].argv[5] == "x/a/a/0/1/quick"
    assert order.tier == "quick"


def test_a_flag_is_left_out_when_false_and_a_bare_word_is_looked_up_later() -> None:
    (order,) = orders('tool u { command "u" "{fast}"; param fast: bool = false flag "--fast" }\ninstance a { run u }')
    assert order.steps[0].argv == ("u",)


def test_the_environment_is_what_the_spec_names_and_no_more() -> None:
    text = 'instance a { pass-env secret OTHER, API_TOKEN, UNSET; needs gpu = 1; run t { s = "x" } }'
    (order,) = orders(TOOL + text)
    env = order.steps[0].env
    assert {name: env.get(name) for name in ("PATH", "HOME", "LC_ALL", "OTHER", "API_TOKEN", "UNSET")} == {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "OTHER": "no",
        "API_TOKEN": "s3cret",
        "UNSET": None,
    }
    assert env["CAMPAIGN_SEED"] == "0"
    assert env["CAMPAIGN_WORKDIR"] == WORK
    assert env["CAMPAIGN_PARAM_D"] == "10s"
    assert env["CAMPAIGN_PARAM_FAST"] == "false"
    assert env["CAMPAIGN_SLOT_GPU"] == late("slot.gpu")
    assert env["CUDA_VISIBLE_DEVICES"] == late("device.gpu")
    assert env["CAMPAIGN_RUN_ID"] == order.id
    assert order.masked == ("API_TOKEN", "OTHER")
    (plain,) = orders(TOOL + "instance a { run t }")
    assert not {"OTHER", "CUDA_VISIBLE_DEVICES"} & set(plain.steps[0].env)


def test_programs_of_oracles_get_what_the_tools_get_without_their_parameters() -> None:
    text = 'instance a { pass-env secret OTHER; run t; oracle o: command { argv = ["{env.API_TOKEN}"] } }'
    (order,) = orders(TOOL + text)
    env = {name: value for name, value in order.steps[0].env.items() if not name.startswith("CAMPAIGN_PARAM_")}
    assert order.environment == env
    assert (order.masked, order.secrets) == (("OTHER",), ("s3cret",))
    (plain,) = orders(TOOL + "instance a { run t }")
    assert plain.environment == {}


def test_directories_never_leave_the_run_root() -> None:
    (order,) = orders(TOOL + 'instance a { sweep s = ["../../etc"]; run t }')
    assert order.directories.work.startswith("/runs/a/")
    assert ".." not in order.directories.work.split("/")
    assert order.directories.private == "/private/token-1"


def test_swept_steps_are_repeated_with_an_index() -> None:
    (order,) = orders(
        TOOL + "instance a { run w: t { sweep n = [3, 5]; sweep fast = [true, false]; timeout 3s; ok-exits = [0, 7] } }"
    )
    assert [(step.label, step.index, step.values["n"], step.values["fast"]) for step in order.steps] == [
        ("w", 1, 3, True),
        ("w", 2, 3, False),
        ("w", 3, 5, True),
        ("w", 4, 5, False),
    ]
    assert order.steps[0].argv == ("/home/me/specs/bin/t", "--n=3", "--fast", "0")
    assert {(step.timeout_s, step.ok_exits, step.counts) for step in order.steps} == {(3.0, (0, 7), True)}


def test_with_steps_last_only_the_last_one_counts() -> None:
    (order,) = orders(TOOL + "instance a { steps last; run one: t; run two: t }")
    assert not order.all_steps
    assert [step.counts for step in order.steps] == [False, True]


def test_timeouts_cooldown_and_retry() -> None:
    text = "instance a { timeout d * 2; cooldown 5s; retry { attempts = 3; on = [setup, timeout]; backoff = 1s..1m }; run t }"
    (order,) = orders(TOOL + text)
    assert (order.timeout_s, order.cooldown_s) == (20.0, 5.0)
    assert order.retry is not None
    assert (order.retry.attempts, order.retry.on, order.retry.first_s, order.retry.last_s) == (
        3,
        ("setup", "timeout"),
        1.0,
        60.0,
    )
    (plain,) = orders(TOOL + "instance a { run t }")
    assert (plain.timeout_s, plain.retry) == (600.0, None)


def test_instants_are_drawn_in_whole_milliseconds_from_the_runs_key() -> None:
    text = "instance a { seeds 1..200; run t; fault process.kill { at = 1s..1.003s } }"
    found = [order.faults[0] for order in orders(TOOL + text)]
    assert {fault.at_s for fault in found} == {1.0, 1.001, 1.002, 1.003}
    assert found == [order.faults[0] for order in orders(TOOL + text)]
    assert found != [order.faults[0] for order in orders(TOOL + text, campaign_seed=8)]
    assert {fault.target for fault in found} == {"t"}


def test_faults_of_an_axis_are_in_their_cells_only() -> None:
    text = """
    instance a {
      run t
      sweep chaos = fault { kill: process.kill { at = 1s }; stop: process.stop { at = 2s; for = 1s }; none }
      expect fault.kill.recovered : "kill"
      expect fault.kill.recovered or fault.stop.recovered
      expect faults.recovered and chaos != "x"
    }
    """
    kill, stop, none = orders(TOOL + text)
    assert [fault.label for fault in kill.faults] == ["kill"]
    assert [(fault.label, fault.at_s, fault.for_s) for fault in stop.faults] == [("stop", 2.0, 1.0)]
    assert none.faults == ()
    assert [len(order.expectations) for order in (kill, stop, none)] == [2, 1, 1]


def test_served_tools_export_late_and_their_parameters_are_known() -> None:
    text = """
    tool server { command "server" "{port}"; param port: int = 6379 }
    tool client { command "client" "{srv.port}" "{slot.gpu}"; needs gpu = 1 }
    instance a { serve srv: server { port = 7000 }; run client }
    """
    (order,) = orders(text)
    assert order.services[0].argv == ("server", "7000")
    assert order.steps[0].argv == ("client", "7000", late("slot.gpu"))
    assert not order.services[0].probe


def test_expectations_travel_with_their_settings_put_in() -> None:
    text = """
    instance a {
      sweep n = [1, 2]
      run t
      expect output contains "n={n}" and exit.code == n and seed == 0 : "as many as {n}"
      expect not (output matches /err(or)?/)
    }
    """
    first, second = orders(TOOL + text)
    assert [pattern.id for pattern in first.patterns] == ["output contains n=1", "output matches err(or)?"]
    assert [(p.kind, p.text) for p in second.patterns] == [("contains", "n=2"), ("matches", "err(or)?")]
    assert [each.why for each in second.expectations] == ["as many as 2", None]

    def observed(name: str) -> Value:
        known: dict[str, Value] = {"output contains n=2": True, "exit.code": 2}
        if name not in known:
            raise Missing(name)
        return known[name]

    tree = msgspec.json.decode(second.expectations[0].tree, type=Expr)
    assert evaluate(tree, observed) is True
    assert second.expectations[0].place is not None
    assert second.expectations[0].place.startswith("specs/x.camp:")


def test_oracles_and_paths_relative_to_their_file() -> None:
    text = 'instance a { run t; oracle text.contains { text = "{s} {workdir}"; advisory = true; required = false; timeout 3s } }'
    (order,) = orders(TOOL + text)
    (oracle,) = order.oracles
    assert oracle.settings["text"] == f"x {WORK}"
    assert (oracle.required, oracle.advisory, oracle.timeout_s) == (False, True, 3.0)


def test_watches_ask_as_they_say_or_every_100_ms() -> None:
    text = """
    instance a {
      run t
      fault k: process.kill { at = 1s; sla = 5s }
      watch plain: text.contains { text = "{s} {workdir}" }
      watch own: text.contains { text = "x"; every = 5s; faults = [k]; advisory = true; required = false }
      watch quick: text.contains { text = "x"; every = 1ms; timeout 200ms }
    }
    """
    (order,) = orders(TOOL + text)
    plain, own, quick = order.watches
    assert (plain.every_s, plain.timeout_s, plain.faults, plain.settings["text"]) == (0.1, 1.0, None, f"x {WORK}")
    assert (own.every_s, own.timeout_s, own.faults, own.advisory, own.required) == (5.0, 5.0, ("k",), True, False)
    assert (quick.every_s, quick.timeout_s) == (0.001, 0.2)
    assert order.environment, "what programs that judge get"
    assert order_digest(order) != order_digest(msgspec.structs.replace(order, watches=(plain, own)))


def test_a_watch_is_given_what_is_known_only_then() -> None:
    text = 'instance a { needs gpu = 1; run t; watch command { argv = ["ping", "{slot.gpu}"] } }'
    assert orders(TOOL + text)[0].watches[0].settings["argv"] == ["ping", late("slot.gpu")]


@pytest.mark.parametrize("wrong", ["every = 100us", "timeout 100us"])
def test_a_watch_asks_a_thousand_times_a_second_at_most(wrong: str) -> None:
    with pytest.raises(CampaignError) as caught:
        orders(TOOL + f'instance a {{ run t; watch text.contains {{ text = "x"; {wrong} }} }}')
    assert [(each.code, each.span is not None) for each in caught.value.diagnostics] == [("CAMP112", True)]


def test_a_path_belongs_to_the_file_that_writes_it() -> None:
    tool = 'tool u { command "u" "{p}"; param p: path = "data/x" }\n'
    assert orders(tool + "instance a { run u }")[0].steps[0].argv[1] == "/home/me/specs/data/x"
    assert orders(tool + 'instance a { p = "../y"; run u }')[0].steps[0].argv[1] == "/home/me/y"
    assert orders(tool + "instance a { run u }", None, {"p": '"y"'})[0].steps[0].argv[1] == "/home/me/y"
    assert orders(tool + 'instance a { p = "{workdir}/y"; run u }')[0].steps[0].argv[1] == f"{WORK}/y"


def test_a_variable_that_is_not_set_is_a_setup_error() -> None:
    text = TOOL + 'instance a { s = "{env.NOT_SET}"; run t }'
    programs = [scenario.program for scenario in scenarios(text)]
    (problem,) = environment_problems(programs, {"PATH": "/bin"})
    assert (problem.code, problem.status) == ("CAMP180", 3)
    assert problem.span is not None
    assert problem.span.file == "specs/x.camp"
    assert environment_problems(programs, {"NOT_SET": ""}) == []
    with pytest.raises(CampaignError, match="CAMP180"):
        orders(text)


def test_a_value_that_slipped_through_is_refused_not_executed() -> None:
    text = 'tool u { command "u" "{n}"; param n: int = 1 in 1.. }\n'
    text += "instance a { sweep m = 1..10000; n = (m - 5000) * (m - 5000); run u }"
    runs = all_runs(text)
    assert render(runs[5000], 1, context()).steps[0].argv == ("u", "1")
    with pytest.raises(CampaignError, match="CAMP112"):
        render(runs[4999], 1, context())


def test_the_same_run_gives_the_same_order() -> None:
    (one,) = orders(TOOL + "instance a { run t }")
    (other,) = orders(TOOL + "instance a { run t }")
    assert one == other
    assert one.digest == order_digest(msgspec.structs.replace(one, digest=""))
    assert msgspec.json.decode(msgspec.json.encode(one), type=type(one)) == one


def test_a_plan_shows_what_an_attempt_decides_as_its_placeholder() -> None:
    text = 'tool u { command "u" "{workdir}/x" "{slot.gpu}" "{env.HOME}" "{n}"; param n: int = 1; needs gpu = 1 }\n'
    (run,) = all_runs(text + "instance a { run u { sweep n = [4] } }")
    (step,) = planned_steps(run, "x", 7)
    assert (step.label, step.tool) == ("u[1]", "u")
    assert step.argv == ("u", "{workdir}/x", "{slot.gpu}", "{env.HOME}", "4")


# --- holds --------------------------------------------------------------------------------------------------------

RAIL = 'rails.sysfs { path = "rails/v"; value = "{x}" }'


def test_holds_are_rendered_with_what_they_change() -> None:
    (order,) = orders(TOOL + f"instance a {{ x = 850; run t; hold vcore: {RAIL} }}")
    (hold,) = order.holds
    assert (hold.label, hold.fault, hold.target) == ("vcore", "rails.sysfs", None)
    assert hold.settings["path"] == "/home/me/specs/rails/v"
    assert hold.settings["value"] == "850"
    assert hold.resources == ("/home/me/specs/rails/v",)
    tampered = msgspec.structs.replace(hold, settings={**hold.settings, "value": "1250"})
    assert order_digest(msgspec.structs.replace(order, holds=(tampered,))) != order.digest


def test_two_holds_of_one_thing_are_refused() -> None:
    with pytest.raises(CampaignError) as raised:
        orders(TOOL + f"instance a {{ x = 850; run t; hold vcore: {RAIL}; hold {RAIL} }}")
    (found,) = raised.value.diagnostics
    assert found.code == "CAMP165"
    assert "the holds vcore and rails.sysfs both change" in found.summary


def test_two_spellings_of_a_rail_are_one_thing() -> None:
    rest = 'set = ["a"]; read = ["b"]; restore = ["c"]; value = "1"'
    both = "; ".join(
        f'hold {name}: rails.command {{ rail = "{rail}"; {rest} }}' for name, rail in (("a", "v-core"), ("b", "V_CORE"))
    )
    with pytest.raises(CampaignError) as raised:
        orders(TOOL + f"instance a {{ run t; {both} }}")
    assert [each.code for each in raised.value.diagnostics] == ["CAMP165"]


def test_an_inner_hold_replaces_the_outer_one_of_its_label() -> None:
    text = f'group g {{ x = 850; hold v: {RAIL}; instance a {{ run t; hold v: rails.sysfs {{ path = "w"; value = "1" }} }} }}'
    (order,) = orders(TOOL + text)
    assert [hold.settings["value"] for hold in order.holds] == ["1"]


def test_a_hold_is_for_the_tool_that_it_names() -> None:
    (order,) = orders(TOOL + "instance a { run t; run other: t; hold limits.rlimit { files = 64; target = other } }")
    assert order.holds[0].target == "other"
    assert order.holds[0].resources == ()


def test_the_output_is_searched_for_what_oracles_and_watches_look_for() -> None:
    text = """
    instance a {
      run t
      oracle text.contains { text = "panic"; absent = true }
      needs gpu = 1
      oracle late: text.contains { text = "{slot.gpu}" }
      oracle file: text.matches { pattern = "x"; file = "log" }
      watch text.matches { pattern = "^up"; among = "up|down" }
      expect not output contains "panic"
    }
    """
    (order,) = orders(TOOL + text)
    assert order.patterns == (pattern_order("contains", "panic"), pattern_order("matches", "^up", "up|down"))
    assert order.watches[0].searches == (order.patterns[1].id,)
