"""What a user names is read without waiting for it and without end."""

import os
import threading
from pathlib import Path

import pytest

from campaign.readable import open_regular, read_bounded


def test_a_regular_file_is_read_up_to_the_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_bounded(str(tmp_path / "file"), 100) == b"0123456789"
    assert read_bounded(str(tmp_path / "file"), 4) == b"0123"


def test_what_is_not_regular_is_neither_waited_for_nor_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (str(tmp_path / "fifo"), "/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match="no regular file"):
            open_regular(path)
    with pytest.raises(IsADirectoryError):
        open_regular(str(tmp_path))


def test_a_descriptor_that_was_handed_over_is_read() -> None:
    read, write = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(write, b"campaign"), os.close(write)))
    writer.start()
    assert read_bounded(f"/dev/fd/{read}", 100) == b"campaign"
    writer.join()
    os.close(read)
