"""What several commands share: the option that names the configuration, and figures as text."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

UNKNOWN = "unknown"

Config = Annotated[
    Path | None,
    typer.Option(
        help="Configuration file.",
        show_default="$FEDSIGHT_CONFIG or ./fedsight.toml",
        metavar="FILE",
    ),
]


def figure(value: float | None, digits: int = 4) -> str:
    """A number, or "unknown"."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as `1.62 s`, `2 min 05 s` or `3 h 07 min`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.2f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} min"


def size(count: float | None) -> str:
    """Bytes with a decimal prefix: `4.6 MB`."""
    if count is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def log_to_stderr(level: str) -> None:
    """Let a service say what it has to say; standard output belongs to its parent."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        for chatty in ("httpx", "uvicorn.error"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
