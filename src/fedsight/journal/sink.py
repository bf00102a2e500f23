"""Where a journal's records go: the contract, its errors, and the sink that tests use."""

from __future__ import annotations

from typing import Protocol

from fedsight.errors import FedsightError
from fedsight.signals import Batch, Shipment


class GapError(FedsightError):
    """The receiver misses records before this shipment, from `expected_seq` on."""

    def __init__(self, expected_seq: int) -> None:
        super().__init__(f"the receiver expects record {expected_seq}")
        self.expected_seq = expected_seq


class DeliveryError(FedsightError):
    """A shipment did not arrive. `refused`: sending the same again will not help; `field`: the
    path of the value that is why, such as `records[0].events[2].details.rounds`."""

    def __init__(self, message: str, *, refused: bool = False, field: str | None = None) -> None:
        super().__init__(message)
        self.refused = refused
        self.field = field

    @property
    def of_a_record(self) -> bool:
        """Whether one record is refused, for good, and those after it may still be taken.

        Not where its run's id belongs to another run: what follows would be taken for that run's.
        """
        field = self.field or ""
        return self.refused and field.startswith("records") and not field.endswith(".run")


class Sink(Protocol):
    """A receiver of shipments that stores each record once, however often it is sent."""

    def send(self, shipment: Shipment) -> int:
        """Store the shipment and return the sequence number expected next, after its commit.

        Raises GapError where records before it are missing and could still be had, DeliveryError
        where it did not arrive.
        """
        ...


class MemorySink:
    """A sink in memory that follows the collector's rules; `failure`, while set, is raised."""

    def __init__(self) -> None:
        self.records: dict[str, dict[int, Batch]] = {}
        self.next_seq: dict[str, int] = {}
        self.shipments = 0
        self.failure: DeliveryError | None = None

    def send(self, shipment: Shipment) -> int:
        """Store what is new, skip what is known, refuse a gap that can be closed."""
        if self.failure is not None:
            raise self.failure
        expected = self.next_seq.get(shipment.journal, 1)
        if shipment.first_seq > expected and shipment.first_seq != shipment.oldest_seq:
            raise GapError(expected)
        held = self.records.setdefault(shipment.journal, {})
        for seq, batch in enumerate(shipment.records, shipment.first_seq):
            held.setdefault(seq, batch)
        self.shipments += 1
        after = shipment.first_seq + len(shipment.records)
        self.next_seq[shipment.journal] = max(expected, after)
        return self.next_seq[shipment.journal]
