"""Includes: each file once, in its place, and never in a circle."""

from __future__ import annotations

from campaign.language.files import load, resolve_path
from campaign.language.resolve import Checked, check
from campaign.language.syntax import Block
from campaign.plugins.registry import Registry


def reader(**files: str):  # type: ignore[no-untyped-def]  # a closure over the files of one test
    def read(path: str) -> bytes:
        name = path.replace("/", "_").replace(".camp", "")
        if name not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[name].encode()

    return read


def names(**files: str) -> list[str]:
    spec, found = load("main.camp", reader(**files))
    assert not found, [str(each) for each in found]
    return [each.name.text for each in spec.declarations if isinstance(each, Block)]


def codes(**files: str) -> list[tuple[str, str]]:
    found = check("main.camp", reader(**files), Registry())[1]
    return [(each.code, str(each.span)) for each in found]


def test_declarations_stand_where_the_include_stood() -> None:
    text = 'tier a { }\ninclude "sub/one.camp"\ntier z { }\n'
    assert names(main=text, sub_one='tier b { }\ninclude "two.camp"\n', sub_two="tier c { }\n") == ["a", "b", "c", "z"]


def test_each_file_is_read_once() -> None:
    text = 'include "one.camp"\ninclude "./one.camp"\ninclude "sub/two.camp"\n'
    assert names(main=text, one="tier a { }\n", sub_two='include "../one.camp"\n') == ["a"]


def test_a_circle_names_its_chain() -> None:
    files = {"main": 'include "one.camp"\n', "one": 'include "two.camp"\n', "two": 'include "main.camp"\n'}
    found = check("main.camp", reader(**files), Registry())[1]
    assert [each.code for each in found] == ["CAMP131"]
    assert "main.camp -> one.camp -> two.camp -> main.camp" in found[0].summary
    assert found[0].span is not None
    assert found[0].span.file == "two.camp"


def test_an_included_file_has_no_campaign() -> None:
    assert codes(main='campaign "x" { }\ninclude "one.camp"\n', one='campaign "y" { }\n') == [
        ("CAMP132", "one.camp:1:10")
    ]


def test_a_file_that_is_missing_is_shown_at_its_include() -> None:
    assert codes(main='\n  include "one.camp"\n') == [("CAMP130", "main.camp:2:11")]


def test_a_spec_that_cannot_be_read_is_no_spec() -> None:
    checked, found = check("other.camp", reader(main=""), Registry())
    assert checked is None
    assert [(each.code, each.span) for each in found] == [("CAMP130", None)]


def test_mistakes_of_every_file_come_in_one_go_the_specs_own_first() -> None:
    files = {"main": 'include "one.camp"\ntier a { priority 1 }\n', "one": "tier b { priority 2 }\n"}
    assert codes(**files) == [("CAMP120", "main.camp:2:10"), ("CAMP120", "one.camp:1:10")]


def test_a_part_that_cannot_be_read_costs_no_second_message() -> None:
    files = {"main": 'include "gone.camp"\ninstance a {\n  threads = 4\n  run "x"\n}\n'}
    assert codes(**files)[0][0] == "CAMP130"
    assert "CAMP104" not in [code for code, _ in codes(**files)]


def test_a_fragment_without_a_campaign_is_checked_as_far_as_it_goes() -> None:
    checked, found = check("main.camp", reader(main="tier quick { seeds 1..3 }\n"), Registry())
    assert not found
    assert isinstance(checked, Checked)
    assert checked.name == ""
    assert list(checked.tiers) == ["quick"]


def test_the_bytes_of_every_file_are_kept_for_the_snapshot() -> None:
    checked, _ = check("main.camp", reader(main='include "one.camp"\n', one="tier a { }\n"), Registry())
    assert checked is not None
    assert checked.files == {"main.camp": b'include "one.camp"\n', "one.camp": b"tier a { }\n"}


def test_a_path_belongs_to_the_folder_of_its_file() -> None:
    assert resolve_path("x/y", "specs/a.camp") == "specs/x/y"
    assert resolve_path("../y", "specs/a.camp") == "y"
    assert resolve_path("/y", "specs/a.camp") == "/y"
