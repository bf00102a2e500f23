"""A disk that takes no more: a limit on the size of files, and a small file system of its own."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fedsight.signals import Batch, Event
from tests.collector.server import Server
from tests.collector.shipments import START, shipment, whole_run

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"cannot mount a small file system: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def filler(seq: int) -> bytes:
    event = Event(START, "federated", "NOTE", "r-1", details={"x": "y" * 100_000})
    return msgspec.json.encode(shipment("fill", [Batch(events=[event])], seq))


def fill(server: Server) -> int:
    """Send until the disk takes no more; the seq of the record that it did not take."""
    for seq in range(1, 50):
        answer = server.post(filler(seq))
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
            return seq
    raise AssertionError("the disk never filled")


def limit_files(server: Server, size: int) -> None:
    """How large a file of the collector's may grow, from now on."""
    pid, kind = server.process.pid, resource.RLIMIT_FSIZE
    resource.prlimit(pid, kind, (size, resource.prlimit(pid, kind)[1]))


def test_a_file_that_cannot_grow_is_507_and_nothing_is_half_done(tmp_path: Path) -> None:
    with Server(tmp_path) as running:
        running.send("j", whole_run("r-1", ["a"]))
        limit_files(running, 600_000)
        seq = fill(running)
        assert running.get("/api/v1/status")["signals"]["events"] == 6 + seq - 1
        assert running.get("/health")["status"] == "degraded"
        limit_files(running, resource.RLIM_INFINITY)
        assert running.post(filler(seq)).json() == {"next_seq": seq + 1}
        assert running.get("/api/v1/status")["signals"]["events"] == 6 + seq
        assert running.get("/health")["status"] == "healthy"


def test_a_full_disk_is_507_and_nothing_is_half_done(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 600_000)
    with Server(small_disk) as running:
        running.send("j", whole_run("r-1", ["a"]))
        before = running.get("/api/v1/runs/r-1/clients")
        seq = fill(running)
        assert running.post(filler(seq)).status_code == 507
        assert running.get("/api/v1/runs/r-1/clients") == before
        assert running.get("/health")["status"] == "degraded"
        assert running.get("/api/v1/status")["signals"]["events"] == 6 + seq - 1
        ballast.unlink()
        # Room is back: the same shipment is taken, once.
        assert running.post(filler(seq)).json() == {"next_seq": seq + 1}
        assert running.get("/health")["status"] == "healthy"
        assert running.get("/api/v1/status")["signals"]["events"] == 6 + seq
        assert running.end() == (0, "")
