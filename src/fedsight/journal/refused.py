"""What stands in a journal in the place of a record that the collector refuses for good."""

from __future__ import annotations

import time

from fedsight.journal.sink import DeliveryError
from fedsight.signals import Batch, Event

SOURCE = "journal"
KIND = "RECORD_REFUSED"


def refusal(journal: str, seq: int, refused: Batch, error: DeliveryError) -> Batch:
    """The record that says which one was refused, at which field and why."""
    details = {"journal": journal, "seq": seq, "field": error.field, "message": str(error)}
    return Batch(events=[Event(time.time_ns(), SOURCE, KIND, _run(refused), details=details)])


def is_notice(batch: Batch) -> bool:
    """Whether the record is already such a notice: it is not replaced again."""
    return len(batch.events) == 1 and (batch.events[0].source, batch.events[0].kind) == (
        SOURCE,
        KIND,
    )


def _run(batch: Batch) -> str | None:
    """The one run that the record was about; None where it was about none or several."""
    runs = {event.run for event in batch.events} | {span.run for span in batch.spans}
    runs |= {series.labels.get("run") for series in batch.samples.series}
    runs.discard(None)
    return runs.pop() if len(runs) == 1 else None
