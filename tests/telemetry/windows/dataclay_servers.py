"""A real dataClay on this machine: Redis, the metadata service and one backend."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from redis import Redis

from tests.collector.current.redis_server import RedisServer

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there."""
    for _ in range(600):
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, f"{process.args} ended with {process.returncode}"
            time.sleep(0.05)
    raise RuntimeError(f"nobody listens on {port}")


class DataClay:
    """The three processes, each on a free port that it keeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.storage = folder / "storage"
        self.storage.mkdir(parents=True)
        self._redis = RedisServer(folder / "redis")
        self.port = free_port()
        self._backend_port = free_port()
        self._metadata = self._started("metadata", self.port)
        self._backend = self._started("backend", self._backend_port)

    def _started(self, what: str, port: int) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "DATACLAY_KV_HOST": LOOPBACK,
            "DATACLAY_KV_PORT": str(self._redis.port),
            "DATACLAY_STORAGE_PATH": str(self.storage),
            "DATACLAY_IO_BOUND_MULTIPLIER": "32",
            "DATACLAY_LOGLEVEL": "WARNING",
            **{f"DATACLAY_{what.upper()}_{key}": LOOPBACK for key in ("HOST", "LISTEN_ADDRESS")},
            f"DATACLAY_{what.upper()}_PORT": str(port),
        }
        with (self._folder / f"{what}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", f"dataclay.{what}"],
                env=environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        wait_until_open(port, process)
        return process

    def kill_backend(self) -> None:
        """End the backend as a crash does."""
        self._backend.send_signal(signal.SIGKILL)
        self._backend.wait(10)

    def restart_backend(self) -> None:
        """As docs/dataclay.md says: dataClay refuses a backend whose last life is registered."""
        backend = (self.storage / "BACKEND_ID").read_text()
        with Redis(LOOPBACK, self._redis.port) as redis:
            redis.delete(f"/backend/{backend}")
        self._backend = self._started("backend", self._backend_port)

    def close(self) -> None:
        """End all three."""
        for process in (self._backend, self._metadata):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._redis.stop()
