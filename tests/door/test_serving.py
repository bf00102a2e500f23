"""A service that cannot begin, or not close what it holds, ends with a sentence and not with 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fedsight.config import LOOPBACK
from fedsight.door.serving import listening

SCRIPT = """
import asyncio, sys
from contextlib import asynccontextmanager
import fedsight.cli.app
from fedsight.cli.outcome import run
from fedsight.door.serving import listening, serve
from fedsight.errors import FedsightError
from starlette.applications import Starlette

@asynccontextmanager
async def lifespan(app):
    if sys.argv[1] == "begin":
        raise ValueError("no such thing")
    if sys.argv[1] == "told":
        raise FedsightError("the cellar is full; empty it")
    print("up", flush=True)
    yield
    if sys.argv[1] == "end":
        raise OSError("the disk went away")

def app(*_, **__):
    with listening("127.0.0.1", 0) as listener:
        asyncio.run(serve(Starlette(lifespan=lifespan), listener, until_stdin_closes=True))

fedsight.cli.app.app = app
sys.exit(run([]))
"""


@pytest.mark.parametrize(
    ("fails", "code", "said"),
    [
        ("begin", 1, "fedsight: the service could not begin: ValueError: no such thing"),
        ("told", 1, "fedsight: the cellar is full; empty it"),
        ("end", 1, "fedsight: the service could not be closed well: OSError: the disk went away"),
        ("nothing", 0, ""),
    ],
)
def test_how_a_process_ends_whose_application_fails(fails: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, fails],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines[-1:] == ([said] if said else [])
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_bridge_whose_second_port_is_taken_says_so(tmp_path: Path) -> None:
    settings = {"FEDSIGHT_DATA": str(tmp_path), "FEDSIGHT_BRIDGE_HTTP_PORT": "0"}
    with listening(LOOPBACK, 0) as taken:
        settings["FEDSIGHT_BRIDGE_GRPC_PORT"] = str(taken.getsockname()[1])
        with subprocess.Popen(
            [sys.executable, "-m", "fedsight", "serve", "bridge"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **settings},
            text=True,
        ) as bridge:
            try:
                said, complained = bridge.communicate(timeout=50)
            finally:
                bridge.send_signal(signal.SIGKILL)
    assert bridge.returncode == 1, complained
    assert said == ""
    last = complained.splitlines()[-1]
    assert last.startswith("fedsight: ")
    assert "in use" in last
