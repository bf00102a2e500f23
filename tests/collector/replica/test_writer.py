"""Where a reader looks for the process that writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.collector.replica.announced import announce_writer, withdraw_writer
from fedsight.collector.replica.writer import Writer


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("http://127.0.0.1:8083", "http://127.0.0.1:8083"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://127.0.0.1:443", "https://127.0.0.1"),
        ("nowhere", None),
        ("", None),
    ],
)
def test_the_writer_is_where_it_says(tmp_path: Path, told: str, asked: str | None) -> None:
    writer = Writer(tmp_path)
    assert writer.address() is None
    announce_writer(tmp_path, told)
    assert writer.address() == asked
    withdraw_writer(tmp_path, told)
    assert writer.address() is None
