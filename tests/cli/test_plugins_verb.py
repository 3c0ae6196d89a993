"""``campaign plugins`` and ``campaign doctor``, as processes, with strangers' packages on the path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from campaign.cli import health
from campaign.cli.health import State
from campaign.plugins.registry import Registry


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for packages, to be put on the path of a campaign process."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def install(site: Path, plugin: str, source: str, name: str) -> None:
    (site / f"stranger_{plugin}.py").write_text(source)
    info = site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[campaign.plugins]\n{plugin} = stranger_{plugin}\n")


LACKING = """
from campaign.plugins.api import *

api = 1

class Telemetry(Oracle):
    name = "telemetry"
    about = "the rail stayed within its limits"

    def available(self):
        return "there is no /dev/i2c-1; load the module i2c-dev"

    def judge(self, evidence, settings):
        return Judgement(ok=True)

@hookimpl
def campaign_oracles():
    return [Telemetry()]
"""


def test_every_plugin_with_its_package_and_what_it_provides(campaign, site) -> None:
    install(site, "boards", LACKING, "campaign-boards")
    ended = campaign("plugins", env={"PYTHONPATH": str(site)})
    assert ended.returncode == 0, ended.stderr
    line = next(line for line in ended.stdout.splitlines() if line.startswith("boards "))
    assert line.split(maxsplit=5) == [
        "boards", "campaign-boards", "1.2", "oracle", "boards.telemetry", "the rail stayed within its limits"
    ]  # fmt: skip
    assert "process.kill" in ended.stdout


def test_as_json(campaign, site) -> None:
    install(site, "boards", LACKING, "campaign-boards")
    ended = campaign("plugins", "--format", "json", env={"PYTHONPATH": str(site)})
    found = {each["plugin"]: each for each in json.loads(ended.stdout)}
    assert found["boards"]["use"]
    assert not found["process"]["use"]
    assert found["boards"]["origins"][0] == {
        "plugin": "boards", "target": "stranger_boards", "distribution": "campaign-boards", "version": "1.2"
    }  # fmt: skip
    assert found["boards"]["provides"][0]["name"] == "boards.telemetry"
    assert found["boards"]["problems"] == []


CHATTY = """
import sys

print("chat: import")

from campaign.plugins.api import *

api = 1

class Talker(Tool):
    name = "talker"
    about = "a tool whose plugin prints all the time"

    def command(self, step):
        print("chat: command")
        return Command(argv=(sys.executable, "-c", ""))

class Tell(Reporter):
    name = "tell"
    about = "a report whose plugin prints beside it"
    filename = "tell.txt"

    def report(self, summary, runs, write):
        print("chat: report")
        write("told\\n")

@hookimpl
def campaign_tools():
    print("chat: hook")
    return [Talker()]

@hookimpl
def campaign_reporters():
    return [Tell()]
"""
CHATTY_SPEC = 'use chatty\ncampaign "c" { }\ninstance i { run chatty.talker }\n'


@pytest.mark.parametrize(
    ("command", "chats"),
    [
        ("check a.camp --format json", {"import", "hook"}),
        ("plugins --format json", {"import", "hook"}),
        ("doctor --format json", {"import", "hook"}),
        ("plan a.camp --list --format json", {"import", "hook", "command"}),
        ("explain a.camp i#0 --format json", {"import", "hook", "command"}),
        ("exec a.camp --report chatty.tell --format json", {"import", "hook", "command", "report"}),
    ],
)
def test_what_a_plugin_prints_is_no_result(campaign, site, tmp_path, command: str, chats: set[str]) -> None:
    install(site, "chatty", CHATTY, "campaign-chatty")
    (tmp_path / "a.camp").write_text(CHATTY_SPEC)
    ended = campaign(*command.split(), env={"PYTHONPATH": str(site)})
    assert json.loads(ended.stdout), ended.stderr
    assert {line.removeprefix("chat: ") for line in ended.stderr.splitlines() if line.startswith("chat: ")} == chats


RAISING = """
from campaign.plugins.api import *

api = 1

class Boom(Reporter):
    name = "boom"
    about = "a report that is never written"
    filename = "boom.txt"

    def report(self, summary, runs, write):
        write("half a report")
        raise SystemExit("no\\nroom")

