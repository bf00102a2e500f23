"""Collectors as a run finds or starts them: one that already answers, or a child process."""

from __future__ import annotations

import os
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import httpx

from fedsight.cli.interrupts import INTERRUPTS
from fedsight.config import CONFIG_VARIABLE, LOOPBACK, Settings
from fedsight.errors import FedsightError
from fedsight.starting import command

SERVICE = "fedsight-collector"
LISTENING = "listening on "
START_SECONDS = 30.0
STOP_SECONDS = 10.0
PROBE_SECONDS = 2.0
LOG_BYTES = 4 * 2**20
#: An empty store and a journal need about so much.
LEAST_BYTES = 256 * 1024


class PortInUseError(FedsightError):
    """Somebody else has the port."""


@dataclass
class Collector:
    """A collector that listens at `url`; `child` is None where somebody else started it.

    `verify` is whom to trust there over TLS.
    """

    url: str
    token: str
    child: subprocess.Popen[bytes] | None = None
    verify: ssl.SSLContext | bool = True

    def keep(self, child: subprocess.Popen[bytes]) -> None:
        """`child` is what listens there: it ends with us."""
        self.child = child


def answers(settings: Settings, port: int) -> bool:
    """Whether a collector of this data directory answers at `port`; False where nobody does.

    Raises PortInUseError where another program, or another data directory's collector, does.
    """
    address = f"{reachable(settings.collector.host)}:{port}"
    try:
        response = httpx.get(
            f"{collector_url(settings, port)}/health",
            timeout=PROBE_SECONDS,
            trust_env=False,
            verify=settings.collector.trust.verify(),
        )
        if response.status_code == 401:
            # Not with our token: whoever listens there could keep it.
            raise PortInUseError(
                f"{address} is in use by a program that asks for a token; a run joins a collector"
                " on loopback only: choose another port with --port"
            )
        health = response.json()
        service, store = health["service"], health["store_id"]
    except httpx.ConnectError:
        return False
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        message = f"{address} is in use by another program; choose another port with --port"
        raise PortInUseError(message) from error
    if service != SERVICE or store != _store_id(settings.data):
        raise PortInUseError(
            f"{address} is in use by a fedsight with another data directory than {settings.data};"
            " choose another port with --port"
        )
    return True


def complaints(collector: Collector) -> list[str]:
    """What the collector's health finds wrong: a damaged store that was kept aside, for example."""
    try:
        response = httpx.get(
            f"{collector.url}/health",
            headers={"Authorization": f"Bearer {collector.token}"},
            timeout=PROBE_SECONDS,
            trust_env=False,
            verify=collector.verify,
        )
        parts = response.json()["components"].values()
    except (httpx.HTTPError, ValueError, KeyError):
        return []
    return [part["error"] for part in parts if part.get("error")]


def reachable(host: str) -> str:
    """The address at which one reaches a server bound to `host`."""
    if host in {"0.0.0.0", "::"}:
        return LOOPBACK
    return f"[{host}]" if ":" in host else host


def collector_url(settings: Settings, port: int) -> str:
    """The address at which the collector of these settings is reached from this machine."""
    return f"{settings.collector.scheme}://{reachable(settings.collector.host)}:{port}"


def make_writable(data: Path) -> None:
    """Make the data directory; raises FedsightError where it cannot be written."""
    try:
        (data / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
        log_file(data).touch(0o600)
        with tempfile.TemporaryFile(dir=data) as probe:
            probe.write(bytes(LEAST_BYTES))
    except OSError as error:
        raise FedsightError(
            f"cannot write to the data directory {data}: {error.strerror};"
            " choose another with FEDSIGHT_DATA"
        ) from error


def log_file(data: Path) -> Path:
    """Where our child writes what it has to say."""
    return data / "logs" / "collector.log"


def _store_id(data: Path) -> str | None:
    try:
        return (data / "store-id").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def token(data: Path) -> str:
    """What a change over HTTP has to show; raises FedsightError where it cannot be read."""
    path = data / "token"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise FedsightError(f"cannot read the collector's token {path}: {error.strerror}") from None


def started(
    settings: Settings,
    port: int,
    keep: Callable[[subprocess.Popen[bytes]], object] = lambda _: None,
) -> tuple[subprocess.Popen[bytes], str]:
    """A collector of our own and its address, once it listens; FedsightError where it does not.

    `keep` is told of the process as soon as there is one: no Ctrl-C comes between.
    """
    with INTERRUPTS.held():
        child = _child(settings, port)
        keep(child)
    try:
        return child, _first_line(child, settings)
    except BaseException:
        stop(child)
        raise


def _child(settings: Settings, port: int) -> subprocess.Popen[bytes]:
    """The collector as a process of its own session, so that Ctrl-C does not hit it.

    It ends when its standard input closes: with us, however we end.
    """
    serve = command("fedsight", "serve", "collector", "--until-stdin-closes")
    serve += ["--host", settings.collector.host, "--port", str(port)]
    environment = {
        **os.environ,
        "FEDSIGHT_DATA": str(settings.data),
        "LOG_LEVEL": settings.log.level,
        "FL_SERVER_URL": settings.services.fl_server_url,
        "FORECAST_URL": settings.services.forecast_url,
    }
    if settings.file is not None:
        environment[CONFIG_VARIABLE] = str(settings.file)
    with _log(settings.data).open("ab") as log:
        return subprocess.Popen(
            serve,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env=environment,
        )


def _log(data: Path) -> Path:
    path = log_file(data)
    if path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child, gently first."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def _first_line(child: subprocess.Popen[bytes], settings: Settings) -> str:
    """The address in the child's first line."""
    lines: SimpleQueue[bytes] = SimpleQueue()
    assert child.stdout is not None
    reader = threading.Thread(target=_read_line, args=(child.stdout, lines), daemon=True)
    reader.start()
    line = _within(lines, START_SECONDS).decode(errors="replace").strip()
    if line.startswith(LISTENING):
        return line.removeprefix(LISTENING)
    raise FedsightError(f"the collector did not start: {_last_words(settings.data)}")


def _read_line(stream: object, lines: SimpleQueue[bytes]) -> None:
    lines.put(stream.readline())  # type: ignore[attr-defined]


def _within(lines: SimpleQueue[bytes], seconds: float) -> bytes:
    """The line, or nothing; waits in short steps, so that Ctrl-C is heard."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return lines.get(timeout=0.1)
        except Empty:
            continue
    return b""


def _last_words(data: Path) -> str:
    """The last line of the child's log, or where to look."""
    lines = log_file(data).read_text(encoding="utf-8", errors="replace").split("\n")
    words = [line for line in lines if line.strip()]
    return words[-1].removeprefix("fedsight: ") if words else f"see {log_file(data)}"
