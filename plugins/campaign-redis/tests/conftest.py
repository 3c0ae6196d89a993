"""Real servers, killed and hung for real."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from campaign_redis import configuration, health
from campaign_redis.configuration import PID_FILE, PROGRAM
from campaign_redis.consistency import inspect
from campaign_redis.health import State
from campaign_redis.resp import Connection
from campaign_redis.watchdog import kill_what_is_left

PATIENCE_S = 30


@pytest.fixture(scope="session")
def redis():
    """The program, where this machine has it."""
    program = shutil.which(PROGRAM)
    if program is None:
        pytest.skip("no redis-server here: apt-get install redis-server redis-tools")
    return program


class Lab:
    """A folder with a server and its client, watchdog and oracle, each started as campaign starts it."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.program = folder, program
        self.directory, self.history = folder / "redis", folder / "redis.history"
        self.processes: list[subprocess.Popen] = []
        self.port = 0

    def start(self, module: str, *flags: str) -> subprocess.Popen:
        argv = [sys.executable, "-P", "-m", f"campaign_redis.{module}", *flags]
        process = subprocess.Popen(argv, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def serve(self, *flags: str) -> subprocess.Popen:
        server = self.start("server", f"--directory={self.directory}", *flags)
        self.wait_until(lambda: server.poll() is not None or self.state() is State.WELL)
        assert server.poll() is None, server.communicate()
        return server

    def state(self) -> State:
        try:
            self.port = configuration.read(self.directory).port
        except FileNotFoundError:
            return State.DOWN
        return health.ask(self.port, 0.2).state

    def pid(self) -> int:
        return int((self.directory / PID_FILE).read_text())

    def workload(self, *flags: str) -> subprocess.Popen:
        return self.start("workload", f"--port={self.port}", f"--history={self.history}", "--seed=7", *flags)

    def write(self, *flags: str) -> str:
        process = self.workload(*flags)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return output

    def acknowledged(self) -> int:
        return self.history.read_bytes().count(b"\nack ") if self.history.exists() else 0

    def watchdog(self, *flags: str) -> subprocess.Popen:
        return self.start("watchdog", f"--port={self.port}", f"--directory={self.directory}", *flags)

    def inspect(self, everything: bool = False):
        return inspect(self.directory, self.history, self.program, dict(os.environ), everything)

    def wait_until(self, condition) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until_s, "it did not come about within 30 seconds"
            time.sleep(0.01)

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        kill_what_is_left(self.directory)  # what a watchdog has started, which holds its output open
        for process in self.processes:
            process.stdout.close()
            process.stderr.close()


@pytest.fixture
def lab(tmp_path, redis):
    lab = Lab(tmp_path, redis)
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def appended(tmp_path_factory, redis) -> Lab:
    """What is left of a killed server: an append-only file, synced before each acknowledgement."""
    lab = Lab(tmp_path_factory.mktemp("appended"), redis)
    try:
        lab.serve("--appendfsync=always")
        lab.write("--duration-s=0.5", "--rate=400", "--threads=2")
    finally:
        lab.close()
    return lab


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory, redis) -> Lab:
    """The same with a snapshot, and writes that came after it."""
    lab = Lab(tmp_path_factory.mktemp("snapshot"), redis)
    try:
        lab.serve("--appendonly=false")
        lab.workload("--duration-s=60", "--rate=400", "--threads=2")
        lab.wait_until(lambda: lab.acknowledged() > 50 and b"\nmark 2 " in lab.history.read_bytes())
        with Connection(lab.port, 5) as connection:
            connection.ask("BGSAVE")
        lab.wait_until(lambda: b"\nsaved " in lab.history.read_bytes())
    finally:
        lab.close()
    return lab


@pytest.fixture
def copy_of(tmp_path):
    """A folder that may be damaged, with its history."""

    def copy(lab: Lab, name: str = "copy") -> Lab:
        shutil.copytree(lab.folder, tmp_path / name)
        return Lab(tmp_path / name, lab.program)

    return copy
