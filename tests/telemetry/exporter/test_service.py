"""The exporter as an application and as a process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fedsight.telemetry.exporter.options import ExporterOptions
from fedsight.telemetry.exporter.page import Page
from fedsight.telemetry.exporter.service import served
from fedsight.telemetry.figures_page import Where, create_app
from tests.cli.command import fedsight, line_with, started


@contextmanager
def exporting(data: Path, **more: str) -> Iterator[str]:
    """`fedsight serve exporter`; its address."""
    process = started(data, "serve", "exporter", "--port", "0", **more)
    try:
        yield line_with(process, "listening on ").split()[-1]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_beyond_this_machine_the_token_is_asked_for(tmp_path: Path) -> None:
    where = Where(tmp_path, host="0.0.0.0", hosts=("node",))
    app = create_app(where, served(Page(ExporterOptions())), token="abc")

    async def asked() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            right = {"Authorization": "Bearer abc"}
            answers = [
                await client.get("/metrics"),
                await client.get("/metrics", headers=right),
                await client.get("/metrics", headers={**right, "Host": "elsewhere"}),
                await client.post("/metrics", headers=right, json={}),
            ]
        return [answer.status_code for answer in answers]

    assert asyncio.run(asked()) == [401, 200, 403, 405]


@pytest.mark.slow
def test_a_process_tells_the_figures(tmp_path: Path) -> None:
    with exporting(tmp_path / "data") as address:
        answer = httpx.get(f"{address}/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "scaph_host_load_avg_one " in answer.text
        assert "/metrics" in httpx.get(address).text
        assert httpx.get(f"{address}/nothing").status_code == 404


@pytest.mark.slow
def test_a_bad_setting_is_a_sentence(tmp_path: Path) -> None:
    done: subprocess.CompletedProcess[str] = fedsight(
        tmp_path / "data", "serve", "exporter", FEDSIGHT_EXPORTER_TDP_WATTS="5"
    )
    assert done.returncode == 2
    assert "FEDSIGHT_EXPORTER_TDP_WATTS must be a number of watts above" in done.stderr
    assert "exporter.idle_watts" in done.stderr
