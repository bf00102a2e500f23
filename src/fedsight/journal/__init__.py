"""What a producer of signals keeps on disk until the collector has it.

A `Journal` is one append-only SQLite file of one producer; a `Shipper` sends its records to a
`Sink` in the background, in order, each once as far as the collector is concerned. `HttpSink`
(`fedsight.journal.http`) is the sink that speaks to the collector.
"""

from fedsight.journal.file import Journal, JournalInUseError, Record
from fedsight.journal.orphans import orphans
from fedsight.journal.shipping import Health, Shipper
from fedsight.journal.sink import DeliveryError, GapError, MemorySink, Sink

__all__ = [
    "DeliveryError",
    "GapError",
    "Health",
    "Journal",
    "JournalInUseError",
    "MemorySink",
    "Record",
    "Shipper",
    "Sink",
    "orphans",
]
