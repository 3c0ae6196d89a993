"""The page of results is written from its data, and never by hand."""

from __future__ import annotations

from pathlib import Path

from bench import results
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
