from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from fedsight.collector.options import CollectorOptions
from fedsight.errors import SettingsError
from tests.collector.server import Server, command, refused
from tests.collector.shipments import whole_run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_that_it_listens_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    with Server(tmp_path) as running:
        assert running.line == f"listening on {running.url}"
        running.send("j", whole_run("r-1", ["a"]))
        assert running.end(number) == (0, "")
    # The write-ahead log is folded back: the store is one file.
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(("-wal", "-shm"))]


def test_what_was_collected_is_there_after_a_restart(tmp_path: Path) -> None:
    paths = [f"/api/v1/runs/r-1{part}" for part in ("", "/rounds", "/clients")]
    with Server(tmp_path) as first:
        first.send("j", whole_run("r-1", ["a"]))
        before = [first.get(path) for path in paths]
        store_id = first.get("/health")["store_id"]
    with Server(tmp_path) as second:
        assert before == [
            second.get(f"/api/v1/runs/r-1{part}") for part in ("", "/rounds", "/clients")
        ]
        assert second.get("/health")["store_id"] == store_id
        assert second.token == first.token


def test_the_token_is_for_its_owner_alone(server: Server) -> None:
    assert stat.S_IMODE((server.data / "token").stat().st_mode) == 0o600
    assert len(server.token) >= 43


def test_a_port_in_use_is_one_sentence_naming_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(tmp_path, port=port)
    assert said == (
        f"port {port} on 127.0.0.1 is in use by another program; choose another with --port"
    )


def test_two_collectors_cannot_share_a_data_directory(tmp_path: Path) -> None:
    with Server(tmp_path) as first:
        said = refused(tmp_path)
        assert said == (
            f"another collector (process {first.process.pid}) already uses the data directory"
            f" {tmp_path}: end it first, or choose another directory with FEDSIGHT_DATA"
        )
    with Server(tmp_path):
        pass


def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(tmp_path / "file" / "data")
    assert said.startswith(f"cannot write to the data directory {tmp_path}/file/data: ")
    assert "\n" not in said


def test_a_child_ends_when_its_standard_input_closes(tmp_path: Path) -> None:
    with Server(tmp_path, until_stdin_closes=True) as running:
        assert running.process.stdin is not None
        running.process.stdin.close()
        assert running.process.wait(15) == 0


PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
time.sleep(60)
"""


def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    child = command(tmp_path, until_stdin_closes=True)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *child], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().split()[-1]
    assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    parent.kill()
    parent.wait()
    # The pipe ends when the child, its last holder, has ended.
    assert parent.stdout.read() == ""
    parent.stdout.close()
    with Server(tmp_path):
        pass


def test_a_bad_option_is_refused_with_its_value() -> None:
    with pytest.raises(SettingsError, match="port must lie between 0 and 65535, got 70000"):
        CollectorOptions(Path("x"), port=70000)
    with pytest.raises(SettingsError, match="body_bytes must be above 0, got 0"):
        CollectorOptions(Path("x"), body_bytes=0)


def test_it_starts_without_the_heavy_guests(tmp_path: Path) -> None:
    program = (
        "import sys; import fedsight.collector.service;"
        "print(*{'torch','flwr','pandas','duckdb','pydantic','fastapi','httpx'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == ""
