"""Recorded series: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsight.errors import SeriesError
from fedsight.forecast.series import piece_of, read, read_folder


def written(folder: Path, text: str, name: str = "one.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_text_times_are_utc_and_rows_are_put_in_order(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "timestamp,value\n1970-01-01 00:05:00,2\n1970-01-01 00:00:00,1\n1970-01-01 00:05:00,9\n",
    )
    table = read(path)
    assert table.index.tolist() == [0, 300 * 10**9]
    assert table["value"].tolist() == [1.0, 2.0]


def test_integer_times_and_several_columns(tmp_path: Path) -> None:
    table = read(written(tmp_path, "time_ns,a,b\n5,1,2\n8,,4\n"))
    assert table.index.tolist() == [5, 8]
    assert list(table.columns) == ["a", "b"]
    assert np.isnan(table["a"].iloc[1])


def test_a_folder_is_one_node_a_file(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        written(tmp_path, "time,x\n1,2\n", name)
    assert list(read_folder(tmp_path)) == ["a", "b"]
    with pytest.raises(SeriesError, match=r"holds no series z\*"):
        read_folder(tmp_path, "z*")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no readable CSV"),
        ("value\n1\n", "needs a column timestamp, time_ns or time"),
        ("time\n1\n", "and one of numbers"),
        ("timestamp,value\nyesterday,1\n", "a time that cannot be read"),
        ("time,value\n1,many\n", "something that is no number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SeriesError, match=said):
        read(written(tmp_path, text))


def test_pieces_end_at_gaps() -> None:
    time = np.array([0, 3, 6, 12, 15, 18, 21, 24], np.int64)
    values = np.array([1, 1, 1, 1, 1, np.nan, 1, 1.0])[:, None]
    assert piece_of(time, values).tolist() == [0, 0, 0, 1, 1, -1, 2, 2]
