"""The page: whole, offline, strict about what it runs, and harmless whatever a campaign holds."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.standard import chromium

from campaign.analysis.overview import overview_of
from campaign.ledger.rows import CampaignRow, Glance
from campaign.plugins.api import UnableError
from campaign.plugins.results import Overview, Results, Target
from campaign.records import (
    Environment,
    FaultExit,
    HostRecord,
    PlanSkip,
    PlanTool,
    PlanView,
    Remark,
    Sample,
    UniqueFailure,
    WatchExit,
)
from campaign.records.plan import PlanFile
from campaign_standard.html import HtmlReporter

HOSTILE = "</script></style><script>document.title='owned'</script><img src=x onerror=alert(1)>'\"{{7*7}}{% x %}&\x1b]0;\x07\u202e\0\ud800"
START = "2026-11-20T10:00:00.000Z"


def watch(text: str) -> WatchExit:
    changes = (Sample(0.1, True), Sample(1.2, False, text), Sample(1.5, True))
    return WatchExit(f"ping{text}", f"srv.ping{text}", 20, first_at_s=0.1, last_at_s=2.0, changes=changes)


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
            faults=(FaultExit(f"stop{text}", f"process.stop{text}", 1.0, 1.0, None, 1.2, 1.5),) if n % 10 == 0 else (),
            watches=(watch(text),) if n % 10 == 0 else (),
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
        *("verdict", "failures", "shmoo", "matrix", "recovery", "timeline", "distributions", "runs", "host"),
        "provenance",
    }
    assert text.count("stop (process.stop), recovered after 500 ms") == 4
    assert text.count("ping not ok for 300 ms") == 4
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

in_chromium = pytest.mark.skipif(chromium.found() is None, reason="there is no Chromium here: apt-get install chromium")
SCREENS = [
    ("light", {"width": 1200}),
    ("dark", {"width": 1200, "dark": True}),
    ("phone", {"width": 360, "phone": True}),
    ("print", {"width": 700, "media": "print"}),
]
#: Every text on the page and the colour behind it: the least contrast of those that must be read (WCAG: 4.5, large 3).
CONTRAST = """
(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let worst = [99, ""];
  for (const node of document.querySelectorAll("h1,h2,h3,p,li,td,th,dd,dt,a,summary,pre,.badge,figcaption")) {
    if (node.closest(".again") || !node.textContent.trim()) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 200)];
  }
  return worst;
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    try:
        with chromium.browsing(tmp_path_factory.mktemp("profile")) as found:
            yield found
    except chromium.NotStartedError as error:
        pytest.skip(str(error))


def hostile(page: Any) -> str:
    """A page with hostile text in every field."""
    failure = UniqueFailure(
        fingerprint=HOSTILE,
        kind=HOSTILE,
        message=HOSTILE,
        count=1,
        first=HOSTILE,
        evidence=HOSTILE,
        classification="new",
    )
    skip = PlanSkip(instance=HOSTILE, cells=HOSTILE, why=HOSTILE, issue=HOSTILE, rule_set=HOSTILE, place=HOSTILE)
    host = HostRecord(
        id=HOSTILE, boot_id=HOSTILE, hostname=HOSTILE, system=HOSTILE, release=HOSTILE, architecture=HOSTILE,
        python=HOSTILE, campaign=HOSTILE, cpu_model=HOSTILE, missing={HOSTILE: HOSTILE},
    )  # fmt: skip
    plan = PlanView(
        campaign=HOSTILE, name=HOSTILE, spec=HOSTILE, plan_hash=HOSTILE, seed=1, created_at=START,
        files=(PlanFile(path=HOSTILE, digest=HOSTILE),),
    )  # fmt: skip
    summary = {
        "name": HOSTILE,
        "failures": (failure,),
        "next_steps": (HOSTILE, f"look: campaign show {HOSTILE}"),
        "reasons": {HOSTILE: 1},
        "remarks": (Remark(at=START, text=HOSTILE, key=HOSTILE, mark=True),),
        "skipped": (skip,),
        "environment": Environment(campaign=HOSTILE, plugins={HOSTILE: HOSTILE}, tools=(PlanTool(tool=HOSTILE),)),
    }
    whole: str = page(text=HOSTILE, summary=summary, about=HOSTILE, host=host, plan=plan, excerpt=lambda _: HOSTILE)
    return whole


@in_chromium
@pytest.mark.parametrize(("name", "screen"), SCREENS[1:])
def test_hostile_text_in_every_field_does_nothing(
    page: Any, browser: chromium.Page, tmp_path: Path, name: str, screen: Any
) -> None:
    file = tmp_path / "report.html"
    file.write_text(hostile(page), errors="backslashreplace")
    browser.requests.clear()
    browser.look(**screen)
    browser.open(file)
    assert browser.requests == [file.as_uri()]
    assert browser.complaints == []
    assert browser.value("document.title") != "owned"
    assert browser.value("document.querySelectorAll('img, iframe, object, embed, script').length") == 1
    assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "nothing hangs over the edge"
    assert len(browser.picture()) > 20_000


@in_chromium
@pytest.mark.parametrize(("name", "screen"), SCREENS[:2])
def test_every_text_can_be_read(page: Any, browser: chromium.Page, tmp_path: Path, name: str, screen: Any) -> None:
    remarks = (Remark(at=START, text="the fan was off", key="m#3", mark=True),)
    skip = PlanSkip(instance="memory", cells="memory.*", why="it burns", issue="DB-7", rule_set="z", place="z.yaml:4:5")
    (tmp_path / "report.html").write_text(page(summary={"remarks": remarks, "skipped": (skip,)}, beside=True))
    browser.look(**screen)
    browser.open(tmp_path / "report.html")
    ratio, worst = browser.value(CONTRAST)
    assert ratio >= 3, worst


@in_chromium
def test_the_filter_filters(page: Any, browser: chromium.Page, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page(40))
    browser.look(1200)
    browser.open(tmp_path / "report.html")
    shown = "[...document.getElementById('lines').rows].filter((row) => !row.hidden).length"
    assert browser.value(shown) == 40
    typed = "(() => {{ const f = document.getElementById('filter'); f.value = '{}'; f.dispatchEvent(new Event('input')); }})()"
    browser.value(typed.format("FAIL v=0"))
    assert 0 < browser.value(shown) < 40
    assert browser.value("document.getElementById('found').textContent").endswith("of 40")
    browser.value(typed.format(""))
    assert browser.value(shown) == 40


@in_chromium
def test_on_paper_it_is_whole(page: Any, browser: chromium.Page, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page(40))
    browser.look(1200)
    browser.open(tmp_path / "report.html")
    paper = browser.paper()
    assert paper.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 1
