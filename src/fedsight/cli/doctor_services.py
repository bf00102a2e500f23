"""The services that `fedsight doctor` looks for at the addresses of the settings."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import httpx

from fedsight.cli.attached import PROBE_SECONDS, reachable
from fedsight.cli.findings import Finding
from fedsight.config import Settings


@dataclass(frozen=True)
class Place:
    """A service as the settings place it. `told` is the name that its `/health` says, or how the
    text at `/` begins; None: it speaks no HTTP. `secure`: by TLS."""

    service: str
    command: str
    host: str
    port: int
    told: str | None
    health: bool = True
    secure: bool = False

    @property
    def url(self) -> str:
        """What is asked."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{reachable(self.host)}:{self.port}/{'health' if self.health else ''}"


def places(settings: Settings) -> list[Place]:
    """Every service but the collector, whose port doctor looks at by itself."""
    bridge, policy, forecast = settings.bridge, settings.policy, settings.forecast
    exporter, agent = settings.exporter, settings.agent
    tls = bridge.tls_cert is not None
    return [
        Place("exporter", "exporter", exporter.host, exporter.port, "Figures of this", False),
        Place("agent", "agent", agent.host, agent.port, "The agent", False),
        Place("bridge", "bridge", bridge.host, bridge.http_port, "fedsight-bridge", secure=tls),
        Place("bridge, gRPC", "bridge", bridge.host, bridge.grpc_port, None, secure=tls),
        Place("forecaster", "forecast", forecast.host, forecast.port, "fedsight-forecast"),
        Place(
            "policy",
            "policy",
            policy.host,
            policy.port,
            "fedsight-policy",
            secure=policy.tls_cert is not None,
        ),
    ]


def services(settings: Settings) -> list[Finding]:
    """How each service stands. None is needed to train."""
    return [look(place) for place in places(settings)]


def look(place: Place) -> Finding:
    """Whether it answers, whether somebody else has its port, or nobody."""
    if place.port == 0:
        return Finding(place.service, "ok", "any free port: it says which at its start")
    host = reachable(place.host)
    try:
        with socket.create_connection((host.strip("[]"), place.port), timeout=PROBE_SECONDS):
            pass
    except OSError:
        free = f"not running; port {place.port} is free for `fedsight serve {place.command}`"
        return Finding(place.service, "ok", free)
    if place.told is None or place.secure:
        how = "with TLS, not asked" if place.secure else "not asked"
        return Finding(place.service, "ok", f"somebody listens at {host}:{place.port}, {how}")
    return _asked(place)


def _asked(place: Place) -> Finding:
    """By its answer. Nobody is shown the token: it may be another program."""
    foreign = Finding(
        place.service,
        "note",
        f"port {place.port} is in use by another program",
        f"choose another port for `fedsight serve {place.command}`",
    )
    try:
        answer = httpx.get(place.url, timeout=PROBE_SECONDS, trust_env=False)
        if answer.status_code == 401:
            return Finding(place.service, "ok", f"{place.url} asks for a token, not asked further")
        if not place.health:
            known = answer.text.startswith(place.told or "")
            return Finding(place.service, "ok", f"answers at {place.url}") if known else foreign
        said: dict[str, Any] = answer.json()
        if not str(said["service"]).startswith(place.told or ""):
            return foreign
        wrong = [
            f"{name}: {part['error']}"
            for name, part in said.get("components", {}).items()
            if part.get("error")
        ]
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return foreign
    if said.get("status") == "healthy" and not wrong:
        return Finding(place.service, "ok", f"answers at {place.url}")
    return Finding(place.service, "note", f"answers, but {'; '.join(wrong) or said.get('status')}")
