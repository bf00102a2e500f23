"""Anchors on their way to the witness and back: as events, which the collector keeps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fedsight.policy.audit.record import Anchor, AuditError
from fedsight.signals import Event

SOURCE = "policy"
AUDIT_ANCHOR = "AUDIT_ANCHOR"


def event(anchor: Anchor, run: str | None = None) -> Event:
    """An anchor as the event that a collector keeps."""
    details = msgspec.to_builtins(anchor)
    return Event(time.time_ns(), SOURCE, AUDIT_ANCHOR, run, details=details)


def anchors(details: Iterable[Mapping[str, Any]]) -> list[Anchor]:
    """The anchors in the details of events; what is none is left out: it vouches for nothing."""
    found = []
    for one in details:
        try:
            found.append(msgspec.convert(one, Anchor))
        except msgspec.ValidationError:
            continue
    return found


def read(path: Path) -> list[Anchor]:
    """The anchors in a file of JSON lines. Raises AuditError."""
    try:
        lines = path.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=Anchor) for line in lines if line.strip()]
    except (OSError, msgspec.MsgspecError) as error:
        raise AuditError(f"{path} holds no anchors: {error}") from error
