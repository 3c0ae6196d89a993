"""The page: whole, offline, strict about what it runs, and harmless whatever a campaign holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from campaign.analysis.overview import overview_of
from campaign.ledger.rows import CampaignRow, Glance
from campaign.plugins.api import UnableError
from campaign.plugins.results import Overview, Results, Target
from campaign.records import Environment, HostRecord, PlanSkip, PlanTool, PlanView, Remark, UniqueFailure
from campaign.records.plan import PlanFile
from campaign_standard.html import HtmlReporter

HOSTILE = "</script></style><script>document.title='owned'</script><img src=x onerror=alert(1)>'\"{{7*7}}{% x %}&\x1b]0;\x07\u202e\0\ud800"
START = "2026-11-20T10:00:00.000Z"


def glances(count: int, text: str = "") -> list[Glance]:
    return [
        Glance(
            key=f"m{text}[v={n % 5},f={n // 5 % 4}]#{n}",
            attempt=1,
            cause="plan",
            instance=f"m{text}",
            cell=f"m[v={n % 5},f={n // 5 % 4}]",
            seed=n,
            directory=f"/runs/c/m{text}/seed-{n}/attempt-1",
            verdict="fail" if n % 5 < n // 5 % 4 else "pass",
            reason=text,
            fingerprint=None,
            started_at=START,
            finished_at="2026-11-20T10:00:02.000Z",
            duration_s=1 + n % 7,
            decides=True,
            axes={f"v{text}": n % 5, f"f{text}": n // 5 % 4, f"load{text}": f"a{text}"},
            granted={f"gpu{text}": (0,)},
            metrics={f"ops{text}": str(n)},
        )
        for n in range(count)
    ]


@pytest.fixture
def page(summed: Any) -> Callable[..., str]:
    row = CampaignRow(
        id="c", name="c", spec="/c.camp", run_root="/runs/c", plan_hash="0", seed=1, parallel=2, created_at=START
    )

    def render(count: int = 40, text: str = "", beside: bool = False, settings: Any = None, **changes: Any) -> str:
        found = glances(count, text)
        overview: Callable[[Any], Overview] = lambda choice: overview_of(row, found, choice, START)  # noqa: E731
        results = Results(
            **{
                "summary": summed(**changes.pop("summary", {})),
                "at": "2026-11-20T10:00:09Z",
                "folder": f"/runs/c{text}",
                "target": Target(file="report.html", beside=beside),
                "runs": lambda: iter(()),
                "overview": overview,
                "shmoo": lambda _: None,
                "excerpt": lambda _: f"last words{text}\n",
                **changes,
            }
        )
        pieces: list[str] = []
        HtmlReporter().render(results, settings or {}, lambda piece: pieces.append(str(piece)))
        return "".join(pieces)

    return render


class Tags(HTMLParser):
    """The elements of a page as a browser would see them, and that each is closed where it should be."""

    void = frozenset(("meta", "input", "br", "img", "link"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_part_is_there_and_well_formed(page: Any) -> None:
    text = page()
    tags = Tags(text)
    ids = {attrs["id"] for tag, attrs in tags.seen if tag == "section"}
    assert ids == {
        *("verdict", "failures", "shmoo", "matrix", "timeline", "distributions", "runs", "host", "provenance"),
    }
    assert "last words" in text
    assert text.count('class="run"') == 40
    assert "host.json</code> is not in the campaign" in text


def test_the_page_loads_nothing_and_its_policy_allows_only_its_own(page: Any) -> None:
    text = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    style, script = (re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("style", "script"))
    assert style is not None
    assert script is not None
    for name, found in (("style", style), ("script", script)):
        digest = b64encode(sha256(found[1].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r"https?://|url\(|@import|\ssrc=|\sstyle=|\son\w+=", text)


def test_numbers_of_host_and_provenance(page: Any) -> None:
    host = HostRecord(
        id="h", boot_id="b", hostname="lab-7", system="Linux", release="6.18", architecture="x86_64",
        memory_bytes=24 * 2**30, python="3.11", campaign="0.1", cpu_model="EPYC", missing={"gpus": "no driver"},
    )  # fmt: skip
    plan = PlanView(
        campaign="c", name="c", spec="/specs/c.camp", plan_hash="0", seed=1, created_at=START,
        files=(PlanFile(path="/specs/c.camp", digest="abcd"),),
    )  # fmt: skip
    tools = (PlanTool(tool="t", path="/bin/t", digest="ef01"),)
    text = page(host=host, plan=plan, summary={"environment": Environment(campaign="0.1.0", tools=tools)})
    for words in ("lab-7", "24.0 GiB", "EPYC", "no driver", "/specs/c.camp", "abcd", "ef01", "0.1.0"):
        assert words in text, words


def test_links_lead_to_evidence_only_from_the_campaigns_folder(page: Any) -> None:
    hrefs = [attrs["href"] for tag, attrs in Tags(page(beside=True)).seen if tag == "a"]
    assert "./m/seed-0/attempt-1" in hrefs
    assert all(str(href).startswith(("#", "./")) for href in hrefs)
    assert all(str(attrs["href"]).startswith("#") for tag, attrs in Tags(page()).seen if tag == "a")


def test_a_campaign_that_has_just_begun(page: Any) -> None:
    text = page(
        0,
        summary={
            "failures": (),
            "verdicts": {},
            "instances": (),
            "total": 5,
            "win_rate": None,
            "finished_at": None,
            "state": "running",
        },
    )
    Tags(text)
    assert "No run has been decided yet." in text
    assert "<b>5</b> to come" in text


def test_hostile_text_is_only_text(page: Any) -> None:
    failure = UniqueFailure(
        fingerprint=HOSTILE,
        kind=HOSTILE,
        message=HOSTILE,
        count=1,
        first=HOSTILE,
        evidence="../../etc",
        classification=HOSTILE,
    )
    changes = {
        "name": HOSTILE,
        "failures": (failure,),
        "next_steps": (HOSTILE,),
        "reasons": {HOSTILE: 1},
        "plan_hash": HOSTILE,
        "remarks": (Remark(at=HOSTILE, text=HOSTILE, key=HOSTILE),),
        "skipped": (
            PlanSkip(instance=HOSTILE, cells=HOSTILE, why=HOSTILE, issue=HOSTILE, rule_set=HOSTILE, place=HOSTILE),
        ),
    }
    for beside in (False, True):
        text = page(text=HOSTILE, summary=changes, about=HOSTILE, beside=beside)
        tags = Tags(text)
        assert [tag for tag, _ in tags.seen if tag in ("script", "img", "iframe", "object")] == ["script"]
        assert not [name for _, attrs in tags.seen for name in attrs if name.startswith("on") or name == "style"]
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", text)
        assert "{{7*7}}" in text
        assert "etc" not in "".join(str(attrs.get("href")) for _, attrs in tags.seen)


def test_remarks_and_what_was_skipped(page: Any) -> None:
    remarks = (Remark(at=START, text="the fan was off", key="m#3", mark=True), Remark(at=START, text="rerun it"))
    skip = PlanSkip(instance="memory", cells="memory.*", why="it burns", issue="DB-7", rule_set="z", place="z.yaml:4:5")
    text = page(summary={"remarks": remarks, "skipped": (skip,)})
    ids = [attrs.get("id") for tag, attrs in Tags(text).seen if tag == "section"]
    assert {"remarks", "skipped"} <= set(ids)
    for words in ("the fan was off", "m#3", "marked", "rerun it", "memory.*", "it burns", "DB-7", "z.yaml:4:5"):
        assert words in text, words
    text = page(summary={"remarks": remarks * 200, "skipped": (skip,) * 300})
    assert "200 more remarks" in text
    assert "100 more stand in" in text


def test_huge_texts_make_no_huge_page(page: Any) -> None:
    huge = "x" * 1_000_000
    failures = (UniqueFailure(fingerprint="f", kind="k", message=huge, count=1, first=huge, evidence=huge),)
    text = page(
        3, text=huge, summary={"name": huge, "failures": failures, "next_steps": (huge,)}, about=huge, beside=True
    )
    assert len(text) < 300_000


def test_what_is_left_out_is_said(page: Any) -> None:
    failures = tuple(
        UniqueFailure(fingerprint=str(n), kind="k", message="m", count=1, first="f", evidence="e") for n in range(300)
    )
    text = page(400, settings={"runs": 100, "bars": 10}, summary={"failures": failures})
    assert "100 more unique failures" in text
    assert "100 of 400 attempts" in text
    assert "too many to draw one by one" in text
    assert re.search(r"Not listed: [\d,]+ that did not pass and [\d,]+ that did", text)


def test_templates_of_ones_own_replace_part_by_part(page: Any, tmp_path: Path) -> None:
    (tmp_path / "host.html").write_text("<section id=host>{{ summary.name }} by hand</section>")
    (tmp_path / "style.css").write_text("body { color: teal }")
    text = page(settings={"template": str(tmp_path)})
    assert "crash by hand" in text
    assert "<style>body { color: teal }</style>" in text
    digest = b64encode(sha256(b"body { color: teal }").digest()).decode()
    assert f"style-src 'sha256-{digest}'" in text
    assert 'id="provenance"' in text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% if %}", "host.html, line 1"),
        ("\n{{ nothing }}", "host.html line 2: 'nothing' is undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ summary.__class__.__mro__ }}", "unsafe"),
        ("{{ ''.__class__.__base__.__subclasses__() }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "passwd"),
        ("{% include '../../etc/passwd' %}", "passwd"),
        ("{{ range(10000000)|list }}", "Range too big"),
        ("{% include 'host.html' %}", "recursion"),
        ("{{ summary.name() }}", "not callable"),
    ],
)
def test_a_mistake_in_a_template_is_told_with_its_place(page: Any, tmp_path: Path, template: str, words: str) -> None:
    (tmp_path / "host.html").write_text(template)
    with pytest.raises(UnableError, match=re.escape(words)):
        page(settings={"template": str(tmp_path)})


def test_a_folder_that_is_not_there_is_told(page: Any, tmp_path: Path) -> None:
    with pytest.raises(UnableError, match="there is no folder"):
        page(settings={"template": str(tmp_path / "none")})


# --- in a real browser ------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")
def test_a_browser_runs_the_filter_and_nothing_else(page: Any, tmp_path: Path) -> None:
    changes = {"name": HOSTILE, "next_steps": (HOSTILE,), "reasons": {HOSTILE: 1}}
    (tmp_path / "report.html").write_text(page(text=HOSTILE, summary=changes, about=HOSTILE), errors="backslashreplace")
    done = subprocess.run(
        [
            *(
                str(CHROMIUM),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path / 'profile'}",
            ),
            *("--enable-logging=stderr", "--disable-dev-shm-usage", "--virtual-time-budget=3000", "--dump-dom"),
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    if not done.stdout:
        pytest.skip(f"Chromium does not start here: {done.stderr[-300:]}")
    assert '<p class="filter"><label' in done.stdout  # the script ran, so its hash is right
    assert "<title>owned" not in done.stdout
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", done.stdout, re.DOTALL)[0]
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
