"""An export of samples that live in InfluxDB is that of the embedded store."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector.influx.influxd import Influxd
from tests.collector.replica.processes import Process
from tests.collector.shipments import whole_run

pytestmark = pytest.mark.slow


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    running = Influxd(tmp_path / "influxd")
    yield running
    running.stop()


def tables(process: Process, **wanted: Any) -> dict[str, list[str]]:
    """The lines of each table, in order of the alphabet: stores may order series differently."""
    bearer = {"Authorization": f"Bearer {(process.data / 'token').read_text().strip()}"}
    asked = process.http.post("/api/v1/export", json=wanted, headers=bearer).json()
    address = f"/api/v1/exports/{asked['export_id']}"
    until = time.monotonic() + 30
    while (found := process.get(address))["state"] not in ("done", "failed"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert found["error"] is None
    content = process.http.get(found["download_url"]).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        return {
            name: sorted(map(rounded, archive.read(name).decode().splitlines())) for name in names
        }


def rounded(line: str) -> str:
    """Sums are the same but for the order in which they were added up."""
    return re.sub(r"\d+\.\d{6,}(?=,|$)", lambda found: f"{float(found[0]):.9f}", line)


def test_both_stores_give_the_same_tables(tmp_path: Path, influxd: Influxd) -> None:
    asked = [
        {"components": ["fl"], "format": "csv", "aggregation": grain, "tables": kinds}
        for grain, kinds in (("raw", ["samples", "clients"]), ("1m", ["samples"]))
    ]
    found = []
    for name, where in (("embedded", {}), ("influx", {"influx": influxd.port})):
        with Process(tmp_path / name, **where) as process:
            process.send("j", whole_run("r-1", ["a", "b"], rounds=30))
            if where:
                time.sleep(2)  # by now InfluxDB has them
            found.append([tables(process, **each) for each in asked])
    assert found[0] == found[1]
    assert len(found[0][0]["samples.csv"]) == 1 + 30 * (10 + 2 * 3)
