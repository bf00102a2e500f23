"""What the store refuses of a look is left out by itself, and told: the rest is kept. Pure.

Without this one event that cannot be kept would hold up a monitor for good, as its cursor moves
only with what was kept.
"""

from __future__ import annotations

import re

from fedsight.door.refusal import BadFieldError
from fedsight.signals import Batch, Event, batch, samples_of

SOURCE = "collector"
#: `own.events[3].details.state`, `own.samples.value[17]`
REFUSED = re.compile(r"^own\.(?:(events)\[(\d+)\]|samples\.\w+\[(\d+)\])")


def without(refused: BadFieldError, found: Batch) -> Batch:
    """The batch without the event or sample that an error names; empty where it names neither."""
    named = REFUSED.match(refused.field)
    if named is None:
        return Batch()
    at = int(named[2] or named[3])
    if named[1]:
        return Batch(found.samples, [*found.events[:at], *found.events[at + 1 :]], found.spans)
    samples = samples_of(found.samples)
    return batch([*samples[:at], *samples[at + 1 :]], found.events, found.spans)


def refusal(refused: BadFieldError, monitor: str, now: int) -> Event:
    """The event that stands in the place of what was left out."""
    details = {"monitor": monitor, "field": refused.field, "message": str(refused)}
    return Event(now, SOURCE, "RECORD_REFUSED", details=details)
