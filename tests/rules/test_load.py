"""One rule set from its bytes: what stands in it, and every mistake at its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.made import codes, load, loaded

from campaign.language.syntax import Binary
from campaign.rules.reading import MAX_BYTES
from campaign.units import parse_quantity

WHOLE = """\
name: zen4
extends: [base]                 # left to right
priority: 20
match:
  cpu_model_contains: ["EPYC 9", "Ryzen 7"]
  min_cores: 16
limits:
  voltage:          {min: 800mV, max: 1100mV, why: "VRM datasheet, table 4"}
  type.frequency:   {max: 4.4GHz}
  memtester.size:   {max: 4GiB}
  method:           {in: [fft, matrixprod]}
unbounded: deny
guard:
  - {oracle: host.temperature, max: 95C, every: 1s}
require:
  - {tags: [db], oracle: rocksdb.consistency}
triage:
  - id: torn-page
    when: oracle.sqlite.integrity.message matches /malformed|torn/
    cause: The journal mode gives up atomicity on a crash.
    where: [src/db/pragma.c]
quarantine:
  - {fingerprint: 9f2c1a7be0d14c55, issue: DB-1234, owner: storage, until: 2027-01-31}
  - {fingerprint: 0000000000000012, issue: 7, until: 2027-01-31}
skip:
  - {cell: "crash.off.*", why: "known unsafe by design", issue: DB-7}
