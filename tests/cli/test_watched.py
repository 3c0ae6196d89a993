"""What ``show`` tells of a run's faults and watches."""

from __future__ import annotations

from campaign.cli.watched import watched_text
from campaign.records import FaultView, RunView, Sample, WatchView

FAULT = FaultView(
    name="process.stop",
    label="stop",
    planned_at_s=1.0,
    injected_at_s=1.001,
    detected_at_s=1.25,
    recovered_at_s=2.5,
    sla_s=3.0,
    within_sla=True,
    target="db",
    notes="SIGSTOP to process",
)
SEEN = (Sample(0.1, True, "pong"), Sample(1.25, False, "no answer within 0.2 s"), Sample(2.5, True, "pong"))


def view(*, faults: tuple[FaultView, ...] = (), watches: tuple[WatchView, ...] = ()) -> RunView:
    return RunView(
        id="i",
        key="k#0",
        campaign="c",
        instance="k",
        cell="k",
        axes={},
        settings={},
        seed=0,
        tier=None,
        attempt=1,
        state="done",
        verdict="pass",
        reason=None,
        faults=faults,
        watches=watches,
    )


def watch(**rest: object) -> WatchView:
    return WatchView(name="srv.ping", label="ping", every_s=0.1, **rest)  # type: ignore[arg-type]


def test_a_run_without_either_says_nothing() -> None:
    assert watched_text(view()) == ""


def test_a_fault_that_nobody_watches_is_told_by_its_instant() -> None:
    head, _, row = watched_text(view(faults=(FAULT,))).splitlines()
    assert head.split() == ["fault", "model", "injected", "into", "notes"]
    assert "at 1.001 s" in row


def test_what_was_seen_is_told_in_the_order_of_time() -> None:
    ping = watch(ok=True, message="pong", samples=30, missed=2, changes=3, timeline=SEEN)
    said = watched_text(view(faults=(FAULT,), watches=(ping,)))
    assert "after 0.249 s" in said
    assert "after 1.499 s" in said
    assert "3 s, kept" in said
    told = [line.split("  ")[1].strip() for line in said.split("\n\n")[2].splitlines()[2:]]
    assert told == ["ping ok", "stop injected", "ping not ok", "stop detected", "ping ok", "stop recovered from"]


def test_a_watch_that_could_not_be_asked_and_one_that_was_not_there() -> None:
    blind, skipped = watch(error="its host died"), watch(skipped="no redis")
    said = watched_text(view(watches=(blind, skipped)))
    assert "cannot tell" in said
    assert "its host died" in said
    assert "skipped" in said
    assert "timeline" not in said


def test_a_long_timeline_is_cut_and_says_so() -> None:
    many = tuple(Sample(number / 10, number % 2 == 0) for number in range(50))
    said = watched_text(view(watches=(watch(ok=False, changes=4000, timeline=many),)))
    assert said.endswith("… and 3,960 more: watch/LABEL.ldjson")