@hookimpl
def campaign_reporters():
    return [Boom()]
"""


def test_a_reporter_that_raises_costs_its_report_alone(campaign, site, tmp_path) -> None:
    install(site, "loud", RAISING, "campaign-loud")
    (tmp_path / "a.camp").write_text(
        'use loud\ncampaign "c" { }\nreport csv { }\ntool no { command "/bin/false" }\ninstance i { run no }\n'
    )
    ended = campaign("exec", "a.camp", "--report", "loud.boom", "--report", "csv", env={"PYTHONPATH": str(site)})
    told = "[CAMP592]: the report boom cannot be written: plugin loud (campaign-loud 1.2) raises SystemExit: no room"
    assert (ended.returncode, f"warning{told}" in ended.stderr) == (1, True), ended.stderr
    assert "evidence: " in ended.stdout
    (run_root,) = (tmp_path / ".campaign" / "runs").iterdir()
    assert (run_root / "runs.csv").is_file()
    assert not list(run_root.glob("boom.txt*"))
    alone = campaign("report", "--as", "loud.boom", env={"PYTHONPATH": str(site)})
    assert (alone.returncode, f"error{told}" in alone.stderr) == (3, True), alone.stderr


def test_a_report_on_standard_output_holds_what_the_plugin_wrote_and_not_what_it_printed(
    campaign, site, tmp_path
) -> None:
    install(site, "chatty", CHATTY, "campaign-chatty")
    (tmp_path / "a.camp").write_text(CHATTY_SPEC)
    assert campaign("exec", "a.camp", env={"PYTHONPATH": str(site)}).returncode == 0
    ended = campaign("report", "--as", "chatty.tell", "-o", "-", env={"PYTHONPATH": str(site)})
    assert (ended.stdout, ended.returncode) == ("told\n", 0)


def test_a_broken_plugin_is_shown_with_its_diagnostic_and_status_3(campaign, site) -> None:
    install(site, "boards", "import smbus2000", "campaign-boards")
    ended = campaign("plugins", env={"PYTHONPATH": str(site)})
    assert ended.returncode == 3
    assert "error[CAMP401]: plugin boards (campaign-boards 1.2) cannot be imported: ModuleNotFoundError" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "process.kill" in ended.stdout  # the others are shown all the same
    line = next(line for line in ended.stdout.splitlines() if line.startswith("boards "))
    assert line.split() == ["boards", "campaign-boards", "1.2", "broken", "CAMP401"]


def test_a_plugin_cannot_play_tricks_on_the_terminal(campaign, site) -> None:
    install(site, "boards", LACKING.replace("the rail stayed", "\\x1b[2Jthe rail stayed"), "campaign-boards")
    ended = campaign("plugins", env={"PYTHONPATH": str(site)})
    assert "\x1b" not in ended.stdout
    assert "\\u{1b}[2Jthe rail stayed" in ended.stdout


def test_doctor_is_content_with_this_machine_or_says_what_is_missing(campaign) -> None:
    ended = campaign("doctor", "--format", "json")
    found = {each["what"]: each for each in json.loads(ended.stdout)}
    assert {"python", "sqlite", "proc", "pidfd", "workspace", "cgroup v2", "inotify", "plugin process"} <= found.keys()
    missing = [each for each in found.values() if each["state"] == "missing"]
    assert ended.returncode == (3 if missing else 0)
    assert found["python"]["state"] == "ok"
    assert found["plugin process"]["found"].startswith("campaign-engine ")


def truncated(ledger: Path) -> None:
    ledger.write_bytes(ledger.read_bytes()[:5000])


def zeros(ledger: Path) -> None:
    ledger.write_bytes(bytes(ledger.stat().st_size))


def empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


def garbage(ledger: Path) -> None:
    ledger.write_bytes(b"no database at all\n" * 1000)


def inside(ledger: Path) -> None:
    """Its first page is well, another one is not."""
    data = bytearray(ledger.read_bytes())
    data[8192:12288] = b"\xa5" * 4096
    ledger.write_bytes(data)


def folder(ledger: Path) -> None:
    ledger.unlink()
    ledger.mkdir()


def vanished(ledger: Path) -> None:
    ledger.unlink()


@pytest.mark.parametrize("damage", [truncated, zeros, empty, garbage, inside, folder, vanished])
def test_doctor_names_a_broken_ledger_and_leaves_it_as_it_is(campaign, recorded, tmp_path, damage) -> None:
    recorded([(f"c{number}", 0, ["pass"]) for number in range(30)])
    workspace = tmp_path / ".campaign"
    (workspace / "daemon.lock").write_text("4711 ledger\n")
    well = json.loads(campaign("doctor", "--format", "json").stdout)
    damage(workspace / "ledger.sqlite")
    before = {path.name: path.read_bytes() for path in workspace.glob("ledger*") if path.is_file()}
    ended = campaign("doctor", "--format", "json")
    after = {path.name: path.read_bytes() for path in workspace.glob("ledger*") if path.is_file()}
    broken = {each["what"]: each for each in json.loads(ended.stdout)}["ledger"]
    assert [each["state"] for each in well if each["what"] == "ledger"] == ["ok"]
    assert (ended.returncode, broken["state"]) == (3, "broken"), broken
    assert str(workspace / "ledger.sqlite") in broken["found"]
    assert after == before


def test_doctor_asks_every_provider(campaign, site) -> None:
    install(site, "boards", LACKING, "campaign-boards")
    ended = campaign("doctor", env={"PYTHONPATH": str(site)})
    assert ended.returncode == 3
    said = "oracle boards.telemetry cannot be used here: there is no /dev/i2c-1; load the module i2c-dev"
    assert said in ended.stdout


def test_doctor_does_not_wait_for_what_hangs(site, monkeypatch) -> None:
    hanging = LACKING.replace('return "there is no /dev/i2c-1; load the module i2c-dev"', "threading.Event().wait()")
    assert hanging != LACKING
    install(site, "sensors", "import threading\n" + hanging, "campaign-sensors")
    monkeypatch.syspath_prepend(site)

    class Few(Registry):
        def installed(self):
            return [each for each in super().installed() if each.name == "sensors"]

    (found,) = health.plugins(Few(), deadline_s=0.2)
    assert (found.what, found.state) == ("plugin sensors", State.MISSING)
    assert "oracle sensors.telemetry cannot be used here: whether it can did not come out within 0.2 s" in found.found


# --- the questions, one by one ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 6, 23), State.OK), ((3, 7, 0), State.NOTE), ((3, 51, 2), State.NOTE), ((3, 51, 3), State.OK)],
)
def test_sqlite_with_the_bug_is_noted(version, state) -> None:
    assert health.sqlite(version).state is state


def test_an_old_python_is_missing() -> None:
    assert health.python((3, 10, 9)).state is State.MISSING
    assert health.python((3, 11, 0)).state is State.OK


def test_a_workspace_on_a_network_file_system_is_refused(tmp_path) -> None:
    mounts = f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {tmp_path} rw - nfs4 server:/x rw\n"
    found = health.workspace(str(tmp_path / "not" / "there"), mounts)
    assert found.state is State.MISSING
    assert "nfs4" in found.found
    assert health.workspace(str(tmp_path), mounts.splitlines()[0]).state is not State.MISSING


def test_what_is_not_there_is_a_note_or_missing(tmp_path) -> None:
    assert health.cgroup(str(tmp_path)).state is State.NOTE
    assert health.inotify(str(tmp_path / "none")).state is State.NOTE
    assert health.proc(str(tmp_path)).state is State.MISSING
    assert health.open_files(64).state is State.NOTE
    assert health.open_files(1024).state is State.OK


def test_a_kernel_without_pidfd_is_missing_something(monkeypatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("os.pidfd_open", refuse)
    assert health.pidfd().state is State.MISSING


def test_a_broken_plugin_is_missing_something(site, monkeypatch) -> None:
    install(site, "boards", "import smbus2000", "campaign-boards")
    monkeypatch.syspath_prepend(site)
    found = {each.what: each for each in health.plugins(Registry())}
    assert found["plugin boards"].state is State.MISSING
    assert found["plugin process"].state is State.OK