orphans: requeue
"""


def test_everything_that_a_rule_set_can_say() -> None:
    rules = loaded(WHOLE)
    assert (rules.name, rules.priority, [each.word for each in rules.extends]) == ("zen4", 20, ["base"])
    assert [(each.matcher, each.wanted) for each in rules.match] == [
        ("cpu_model_contains", ["EPYC 9", "Ryzen 7"]),
        ("min_cores", 16),
    ]
    voltage = rules.limits["voltage"]
    assert voltage.low is not None
    assert voltage.high is not None
    assert (voltage.low.value, voltage.high.value) == (parse_quantity("800mV"), parse_quantity("1.1V"))
    assert (str(voltage.high.origin.span), voltage.high.origin.why) == ("x.yaml:8:39", "VRM datasheet, table 4")
    assert rules.limits["method"].allowed is not None
    assert rules.limits["method"].allowed.values == ("fft", "matrixprod")
    assert rules.unbounded is not None
    assert rules.guards[0].settings == {"max": parse_quantity("95C")}
    assert rules.requires[0].oracle == "rocksdb.consistency"
    assert isinstance(rules.triage[0].tree, Binary)
    assert [each.fingerprint for each in rules.quarantine] == ["9f2c1a7be0d14c55", "0000000000000012"]
    assert rules.skips[0].cell == "crash.off.*"
    assert rules.orphans is not None
    assert rules.orphans.word == "requeue"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nam: x", [("CAMP302", "1:1"), ("CAMP301", "1:1")]),
        ("name: a b", [("CAMP306", "1:7")]),
        ("name: x\nlimits:\n  v: {max: 0x10}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: .inf}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: .nan}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: 1e3}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: １２}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: null}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: }", [("CAMP306", "3:11")]),
        ("name: x\nlimits:\n  v: {max: yes}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {max: [1]}", [("CAMP306", "3:12")]),
        ("name: x\nlimits:\n  v: {min: 1V, max: 5}", [("CAMP306", "3:21")]),
        ("name: x\nlimits:\n  v: {min: 2V, max: 1V}", [("CAMP312", "3:3")]),
        ("name: x\nlimits:\n  v: {why: so}", [("CAMP301", "3:3")]),
        ("name: x\nlimits:\n  v: {in: []}", [("CAMP301", "3:11")]),
        ("name: x\nlimits:\n  v: {in: [1, NaN]}", [("CAMP306", "3:15")]),
        ("name: x\nlimits:\n  type.volt: {max: 1V}", [("CAMP306", "3:3")]),
        ("name: x\nlimits:\n  type.voltage: {max: 1s}", [("CAMP306", "3:23")]),
        ("name: x\nlimits:\n  v w: {max: 1V}", [("CAMP306", "3:3")]),
        ("name: x\nlimits:\n  vcore-mv: {max: 1}\n  VCORE_MV: {max: 2}", [("CAMP303", "4:3")]),
        ("name: x\nlimits:\n  v: {max: 1}\n  v: {max: 2}", [("CAMP303", "4:3")]),
        ("name: x\nlimits:\n  v: {max: 1V, override: true}", [("CAMP313", "3:26")]),
        ("name: x\nlimits:\n  <<: {v: {max: 1V}}", [("CAMP302", "3:8")]),
        ("name: x\nunbounded:", [("CAMP306", "2:11")]),
        ("name: x\nunbounded: never", [("CAMP306", "2:12")]),
        ("name: x\norphans: adopted", [("CAMP306", "2:10")]),
        (
            "name: x\nquarantine: [{fingerprint: xyz, issue: A, until: 2027-1-1}]",
            [("CAMP306", "2:28"), ("CAMP306", "2:50")],
        ),
        ("name: x\nskip: [{why: so}]", [("CAMP301", "2:8")]),
        ("name: x\nfingerprints: [{why: so}]", [("CAMP301", "2:16")]),
        ("name: x\nfingerprints: [{same: [0123456789abcdef, 0123456789abcde0]}]", [("CAMP301", "2:16")]),
        ("name: x\nfingerprints: [{same: [0123456789abcdef], why: so}]", [("CAMP301", "2:23")]),
        ("name: x\nfingerprints: [{same: [0123456789abcdef, nine], why: so}]", [("CAMP306", "2:42")]),
        ("name: x\nfingerprints: [{split: 0123456789abcdef, why: so}]", [("CAMP301", "2:16")]),
        ("name: x\nfingerprints: [{split: 0123456789abcdef, by: a b, why: so}]", [("CAMP306", "2:46")]),
        ("name: x\npriority: high", [("CAMP306", "2:11")]),
        ("name: x\ntriage: [{id: a, when: 'verdict == fail'}, {id: A, when: 'true'}]", [("CAMP303", "2:49")]),
        ("- name: x", [("CAMP301", "1:1")]),
        ("", [("CAMP301", "1:1")]),
        ("42", [("CAMP301", "1:1")]),
        ("name: x\n---\nname: y", [("CAMP300", "2:1")]),
        ("name: !!str x", [("CAMP304", "1:7")]),
        ("name: x\nabout: *y", [("CAMP300", "2:8")]),
        ("name: x\n\tabout: y", [("CAMP300", "2:1")]),
        ("name: x\nabout: [", [("CAMP300", "2:9")]),
        ("? [a]\n: b\nname: x", [("CAMP301", "1:3")]),
    ],
)
def test_a_mistake_is_reported_at_its_place(text: str, expected: list[tuple[str, str]]) -> None:
    rule_set, found = load(text)
    assert rule_set is None
    assert codes(found) == expected, [str(each) for each in found]


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ("when: failure.kin == 1", "4:11"),
        ("when: 'failure.kin == 1'", "4:12"),
        ('when: "failure.kin == 1"', "4:12"),
        ("when: verdict == 3", "4:11"),
        ("when: failure.message matches 3", "4:35"),
        ("when: exit.cod == 3", "4:11"),
        ("when: elapsed > 5V", "4:11"),
        ("when: verdict ==", "4:21"),
        ("when: |\n      verdict == 'fail'", "5:18"),
        ('when: |\n      verdict == "fail" and\n        failure.message matchs /x/', "6:25"),
        ("when: >\n\n\n      failure.kin == 1", "7:7"),
        ('when: "verdict == \\"fail\\" and failure.kin == 1"', "4:11"),
        ("when: 7 + 1", "4:11"),
    ],
)
def test_a_mistake_in_a_condition_has_its_place_in_the_file(when: str, place: str) -> None:
    rule_set, found = load(f"name: x\ntriage:\n  - id: a\n    {when}\n")
    assert rule_set is None
    assert place in [where for _, where in codes(found)], [str(each) for each in found]


def test_a_condition_may_fill_lines_and_carry_escapes() -> None:
    text = 'name: x\ntriage:\n  - id: a\n    when: |\n      verdict == "fail" and\n      exit.code in [1, 2]\n'
    text += '  - id: b\n    when: "failure.message matches /\\\\d+/"\n  - {id: c, when: output contains "x"}\n'
    assert [each.id for each in loaded(text).triage] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfname: x\nlimits: {v: {max: 1V}}",
        b"name: x\r\nlimits:\r\n  v: {max: 1V}\r\n",
        b"%YAML 1.2\n---\nname: x\nlimits: {v: {max: 1V}}\n",
        b"name: x\nlimits: &l {v: &m {max: 1V}, w: *m}\n",
    ],
)
def test_what_is_unusual_and_yet_fine(data: bytes) -> None:
    rule_set, found = load(data)
    assert rule_set is not None, found
    assert "v" in rule_set.limits


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    "data",
    [
        BOMB.encode(),
        b"name: x\nabout: \x00",
        b"name: x\nabout: \x07",
        b"\xff\xfe",
        bytes(range(256)),
        b"[" * 60_000,
        b"{a: " * 15_000,
        b"- " * 30_000,
        b"? " * 30_000,
        b"&a " * 20_000,
        b"\n".join(b" " * n + b"a:" for n in range(300)),
        b"a: b\n" * 12_000,
        b"x" * (MAX_BYTES + 1),
        b'"' + b"\\x41" * 16_000,
        b"name: x\nabout: " + b"y" * 60_000,
        b"name: &a [*a]",
        b"name: x\nmatch: {a: !!python/object/apply:os.system ['true']}",
        "name: x\nabout: \u202e".encode(),
        b"%TAG ! tag:evil,2000:\n---\nname: x",
        b"%FOO bar\n---\nname: x\nlimits: 3",
    ],
)
def test_hostile_bytes_are_refused_with_a_place(data: bytes) -> None:
    rule_set, found = load(data)
    if rule_set is None:
        assert found
        assert all(each.span is not None for each in found)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(data: bytes) -> None:
    load(data)


@given(st.text(alphabet="namelimits: {}[]-\n\t'\"&*!|>#%@,?0x.1Vm~", max_size=120))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    rule_set, found = load(f"name: x\n{text}")
    assert rule_set is not None or found
    for each in found:
        assert each.span is not None
        assert each.span.line >= 1
        assert each.span.column >= 1


@pytest.mark.parametrize("name", ["seed", "timeout", "Timeout", "diag.at", "exit", "workdir"])
def test_a_limit_that_can_never_bind_is_refused(name: str) -> None:
    _, found = load(f"name: x\nlimits:\n  {name}: {{max: 3}}\n")
    assert codes(found) == [("CAMP306", "3:3")]


def test_a_limit_whose_values_all_break_its_bounds_is_refused() -> None:
    _, found = load("name: x\nlimits:\n  m: {in: [a, b], max: 3}\n  n: {in: [1, 5], max: 3}\n")
    assert codes(found) == [("CAMP312", "3:3")]


def test_one_wrong_rule_does_not_hide_the_others() -> None:
    text = "nome: x\nlimits:\n  a: {max: foo}\n  b: {min: 3, max: 1}\n  type.foo: {max: 1}\ntriage:\n  - {id: t, when: '1 +'}\n"
    rule_set, found = load(text + "  - {when: 'true'}\n")
    assert rule_set is None
    places = {place.partition(":")[0] for _, place in codes(found)}
    assert {"1", "3", "4", "5", "7", "8"} <= places, codes(found)
