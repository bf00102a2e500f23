"""One request on its way to disk, and where what is forwarded goes."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fedsight.signals import Batch, SampleColumns, Series
from fedsight.telemetry.bridge.series import LONGEST_NAME, Origin
from fedsight.telemetry.windows.sorting import Point

#: Points for windows, by the resource and scope they came from.
OfWindows = list[tuple[Origin, list[Point]]]


@dataclass(slots=True)
class Work:
    """What one request brought: `body`, the bytes that it was, tells it from others.

    `came` is when it came (Unix ns), `signals` are events and spans that were sent, `notices`
    events of the bridge's own. `refused` are points that windows will never take, and why;
    `rejected` counts samples that can be kept no more, by reason.
    """

    body: bytes
    came: int = 0
    samples: SampleColumns = field(default_factory=SampleColumns)
    signals: Batch | None = None
    windows: OfWindows = field(default_factory=list)
    notices: Batch | None = None
    refused: list[tuple[int, str]] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    done: asyncio.Future[None] | None = None

    def digest(self) -> bytes:
        """Of its bytes."""
        return hashlib.blake2b(self.body, digest_size=16).digest()


class Forward(Protocol):
    """What becomes of signals besides windows. For one thread, but for `full`."""

    #: Characters that a series' name may have, so that it can be forwarded.
    longest_name: int
    #: Whether anything is kept at all.
    keeps: bool

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
    keeps = False

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
    last: list[Series] = []
    places: list[int] = []
    for part in parts:
        # What one producer sends has the same series each time: the same objects, compared quickly.
        if part.series != last:
            last, places = part.series, _placed(part.series, found.series, known)
        found.index.extend(map(places.__getitem__, part.index))
        found.time.extend(part.time)
        found.value.extend(part.value)
        found.round.extend(part.round)
    return found


def _placed(series: list[Series], unique: list[Series], known: dict[int, int]) -> list[int]:
    """Where each series stands among the unique ones, which it joins where it is new."""
    places = []
    for one in series:
        at = known.setdefault(id(one), len(unique))
        if at == len(unique):
            unique.append(one)
        places.append(at)
    return places
