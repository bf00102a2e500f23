"""What the fast way reads of a body is what the exact way reads of each of its lines."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.collector.taking.exact_lines import BadLineError, read_line
from fedsight.collector.taking.lines import LineReader, Lines, told

NOW = 1_795_341_120_000_000_000
Sample = tuple[int, str, tuple[tuple[str, str], ...], int, float, int | None]


def rows(lines: Lines) -> list[Sample]:
    """(line, name, labels, time, value, round), in the order of the lines."""
    c = lines.columns
    found = []
    for at in range(c.index.size):
        series = c.series[c.index[at]]
        round_ = None if c.round[at] < 0 else int(c.round[at])
        labels = tuple(sorted(series.labels.items()))
        row = (int(lines.line[at]), series.name, labels, int(c.time[at]), float(c.value[at]))
        found.append((*row, round_))
    return sorted(found, key=repr)


def exactly(body: bytes, unit: int) -> tuple[list[Sample], set[int], int]:
    """The same, line by line, with the numbers of the bad lines and what was absent."""
    found: list[Sample] = []
    bad, absent = set(), 0
    for at, text in enumerate(body.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n"), 1):
        try:
            line = read_line(text, unit)
        except BadLineError:
            bad.add(at)
            continue
        absent += line.absent
        time = NOW if line.time is None else line.time
        for series, value in zip(line.series, line.values, strict=True):
            labels = tuple(sorted(series.labels.items()))
            found.append((at, series.name, labels, time, value, line.round))
    return sorted(found, key=repr), bad, absent


def same(body: bytes, unit: int = 1) -> Lines:
    """Read both ways and compare; returns what the fast way gave."""
    expected = exactly(body, unit)
    for little in (2**30, 0):  # by layout, and all at once where all are alike
        lines = LineReader(little).read(body, unit, NOW)
        assert (rows(lines), set(lines.bad), lines.absent) == expected
    return lines


def test_empty_lines_and_spare_blanks_do_not_make_up_for_each_other() -> None:
    same(b"\n".join([b"m value=0.0 0", b"", b"", b"m  a=1", b"m value=0.0"] * 4))


NAMES = st.sampled_from(["m", "cpu", "fl_x", "a=b", "", "é", "x y", "a,b", "#c", "m\t", '"m"', "0"])
HEADS = st.tuples(NAMES, st.lists(st.tuples(NAMES, NAMES), max_size=2)).map(
    lambda head: ",".join([head[0], *(f"{key}={value}" for key, value in head[1])])
)
NUMBERS = st.one_of(
    st.floats(width=32).map(repr),
    st.integers(-(2**65), 2**65).map(str),
    st.integers(-10, 10).map(lambda n: f"{n}i"),
    st.sampled_from(
        ["1.", ".5", "1e3", "1e3i", "1.5i", "1.0i", "i1", "i", "e5", "x5", "1i2", "01"]
    ),
    st.sampled_from(
        ["t", "FALSE", '"a b"', '"a', "NaN", "-inf", "+1", "1u", "-", "", "9" * 19 + "i"]
    ),
)
#: The library for single lines refuses numbers so small that they lose digits.
REALS = st.floats(0, 1, allow_subnormal=False)
KEYS = st.sampled_from(["value", "round", "a", "ab", "i", "e", "k0", "k1", "", "a\\ b", "é", "x=y"])
FIELDS = st.lists(st.tuples(KEYS, NUMBERS), min_size=1, max_size=3).map(
    lambda fields: ",".join(f"{key}={value}" for key, value in fields)
)
TIMES = st.one_of(
    st.just(""),
    st.integers(-1, 10**6).map(lambda n: f" {n}"),
    st.sampled_from([" 5.5", " 99999999999999999999", "  7", " 007", " 1,2", " 5 6", " x"]),
)
LINE = st.one_of(
    st.tuples(HEADS, FIELDS, TIMES).map(lambda parts: f"{parts[0]} {parts[1]}{parts[2]}"),
    st.sampled_from(["", "# a comment", "nonsense", "m  a=1", " m a=1", "m a=1 "]),
)
ENDINGS = st.sampled_from(["\n", "\n", "\n", "\r\n"])


@settings(max_examples=300, deadline=None)
@given(st.lists(LINE, max_size=6), st.integers(1, 12), ENDINGS)
def test_any_lines_are_read_as_one_by_one(lines: list[str], times: int, ending: str) -> None:
    same(ending.join(lines * times).encode())


@settings(max_examples=300, deadline=None)
@given(HEADS, FIELDS, st.lists(st.tuples(NUMBERS, TIMES), min_size=20, max_size=40))
def test_lines_of_one_layout_are_read_as_one_by_one(
    head: str, fields: str, cells: list[tuple[str, str]]
) -> None:
    first = fields.split("=")[0]
    rest = fields.partition(",")[2]
    same("\n".join(f"{head} {first}={n}{',' * bool(rest)}{rest}{t}" for n, t in cells).encode())


@settings(max_examples=300, deadline=None)
@given(
    st.lists(HEADS, min_size=1, max_size=4),
    st.lists(KEYS, min_size=1, max_size=3),
    st.lists(st.tuples(st.lists(NUMBERS, min_size=3, max_size=3), TIMES), min_size=1, max_size=9),
)
def test_lines_of_many_heads_are_read_as_one_by_one(
    heads: list[str], keys: list[str], cells: list[tuple[list[str], str]]
) -> None:
    fields = [",".join(map("=".join, zip(keys, numbers, strict=False))) for numbers, _ in cells]
    lines = zip(fields, cells, strict=True)
    same("\n".join(f"{head} {of}{time}" for of, (_, time) in lines for head in heads).encode())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("ab,=é", min_size=1, max_size=140), min_size=1, max_size=3),
    st.lists(st.from_regex(r"[a-z_]{1,70}", fullmatch=True), min_size=1, max_size=3, unique=True),
    st.lists(st.tuples(REALS, st.integers(-(2**62), 2**62)), min_size=2, max_size=5),
)
def test_texts_of_any_length_are_read_as_one_by_one(
    tags: list[str], keys: list[str], cells: list[tuple[float, int]]
) -> None:
    lines = [
        f"m,t={tag} {','.join(f'{key}={real},{key}_n={whole}i' for key in keys)} 5"
        for tag in tags
        for real, whole in cells
    ]
    same("\n".join(lines).encode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_byte_that_differs_is_seen(data: st.DataObject) -> None:
    body = bytearray(
        b"\n".join(b"fl,node=n%d loss=0.%d,round=%di 17953411%d" % (n, n, n, n) for n in range(9))
    )
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.sampled_from(b" ,=i.e-\n\x00\x0b#\xa0xN0"))
    same(bytes(body))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_answered(body: bytes) -> None:
    same(body)
    same(b"\n".join([body] * 20))


@pytest.mark.parametrize(
    "cell", ["i1", "e5", "x5", "1i2", "1.5i", "1.0i", "1e1i", "", "--1", "1 ", "t"]
)
@pytest.mark.parametrize("key", ["a", "k0"])
def test_no_number_is_made_of_what_is_none(cell: str, key: str) -> None:
    same("\n".join([f"m {key}={cell},b=1i 5"] * 40).encode())
    same("\n".join([f"m b=1i,{key}={cell} 5"] * 40).encode())


def test_a_field_is_a_sample_and_round_is_the_round_of_all() -> None:
    body = b"\n".join(
        b"fl_client,run=r-1,node=n%d loss=0.5,samples=%di,round=%di %d" % (n % 3, n, n // 3, n)
        for n in range(60)
    )
    found = rows(same(body))
    assert len(found) == 120
    labels = (("node", "n2"), ("run", "r-1"))
    assert (6, "fl_client_samples", labels, 5, 5.0, 1) in found


def test_a_field_named_value_is_the_measurement_itself() -> None:
    assert [row[1] for row in rows(same(b"temperature value=3 5"))] == ["temperature"]


def test_what_is_no_number_is_absent_and_counted() -> None:
    lines = same(b'm a=NaN,b=1 5\nm a=-Inf,b=2 5\nm a="text",b=3 5\nm a=nan 5')
    assert (len(rows(lines)), lines.absent, lines.bad) == (3, 4, {})
    assert all(math.isfinite(row[4]) for row in rows(lines))


def test_bad_lines_are_told_and_the_good_ones_are_read() -> None:
    body = b"\n".join([b"m,n=a value=1 5"] * 30 + [b"m,n= value=1 5", b"what"])
    lines = same(body)
    assert (len(rows(lines)), sorted(lines.bad)) == (30, [31, 32])
    assert told(lines.bad).startswith("line 31: Failed to parse value of tag; line 32: ")
    assert told(dict.fromkeys(range(1, 9), "no")).endswith("line 5: no; and 3 more")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"m round=1i 5", "no field besides its round"),
        (b"m a=1,round=-1i 5", "round"),
        (b"m a=1,round=1.5 5", "round"),
        (b"m a=1 -5", "1970"),
        (b"m a=1 7258118400000000001", "1970"),
        (b"0m a=1 5", "measurement"),
        (b"m," + b"k=" + b"x" * 300 + b" a=1 5", "measurement"),
        (b"m,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1 a=1 5", "measurement"),
        (b"m," + b"k=" + b"x" * 2**20 + b" a=1 5", "measurement"),
        (b"fl_round_participants value=1.5 5", "count"),
    ],
)
def test_why_a_line_is_refused(line: bytes, why: str) -> None:
    for many in (1, 40):
        lines = LineReader().read(b"\n".join([line] * many), 1, NOW)
        assert lines.columns.index.size == 0
        assert set(lines.bad) == set(range(1, many + 1))
        assert all(why in said and len(said) < 400 for said in lines.bad.values())


def test_times_count_the_unit_that_was_named() -> None:
    lines = same(b"\n".join(b"m value=1 %d" % n for n in range(40)), 10**9)
    assert {row[3] for row in rows(lines)} == {n * 10**9 for n in range(40)}


def test_a_reader_remembers_and_forgets_without_mixing_series_up() -> None:
    reader = LineReader()
    for turn in range(3):
        bodies: list[Any] = [
            b"\n".join(b"m,n=%d a=%d,b=2 5" % (n, n) for n in range(turn * 50, turn * 50 + 60)),
            b"\n".join(b"m,n=%d b=%d 5" % (n, n) for n in range(60)),
        ]
        for body in bodies:
            assert rows(reader.read(body, 1, NOW)) == exactly(body, 1)[0]
