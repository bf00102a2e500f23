"""A real Redis server, Debian's redis-server, on a free port in a folder of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from fedsight.collector.current.remote import RedisAddress


class RedisServer:
    """A server that keeps its port when it is started again; what it held is gone."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._password = password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> RedisAddress:
        """Where it is."""
        return RedisAddress("127.0.0.1", self.port, self._password)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["/usr/bin/redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--dir", str(self._folder)]
        command += ["--requirepass", self._password] if self._password else []
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
