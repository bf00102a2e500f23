"""`fedsight serve bridge` in a process of its own, and calls of it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import httpx

from fedsight.telemetry.bridge.grpc_door import SERVICES
from tests.cli.command import environment

PROTOBUF = {"content-type": "application/x-protobuf"}
SECONDS = 20


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Bridge:
    """A running bridge over `data`; settings are given as of the environment, `token="always"`.

    Use as a context: it ends with SIGTERM.
    """

    def __init__(
        self,
        data: Path,
        *arguments: str,
        ports: tuple[int, int] = (0, 0),
        collector: str = "http://127.0.0.1:0",
        **own: str,
    ) -> None:
        self.data = data
        settings = {f"FEDSIGHT_BRIDGE_{key.upper()}": said for key, said in own.items()}
        grpc_port, http_port = map(str, ports)
        command = [sys.executable, "-m", "fedsight", "serve", "bridge", *arguments]
        self.process = subprocess.Popen(
            [*command, "--grpc-port", grpc_port, "--http-port", http_port],
            env=environment(data, COLLECTOR_PORT=collector.rpartition(":")[2], **settings),
            cwd=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(2)]
        if not lines[1]:
            raise RuntimeError(self.process.communicate(timeout=10)[1])
        self.grpc, self.http = (line.split()[-1] for line in lines)
        self.target = self.grpc.partition("//")[2]
        self.said = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self.channel = grpc.insecure_channel(self.target)
        self.client = httpx.Client(base_url=self.http, timeout=SECONDS, trust_env=False)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def export(self, signal_name: str, body: bytes, channel: Any = None, **named: Any) -> bytes:
        """The bytes of an answer; raises grpc.RpcError."""
        method = f"/{SERVICES[signal_name]}/Export"
        call = (channel or self.channel).unary_unary(method)
        found: bytes = call(body, timeout=SECONDS, **named)
        return found

    def post(self, signal_name: str, body: bytes, **headers: str) -> httpx.Response:
        """An answer over HTTP; a header's name is written with underscores."""
        named = {key.replace("_", "-"): said for key, said in headers.items()}
        path = f"/v1/{signal_name}"
        return self.client.post(path, content=body, headers={**PROTOBUF, **named})

    def figures(self) -> dict[str, float]:
        """Its figures by name and labels, without their prefix."""
        lines = self.client.get("/metrics").text.splitlines()
        parted = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("fedsight_bridge_"): float(value) for name, value in parted}

    def taken(self, signal_name: str = "metrics") -> int:
        """Points, records or spans that it kept."""
        return int(self.figures()[f'taken_total{{signal="{signal_name}"}}'])

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._close()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._close()

    def _close(self) -> int:
        self.channel.close()
        self.client.close()
        code = self.process.wait(SECONDS)
        self._reading.join(SECONDS)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
        elif self.process.stdout is not None and not self.process.stdout.closed:
            self._close()
