"""How an agent is to run: everything that it is told at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fedsight.config.telemetry import NODE_PATTERN
from fedsight.door.hosts import is_loopback
from fedsight.errors import SettingsError
from fedsight.telemetry.agent.bridge import Endpoint
from fedsight.telemetry.agent.exposition import Bounds


@dataclass(frozen=True)
class Target:
    """One Prometheus target: its name downstream, its whole URL, how often it is scraped (s), and
    the file with the bearer token that it asks for. Raises SettingsError where that would be sent
    for others to read."""

    name: str
    url: str
    interval: float = 3.0
    token_file: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        heard = parts.scheme != "https" and not is_loopback(parts.hostname or "")
        if self.token_file is not None and heard:
            raise SettingsError(
                f"token_file of the agent's target {self.name} would be sent to {parts.hostname}"
                " without encryption; give its url with https://, or leave the token out"
            )


@dataclass(frozen=True)
class AgentOptions:
    """What one agent scrapes and where it sends that. Times in seconds; `pause_first` and
    `pause_most` bound the wait after a failure of sending, `target_pause` that of a target.
    Raises SettingsError naming the key, its value and what is allowed."""

    node: str
    host_name: str
    targets: tuple[Target, ...]
    endpoint: Endpoint
    queue: Path
    scrape_timeout: float = 2.5
    batch: float = 180.0
    send_timeout: float = 10.0
    queue_bytes: int = 256 * 2**20
    bounds: Bounds = field(default_factory=Bounds)
    request_bytes: int = 2 * 2**20
    pause_first: float = 1.0
    pause_most: float = 60.0
    target_pause: float = 30.0
    stop: float = 3.0

    def __post_init__(self) -> None:
        if not re.fullmatch(NODE_PATTERN, self.node):
            raise SettingsError(
                "agent.node must be a name of at most 64 letters, digits, '.', '_' and '-',"
                f" got {self.node!r}"
            )
        if len({target.name for target in self.targets}) < max(1, len(self.targets)):
            raise SettingsError("agent.targets must have one target or more, with names apart")
