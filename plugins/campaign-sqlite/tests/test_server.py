"""A real server and a real client, one of them killed or stopped in the middle."""

import signal
import subprocess
import sys
import time

import pytest

from campaign.plugins.api import Service
from campaign.plugins.parameters import defaults
from campaign.plugins.registry import Registry
from campaign_sqlite.integrity import inspect
from campaign_sqlite.ledger import acknowledgements, read_acknowledged


def _start(program, directory, *flags):
    argv = [sys.executable, "-P", "-m", f"campaign_sqlite.{program}", "--database=ledger.db", *flags]
    return subprocess.Popen(argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def server(tmp_path):
    """A server and its port, as its provider finds it."""
    registry = Registry()
    registry.use(["sqlite"])
    tool = registry.find("tool", "sqlite.server")
    with _start("server", tmp_path, "--rows=100") as process:
        service = Service(label="srv", settings=defaults(tool), workdir=str(tmp_path), pid=process.pid)
        for _ in range(3000):
            assert process.poll() is None, process.communicate()
            if exports := tool.ready(service):
                break
            time.sleep(0.01)
        yield process, exports["port"]
        process.kill()


def _wait_for_commits(directory):
    path = acknowledgements(directory / "ledger.db")
    for _ in range(3000):
        if path.exists() and path.read_bytes().count(b"\n") > 5:
            return
        time.sleep(0.01)
    pytest.fail("no commit within 30 seconds")


def test_a_server_that_is_not_there_yet_is_not_ready(tmp_path):
    registry = Registry()
    registry.use(["sqlite"])
    tool = registry.find("tool", "sqlite.server")
    assert tool.ready(Service(label="srv", settings=defaults(tool), workdir=str(tmp_path), pid=1)) is None


def test_answers_are_commits(server, tmp_path):
    with _start("client", tmp_path, f"--port={server[1]}", "--duration-s=0.5") as client:
        output, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    finding = inspect(tmp_path / "ledger.db")
    assert finding.wrong is None
    assert finding.committed == len(read_acknowledged(tmp_path / "ledger.db")) > 0
    assert output.splitlines()[-1].startswith(f"commits {finding.committed} slowest ")


def test_a_killed_server_keeps_what_it_answered(server, tmp_path):
    process, port = server
    with _start("client", tmp_path, f"--port={port}", "--duration-s=60") as client:
        _wait_for_commits(tmp_path)
        process.send_signal(signal.SIGKILL)
        output, _ = client.communicate(timeout=60)
    assert client.returncode == 0
    assert output.splitlines()[-1] == "the server is gone"
    assert inspect(tmp_path / "ledger.db").wrong is None


def test_a_stopped_server_makes_its_client_wait(server, tmp_path):
    process, port = server
    with _start("client", tmp_path, f"--port={port}", "--duration-s=60") as client:
        _wait_for_commits(tmp_path)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)  # what was under way ends; then that nothing is answered shows only with time
        before = len(read_acknowledged(tmp_path / "ledger.db"))
        time.sleep(0.3)
        assert len(read_acknowledged(tmp_path / "ledger.db")) <= before + 1  # an answer may have been under way
        process.send_signal(signal.SIGCONT)
        _wait_for_more(tmp_path, before + 5)
        client.kill()
    assert inspect(tmp_path / "ledger.db").wrong is None


def _wait_for_more(directory, count):
    for _ in range(3000):
        if len(read_acknowledged(directory / "ledger.db")) > count:
            return
        time.sleep(0.01)
    pytest.fail("the server did not go on within 30 seconds")


def test_no_server_is_one_line_and_exit_1(tmp_path):
    with _start("client", tmp_path, "--port=1") as client:
        _, errors = client.communicate(timeout=60)
    assert client.returncode == 1
    assert errors.startswith("sqlite client: no server at port 1: ")
    assert len(errors.splitlines()) == 1
