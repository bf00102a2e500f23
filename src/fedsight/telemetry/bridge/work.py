"""One request on its way to disk, and where what is forwarded goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fedsight.signals import Batch, SampleColumns
from fedsight.telemetry.bridge.series import LONGEST_NAME, Origin
from fedsight.telemetry.windows.sorting import Point

#: Points for windows, by the resource and scope they came from.
OfWindows = list[tuple[Origin, list[Point]]]


@dataclass(slots=True)
class Work:
    """What one request brought. `digest` tells it from others; `size` is its bytes on the wire.

    `came` is when it came (Unix ns), `signals` are events and spans that were sent, `notices`
    events of the bridge's own.
    """

    digest: bytes
    size: int
    came: int = 0
    samples: SampleColumns = field(default_factory=SampleColumns)
    signals: Batch | None = None
    windows: OfWindows = field(default_factory=list)
    notices: Batch | None = None
    done: asyncio.Future[None] | None = None


class Forward(Protocol):
    """What becomes of signals besides windows. For one thread, but for `full`."""

    #: Characters that a series' name may have, so that it can be forwarded.
    longest_name: int

    def keep(self, works: Sequence[Work]) -> int:
        """Have all of it on disk; returns how many requests had been kept before.

        Raises JournalError where the disk cannot be written: then nothing need have been kept.
        """
        ...

    def tend(self, now: int) -> None:
        """Do what is due at `now` (Unix ns). Raises JournalError."""
        ...

    def full(self) -> bool:
        """Whether what is on disk already has to be taken away first. Any thread may ask."""
        ...

    def close(self) -> None:
        """Close what it opened itself."""
        ...


class Nowhere:
    """Nothing leaves the node."""

    longest_name = LONGEST_NAME

    def keep(self, works: Sequence[Work]) -> int:
        """Nothing is kept."""
        return 0

    def tend(self, now: int) -> None:
        """Nothing is due."""

    def full(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Nothing is open."""


def merged(parts: Sequence[SampleColumns]) -> SampleColumns:
    """Samples of several requests as one: each series once, the samples in their order."""
    if len(parts) == 1:
        return parts[0]
    found = SampleColumns()
    known: dict[int, int] = {}
    for part in parts:
        places = []
        for series in part.series:
            at = known.setdefault(id(series), len(found.series))
            if at == len(found.series):
                found.series.append(series)
            places.append(at)
        found.index.extend([places[at] for at in part.index])
        found.time.extend(part.time)
        found.value.extend(part.value)
        found.round.extend(part.round)
    return found
