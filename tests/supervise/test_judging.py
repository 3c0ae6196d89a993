"""Oracles in their provider host: those that judge, and those that crash, hang or answer nonsense."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from campaign.judge.classify import decide
from campaign.proc import descendants, table
from campaign.records import MASK, FailureKind, OracleOrder, Verdict, late
from campaign.records.messages import Exited, Judge, Judged
from campaign.supervise.hostclient import host_environment

from .conftest import Desk, shell, step

pytestmark = pytest.mark.usefixtures("strangers")
PLUGINS = ("strangers",)
SIGNED = {"plugins": PLUGINS, "signed_by": PLUGINS}


@pytest.fixture
def desk(strangers: None, desk: Desk) -> Desk:
    return desk


def bad(how: str, **rest: object) -> OracleOrder:
    return OracleOrder("bad", "strangers.bad", settings={"how": how}, **rest)  # type: ignore[arg-type]


def test_an_oracle_judges_and_its_files_are_kept(desk: Desk) -> None:
    order = desk.order(shell("touch good"), oracles=(OracleOrder("g", "strangers.good"),), plugins=PLUGINS)
    (record,) = desk.judge(order)
    assert (record.ok, record.message, record.details, record.error) == (True, "good", {"n": 1}, None)
    assert record.paths == ("oracle/g.stdout", "oracle/g.stderr", "oracle/g.json")
    assert [desk.public(order, path).read_text() for path in record.paths[:2]] == ["out", ""]
    assert json.loads(desk.public(order, record.paths[2]).read_text())["ok"] is True


def test_an_oracle_that_is_not_content(desk: Desk) -> None:
    order = desk.order(step("true"), oracles=(OracleOrder("g", "strangers.good"),), **SIGNED)
    desk.carry_out(order)
    judged = desk.expect(Judged)
    assert (judged.oracles[0].ok, judged.oracles[0].message) == (False, "not good")
    assert judged.fingerprint == "signed: not good"


def test_a_failure_to_which_no_oracle_objects_is_signed_too(desk: Desk) -> None:
    desk.carry_out(desk.order(shell("exit 3"), **SIGNED))
    assert desk.expect(Judged).fingerprint == "signed: exit 3 of step a"
    order = desk.order(shell("touch good; kill -SEGV $$"), oracles=(OracleOrder("g", "strangers.good"),), **SIGNED)
    desk.carry_out(order)
    assert desk.expect(Judged).fingerprint == "signed: signal 11 (SIGSEGV) of step a"


def test_no_host_is_started_where_nothing_failed_or_nobody_knows_failures(desk: Desk) -> None:
    order = desk.order(step("true"), **SIGNED)
    desk.carry_out(order)
    assert desk.expect(Judged) == Judged(order.token, (), None)
    assert desk.run(shell("exit 3"), plugins=PLUGINS).steps[0].exit.code == 3
    assert not descendants(desk.handle.pid, table())


@pytest.mark.parametrize("how", ["raise", "exit", "crash", "hang", "number", "empty"])
def test_a_plugin_that_misbehaves_when_it_is_to_sign_costs_its_signature_only(desk: Desk, how: str) -> None:
    order = desk.order(step("true"), oracles=(bad(f"sign-{how}", timeout_s=3.0),), **SIGNED)
    desk.carry_out(order)
    judged = desk.expect(Judged)
    assert (judged.oracles[0].ok, judged.oracles[0].message) == (False, f"sign-{how}")
    assert judged.fingerprint is None
    assert desk.run(step("true")).steps[0].ok, "the supervisor goes on"


@pytest.mark.parametrize("how", ["flood", "half"])
def test_a_signature_is_short_and_can_be_written(desk: Desk, how: str) -> None:
    desk.carry_out(desk.order(step("true"), oracles=(bad(f"sign-{how}"),), **SIGNED))
    signature = desk.expect(Judged).fingerprint
    assert signature is not None
    assert 0 < len(signature) < 5000


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("raise", "RuntimeError: no idea"),
        ("unable", "the moon is in the wrong phase"),
        ("exit", "SystemExit: 0"),
        ("crash", "ended (signal 6) before it answered"),
        ("none", "answered NoneType, not a Judgement"),
        ("types", "answered a Judgement that cannot be read"),
        ("unserializable", "answered a Judgement that cannot be read"),
    ],
)
def test_an_oracle_that_misbehaves_is_an_error_and_the_others_are_asked(desk: Desk, how: str, why: str) -> None:
    oracles = (bad(how), OracleOrder("g", "strangers.good"))
    order = desk.order(shell("touch good"), oracles=oracles, plugins=PLUGINS)
    first, second = desk.judge(order)
    assert first.ok is None
    assert why in (first.error or "")
    assert second.ok is True
    assert desk.public(order, "oracle/bad.stdout").read_text() == ""


def test_an_oracle_that_hangs_is_killed_with_what_it_started(desk: Desk) -> None:
    order = desk.order(step("true"), oracles=(bad("hang", timeout_s=0.7), bad("fine")), plugins=PLUGINS)
    first, second = desk.judge(order)
    assert "no answer within 0.7 s" in (first.error or "")
    assert second.ok is True
    assert desk.run(step("true")).tree_empty
    assert len(_below(desk.handle.pid)) <= 1, "only the provider host may be there"


@pytest.mark.parametrize("how", ["leave", "leave-and-hang"])
def test_what_an_oracle_leaves_behind_ends_with_the_judging(desk: Desk, how: str) -> None:
    order = desk.order(step("true"), oracles=(bad(how, timeout_s=0.7 if how != "leave" else None),), plugins=PLUGINS)
    found = desk.carry_out(order)
    for again in (False, True):
        if again:
            desk.send(Judge(order, found))
        (record,) = desk.expect(Judged).oracles
        assert record.ok is (True if how == "leave" else None)
        left = {Path(f"/proc/{each.pid}/comm").read_text() for each in descendants(desk.handle.pid, table())}
        assert "sleep\n" not in left


def test_what_an_oracle_prints_disturbs_nothing(desk: Desk) -> None:
    order = desk.order(step("true"), oracles=(bad("stdout"), bad("flood")), plugins=PLUGINS)
    first, second = desk.judge(order)
    assert first.ok is True
    assert second.ok is False
    assert desk.public(order, "oracle/bad.stdout").stat().st_size < 2 << 20


def test_an_oracle_nobody_provides(desk: Desk) -> None:
    oracles = (
        OracleOrder("a", "strangers.nothing"),
        OracleOrder("b", "strangers.nothing", required=False),
        OracleOrder("c", "strangers.missing", required=False),
    )
    order = desk.order(step("true"), oracles=oracles, plugins=PLUGINS)
    first, second, third = desk.judge(order)
    assert first.error == "no plugin provides the oracle strangers.nothing"
    assert second.skipped == "no plugin provides strangers.nothing"
    assert "install the moon" in (third.skipped or "")


def test_a_plugin_that_is_not_there(desk: Desk) -> None:
    order = desk.order(step("true"), oracles=(bad("fine"),), plugins=("nobody",))
    (record,) = desk.judge(order)
    assert "plugin nobody is not installed" in (record.error or "")


def test_oracles_are_not_asked_about_what_never_ran(desk: Desk) -> None:
    order = desk.order(step("/no/such"), oracles=(bad("fine"),), plugins=PLUGINS)
    (record,) = desk.judge(order)
    assert "not asked" in (record.error or "")


def test_halt_ends_the_judging(desk: Desk) -> None:
    order = desk.order(step("true"), oracles=(bad("hang"), bad("fine")), plugins=PLUGINS)
    desk.start(order)
    desk.expect(Exited)
    desk.halt(order)
    assert [each.error for each in desk.expect(Judged).oracles] == ["not asked: cancel", "not asked: cancel"]


def test_an_exit_record_that_is_already_there_is_judged(desk: Desk) -> None:
    order = desk.order(shell("touch good"), oracles=(OracleOrder("g", "strangers.good"),), plugins=PLUGINS)
    exit = desk.carry_out(order)
    desk.expect(Judged)
    os.unlink(Path(order.directories.work, "good"))
    desk.send(Judge(order, exit))
    assert desk.expect(Judged).oracles[0].ok is False


@pytest.mark.parametrize(
    ("gone", "why"),
    [("", "its folder is gone"), ("work", "its work/ is gone"), ("output.log", "its output.log is gone")],
)
def test_where_the_evidence_is_gone_nothing_is_judged_and_nothing_made_anew(desk: Desk, gone: str, why: str) -> None:
    absent = OracleOrder("a", "file.exists", settings={"path": "core", "absent": True})
    order = desk.order(shell("echo hello; touch core"), oracles=(absent,))
    exit = desk.carry_out(order)
    assert desk.expect(Judged).oracles[0].ok is False
    there = desk.public(order, gone)
    there.unlink() if there.is_file() else shutil.rmtree(there)
    desk.send(Judge(order, exit))
    (record,) = desk.expect(Judged).oracles
    assert record.ok is None
    assert why in (record.error or "")
    assert not there.exists()


def test_evidence_of_another_boot_is_not_judged_for_it_was_not_synced(desk: Desk) -> None:
    order = desk.order(shell("touch good"), oracles=(OracleOrder("g", "strangers.good"),), plugins=PLUGINS)
    exit = replace(desk.carry_out(order), boot_id="the one before")
    desk.expect(Judged)
    desk.send(Judge(order, exit))
    (record,) = desk.expect(Judged).oracles
    assert (record.ok, "the machine was started anew" in (record.error or "")) == (None, True)
    decision = decide(order, exit, (record,))
    assert (decision.verdict, decision.failure and decision.failure.kind) == (Verdict.ERROR, FailureKind.ORACLE)


def test_no_secret_is_kept_of_what_an_oracle_says(desk: Desk) -> None:
    env = {"HIDDEN": "hunter2-hidden"}
    order = desk.order(step("true"), oracles=(bad("tell"),), plugins=PLUGINS, environment=env, masked=("HIDDEN",))
    (record,) = desk.judge(order)
    assert (record.message, list(record.details)) == ("***", ["***"])
    assert "hunter2" not in desk.public(order, "oracle/bad.json").read_text()


def test_the_provider_host_does_not_inherit_what_a_caller_has_set(strangers: None, tmp_path: Path) -> None:
    os.environ["AWS_CREDENTIALS"] = "callers"
    try:
        found = host_environment(os.environ)
    finally:
        del os.environ["AWS_CREDENTIALS"]
    assert "AWS_CREDENTIALS" not in found
    assert found["PYTHONPATH"] == os.environ["PYTHONPATH"]


def test_late_values_reach_an_oracle_also_when_it_is_asked_again(desk: Desk) -> None:
    order = desk.order(
        step("true"),
        oracles=(OracleOrder("e", "command", settings={"argv": ["/bin/sh", "-c", f"echo $S {late('slot.gpu')}"]}),),
        environment={"S": late("slot.gpu")},
        needs={"gpu": 2},
        granted={"gpu": (0, 1)},
    )
    exit = desk.carry_out(order)
    assert desk.expect(Judged).oracles[0].ok
    assert desk.public(order, "oracle/e.stdout").read_text() == "0,1 0,1\n"
    assert exit.late == {"slot.gpu": "0,1"}
    desk.send(Judge(order, exit))
    assert desk.expect(Judged).oracles[0].ok
    assert desk.public(order, "oracle/e.stdout").read_text() == "0,1 0,1\n"


def test_a_late_value_that_nobody_exports_is_an_error_and_the_others_are_asked(desk: Desk) -> None:
    oracles = (bad(late("srv.port")), OracleOrder("g", "strangers.good"))
    order = desk.order(shell("touch good"), oracles=oracles, plugins=PLUGINS)
    first, second = desk.judge(order)
    assert first.error == "srv.port is not known: no served tool exported it"
    assert second.ok is True


def test_a_secret_late_value_is_not_there_when_it_is_asked_again(desk: Desk) -> None:
    order = desk.order(step("true"), oracles=(bad(late("srv.token")),), plugins=PLUGINS)
    exit = replace(desk.carry_out(order), late={"srv.token": MASK})
    desk.expect(Judged)
    desk.send(Judge(order, exit))
    why = "srv.token is not known: it is secret and was not kept, so nobody can be asked again"
    assert desk.expect(Judged).oracles[0].error == why


def _below(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
