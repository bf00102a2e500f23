"""Cells of CSV: what a spreadsheet would compute becomes text, numbers stay numbers."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.collector.csv_cells import text_cell, text_column

CELLS = {
    "=1+1": "'=1+1",
    "+cmd": "'+cmd",
    "-cmd|x": "'-cmd|x",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t=1",
    "\r=1": "'\r=1",
    "\n=1": "'\n=1",
    "\uff1d1+1": "'\uff1d1+1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff20A": "'\uff20A",
    "-1.5e-3": "-1.5e-3",
    "+7": "+7",
    "-": "'-",
    "-1-1": "'-1-1",
    "a=1": "a=1",
    "": "",
    "client-3": "client-3",
}


@pytest.mark.parametrize(("text", "cell"), CELLS.items())
def test_a_cell(text: str, cell: str) -> None:
    assert text_cell(text) == cell


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.sampled_from([*CELLS]), st.text("=+-@\t\r0.e1a\n'\uff1d\uff20", max_size=6)))
def test_sql_says_the_same(text: str) -> None:
    found = duckdb.execute(f"SELECT {text_column('x')} FROM (SELECT ? AS x)", [text]).fetchall()
    assert found == [(text_cell(text),)]
