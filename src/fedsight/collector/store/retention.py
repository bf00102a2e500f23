"""When samples are sealed and how long they stay, by age and by size. Pure.

What is let go of is told as an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fedsight.collector.store.manifest import Segment
from fedsight.errors import SettingsError
from fedsight.signals import Event

DAY = 86_400 * 10**9
#: A file must not span more than this part of the time that samples stay, for it goes as a whole.
PART_OF_AGE = 8


@dataclass(frozen=True)
class Retention:
    """None: for ever. Runs, rounds and events are never touched, whatever stands here.

    `raw_days`: samples as they came in; `rollup_days`: what minutes and hours held, at least as
    long; `max_mb`: all sealed files together. Raises SettingsError for what cannot be.
    """

    raw_days: float | None = None
    rollup_days: float | None = None
    max_mb: int | None = None

    def __post_init__(self) -> None:
        for name in ("raw_days", "rollup_days", "max_mb"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SettingsError(f"{name} must be above 0 or absent, got {value}")
        if self.rollup_days is not None and self.rollup_days < (self.raw_days or 2**62):
            raise SettingsError(
                f"rollup_days must be at least raw_days ({self.raw_days}), got {self.rollup_days}"
            )

    @property
    def widest(self) -> int | None:
        """How far apart in ns the ends of files that are merged may be."""
        return None if self.raw_days is None else int(self.raw_days * DAY / PART_OF_AGE)

    @property
    def keeps_rollups(self) -> bool:
        """Whether roll-ups outlive their samples."""
        return self.raw_days is not None and self.rollup_days != self.raw_days


@dataclass(frozen=True, slots=True)
class Upkeeping:
    """When what is done: samples are sealed once they are so many, or this many seconds old."""

    seal_samples: int = 1_000_000
    seal_seconds: float = 3600.0
    look_seconds: float = 1.0
    kept: Retention = field(default_factory=Retention)


@dataclass(frozen=True, slots=True)
class Expired:
    """What is to go and why: raw files, whose roll-ups may stay, and roll-ups without samples."""

    raw: list[Segment]
    rolled: list[Segment]
    why: str


def expired(all_: Sequence[Segment], kept: Retention, now: int) -> Expired | None:
    """What has stayed too long or is too much; None where all may stay."""
    raw = [s for s in all_ if not s.step and _older(s, kept.raw_days, now)]
    alone = [s for s in all_ if s.step and s.source is None]
    rolled = [s for s in alone if _older(s, kept.rollup_days, now)]
    if raw or rolled:
        return Expired(raw, rolled, "age")
    if kept.max_mb is not None:
        return _too_much(all_, kept.max_mb * 10**6)
    return None


def _older(segment: Segment, days: float | None, now: int) -> bool:
    """Whether all of a file is older; samples from the future age from when they were sealed."""
    return days is not None and min(segment.last_time, segment.created) < now - int(days * DAY)


def _too_much(all_: Sequence[Segment], most: int) -> Expired | None:
    """The oldest samples first, then the oldest roll-ups, until the rest fits."""
    over = sum(segment.bytes for segment in all_) - most
    raw: list[Segment] = []
    rolled: list[Segment] = []
    for segment in sorted(all_, key=lambda s: (s.step > 0, min(s.last_time, s.created))):
        if over <= 0:
            break
        if not segment.step:
            raw.append(segment)
        elif segment.source is None:
            rolled.append(segment)
        else:
            continue
        over -= segment.bytes
    return Expired(raw, rolled, "size") if raw or rolled else None


def told(gone: Expired, now: int, *, rollups_kept: bool) -> Event:
    """The event that says what was let go of."""
    segments = [*gone.raw, *gone.rolled]
    details = {
        "why": gone.why,
        "samples": sum(segment.n for segment in gone.raw),
        "rollup_windows": sum(segment.n for segment in gone.rolled),
        "from": min(segment.first_time for segment in segments),
        "to": max(segment.last_time for segment in segments),
        "rollups_kept": rollups_kept,
    }
    return Event(now, "collector", "SAMPLES_EXPIRED", details=details)
