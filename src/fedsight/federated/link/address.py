"""Where a SuperLink listens."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fedsight.config import PORTS
from fedsight.errors import UsageError


@dataclass(frozen=True)
class Address:
    """A host, without brackets, and a port."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Address:
        """`HOST:PORT`, or a host alone with Flower's own port; UsageError where it is neither."""
        try:
            parts = urlsplit(f"//{text.strip()}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.path or parts.query:
            raise UsageError(f"superlink must be HOST:PORT, got {text!r}")
        return cls(host, PORTS["superlink"].number if port is None else port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
