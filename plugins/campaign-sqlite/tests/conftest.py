"""Real writers, killed for real."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from campaign_sqlite.ledger import acknowledgements


class Killer:
    """Starts writers on one database and kills them."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._directory = database.parent

    def fresh_database(self, name: str) -> None:
        self.database = self._directory / name / "ledger.db"
        self.database.parent.mkdir()

    def start(self, *flags: str) -> subprocess.Popen:
        argv = [sys.executable, "-P", "-m", "campaign_sqlite.writer", f"--database={self.database}", *flags]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill(self, delay_s: float, *flags: str) -> None:
        """Kill a writer ``delay_s`` after its first acknowledged commit."""
        with self.start("--duration-s=60", *flags) as writer:
            self.wait_for_commit(writer)
            time.sleep(delay_s)
            assert writer.poll() is None, "the writer ended by itself"
            writer.send_signal(signal.SIGKILL)

    def wait_for_commit(self, writer: subprocess.Popen) -> None:
        acks = acknowledgements(self.database)
        for _ in range(3000):
            if acks.exists() and acks.stat().st_size:
                return
            assert writer.poll() is None, writer.communicate()
            time.sleep(0.01)
        writer.kill()
        pytest.fail("the writer committed nothing within 30 seconds")


@pytest.fixture
def killer(tmp_path):
    return Killer(tmp_path / "ledger.db")
