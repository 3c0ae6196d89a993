"""Orders and exits to judge: small ones that pass, changed by each test where it matters."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from campaign.language.syntax import Expr, Name
from campaign.records import Directories, Exit, ExpectOrder, Order, ProcessExit, StepExit, StepOrder


def make_order(**changes: Any) -> Order:
    base: dict[str, Any] = {
        "token": "tok-1",
        "epoch": 1,
        "campaign": "crash-20261120T100000Z-ab12",
        "campaign_name": "crash",
        "key": "crash.off.full#3",
        "id": "0123456789abcdef",
        "attempt": 1,
        "instance": "crash.{journal}.{sync}",
        "cell": "crash.off.full",
        "seed": 3,
        "directories": Directories(public="/r/a", private="/p/a", work="/r/a/work"),
        "timeout_s": 20.0,
        "steps": (StepOrder(label="writer", tool="sqlite.writer", argv=("writer", "--threads=4")),),
    }
    return Order(**{**base, **changes})


def make_step(code: int | None = 0, signal: int | None = None, timeout: bool = False, **changes: Any) -> StepExit:
    exited = ProcessExit(code=None if signal else code, signal=signal, timeout=timeout)
    base: dict[str, Any] = {"label": "writer", "tool": "sqlite.writer", "argv": ("writer",), "duration_s": 1.5}
    return StepExit(**{**base, "exit": exited, "ok": code == 0 and not signal and not timeout, **changes})


def make_exit(*steps: StepExit, **changes: Any) -> Exit:
    base: dict[str, Any] = {
        "token": "tok-1",
        "epoch": 1,
        "digest": "",
        "started_at": "2026-11-20T10:00:00Z",
        "finished_at": "2026-11-20T10:00:02Z",
        "duration_s": 2.0,
        "boot_id": "boot",
        "steps": steps or (make_step(),),
    }
    return Exit(**{**base, **changes})


def make_expect(tree: Expr | str, text: str | None = None, why: str | None = None) -> ExpectOrder:
    if isinstance(tree, str):
        text, tree = text or tree, Name(tuple(tree.split(".")))
    return ExpectOrder(text=text or "…", tree=msgspec.Raw(msgspec.json.encode(tree)), why=why)


@pytest.fixture
def order() -> Callable[..., Order]:
    return make_order


@pytest.fixture
def step() -> Callable[..., StepExit]:
    return make_step


@pytest.fixture
def ended() -> Callable[..., Exit]:
    return make_exit


@pytest.fixture
def expect() -> Callable[..., ExpectOrder]:
    return make_expect
