"""The examples of docs/client.md run as they stand, against a real collector."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.server import Server
from tests.collector.shipments import failed, whole_run

PAGE = Path(__file__).parents[2] / "docs" / "client.md"


@pytest.mark.slow
def test_the_examples_run(tmp_path: Path) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 5
    records = whole_run("r-1", ["client-0", "client-1"], rounds=3)
    records.insert(-1, failed("r-1", 3, "client-1", "CLIENT_FAILED", "out of memory"))
    with Server(tmp_path) as server:
        server.send("r-1", records)
        port = server.url.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", "\n".join(examples)],
            env={**os.environ, "COLLECTOR_PORT": port, "FEDSIGHT_DATA": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert "out of memory" in done.stdout
