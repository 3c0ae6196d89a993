"""The oracle ``file.exists``."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaign.plugins.api import UnableError
from campaign_standard.file import Exists

from .evidence import evidence, judge


def test_exists(tmp_path: Path) -> None:
    seen = evidence(tmp_path)
    Path(seen.work, "there").touch()
    Path(seen.work, "broken").symlink_to("nowhere")
    assert judge(Exists(), seen, path="there").ok
    assert judge(Exists(), seen, path=".").ok
    assert judge(Exists(), seen, path="/").ok
    assert judge(Exists(), seen, path="broken").message == "broken does not exist"
    assert not judge(Exists(), seen, path="gone").ok
    assert judge(Exists(), seen, path="gone", absent=True).ok
    assert not judge(Exists(), seen, path="there", absent=True).ok


def test_a_link_out_of_the_working_directory_proves_nothing(tmp_path: Path) -> None:
    seen = evidence(tmp_path)
    Path(seen.work, "link").symlink_to("/etc/passwd")
    with pytest.raises(UnableError, match="leads out of the working directory"):
        judge(Exists(), seen, path="link")


def test_what_may_not_be_looked_at_is_not_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    seen = evidence(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("campaign_standard.file.os.stat", refused)
        with pytest.raises(UnableError, match="whether gone exists cannot be told: Permission denied"):
            judge(Exists(), seen, path="gone", absent=True)
    assert judge(Exists(), seen, path="x" * 300, absent=True).ok
