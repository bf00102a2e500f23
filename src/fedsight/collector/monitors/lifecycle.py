"""The collector's own story as events: it started, with which settings changed; it stopped."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
from msgspec import Struct

from fedsight import __version__
from fedsight.signals import Event

NAME = "events"
SOURCE = "collector"


class LifeCursor(Struct, frozen=True):
    """What was so at the last start: a digest of each setting, and whether it ended by itself."""

    settings: dict[str, str] = {}
    running: bool = False


def digests(options: Any, key: bytes) -> dict[str, str]:
    """A digest of every setting, by its name; nested ones as `monitors.interval`.

    Keyed with what this data directory alone knows: a setting may be a password, and what is
    easily guessed is easily found again behind a plain hash.
    """
    found: dict[str, str] = {}
    for each in fields(options):
        value = getattr(options, each.name)
        if is_dataclass(value):
            inner = digests(value, key)
            found.update({f"{each.name}.{name}": digest for name, digest in inner.items()})
        else:
            said = hmac.new(key, repr(value).encode(), hashlib.sha256)
            found[each.name] = said.hexdigest()[:16]
    return found


def started(before: LifeCursor | None, settings: Mapping[str, str], now: int) -> list[Event]:
    """The events of a start. `after` says how the last one ended; absent at the very first."""
    details: dict[str, Any] = {"version": __version__, "settings": _whole(settings)}
    if before is None:
        return [Event(now, SOURCE, "COLLECTOR_STARTED", details=details)]
    details["after"] = "crash" if before.running else "stop"
    events = [Event(now, SOURCE, "COLLECTOR_STARTED", details=details)]
    names = before.settings.keys() | settings.keys()
    changed = sorted(name for name in names if before.settings.get(name) != settings.get(name))
    if changed:
        told = {"changed": changed, "before": _whole(before.settings), "now": _whole(settings)}
        events.append(Event(now, SOURCE, "CONFIGURATION_CHANGED", details=told))
    return events


def stopped(seconds: float, now: int) -> Event:
    """The event of a stop, after so many seconds."""
    return Event(now, SOURCE, "COLLECTOR_STOPPED", details={"seconds": round(seconds, 3)})


def _whole(settings: Mapping[str, str]) -> str:
    """One digest of all settings."""
    told = msgspec.json.encode(dict(sorted(settings.items())))
    return hashlib.sha256(told).hexdigest()[:16]
