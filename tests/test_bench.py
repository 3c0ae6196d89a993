"""The page of results is written from its data, and never by hand."""

from __future__ import annotations

from pathlib import Path

from bench import fingerprints, results
from bench.measure import Result

BENCH = Path(__file__).resolve().parent.parent / "bench"


def test_the_page_is_what_the_data_says() -> None:
    assert (BENCH / results.PAGE).read_text() == results.page(results.read(BENCH))


def test_a_part_that_is_measured_again_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    def part(value: float) -> results.Part:
        return results.Part(
            "here", (Result("what", value, "x", 2, False, ""), Result("for comparison", 9, "x", None, False, ""))
        )

    order = ["dispatch", "queue"]
    results.remember(tmp_path, {"queue": part(1)}, order)
    results.remember(tmp_path, {"dispatch": part(3)}, order)
    assert results.read(tmp_path) == {"dispatch": part(3), "queue": part(1)}
    text = (tmp_path / results.PAGE).read_text()
    assert text.index("## dispatch") < text.index("## queue")
    assert "| what | 3.00 x | ≤ 2 | **no** |" in text
    assert "| what | 1.00 x | ≤ 2 | yes |" in text
    assert "| for comparison | 9.00 x | none | yes |" in text


def test_fingerprints_are_measured_by_pairs(tmp_path: Path) -> None:
    trace = 'Traceback (most recent call last):\n  File "/{0}/a.py", line {1}, in {2}\nValueError: {1}\n'
    for bug, name, line, function in (
        ("one", "a", 1, "f"),
        ("one", "b", 2, "f"),
        ("two", "a", 3, "g"),
        ("two", "b", 4, "f"),
    ):
        path = tmp_path / bug / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(trace.format(name, line, function))
    found = fingerprints.score(fingerprints.folders(tmp_path), fingerprints.ours)
    assert (found.bugs, found.keys, found.both) == (2, 3, 1)
    assert (round(found.precision, 2), found.recall, found.f1) == (0.33, 0.5, 0.4)


def test_a_corpus_of_syzkallers_is_read_by_its_titles(tmp_path: Path) -> None:
    folder = tmp_path / "linux" / "report"
    folder.mkdir(parents=True)
    (folder / "0").write_text("TITLE: BUG in f\nTYPE: x\n\nlog\n\nREPORT:\nrest\n")
    (folder / "1").write_text("\nnothing happened\n")
    assert [(each.bug, each.text) for each in fingerprints.syzkaller(tmp_path)] == [("BUG in f", b"log")]
