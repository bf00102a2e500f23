"""Shipping: in order, each record once, and the producer never waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.journal import DeliveryError, Journal, MemorySink, Shipper
from fedsight.journal.shipping import pause_after
from fedsight.signals import Shipment
from tests.journal.test_file import a_round


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, "r-1") as opened:
        yield opened


def rounds_of(sink: MemorySink) -> list[int | None]:
    return [batch.events[0].round for _, batch in sorted(sink.records["r-1"].items())]


def test_everything_appended_arrives_in_order(journal: Journal) -> None:
    sink = MemorySink()
    journal.append(a_round(1))
    with Shipper(journal, sink, records=2) as shipper:
        for number in range(2, 8):
            journal.append(a_round(number))
        assert shipper.flush(5)
    assert rounds_of(sink) == [1, 2, 3, 4, 5, 6, 7]
    assert journal.shipped_seq == 7
    assert shipper.health.waiting == 0
    assert shipper.health.last_success is not None


def test_many_fast_appends_make_few_shipments(journal: Journal) -> None:
    sink = MemorySink()
    with Shipper(journal, sink) as shipper:
        for number in range(300):
            journal.append(a_round(number))
        assert shipper.flush(5)
    assert sink.shipments < 30


def test_a_shipment_stays_within_its_size(journal: Journal) -> None:
    sink = MemorySink()
    for number in range(6):
        journal.append(a_round(number))
    with Shipper(journal, sink, max_bytes=1) as shipper:
        assert shipper.flush(5)
    assert sink.shipments == 6


def test_a_sink_that_is_away_is_tried_again_and_its_error_kept(journal: Journal) -> None:
    sink = MemorySink()
    sink.failure = DeliveryError("nobody there")
    journal.append(a_round(1))
    with Shipper(journal, sink, interval=0.01) as shipper:
        assert not shipper.flush(0.1)
        assert shipper.health.last_error == "nobody there"
        assert shipper.health.waiting == 1
        sink.failure = None
        assert shipper.flush(5)
        assert shipper.health.last_error is None


def test_a_refusal_is_logged_as_an_error_once(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink()
    sink.failure = DeliveryError("wrong token", refused=True)
    journal.append(a_round(1))
    with Shipper(journal, sink) as shipper:
        assert not shipper.flush(0.2)
        assert not shipper.flush(0.2)
        assert shipper.health.refused
    refusals = [record for record in caplog.records if "wrong token" in record.message]
    assert [record.levelname for record in refusals] == ["ERROR"]


class Choosy(MemorySink):
    """Refuses every shipment that holds one of these rounds, as the collector does."""

    def __init__(self, refused: set[int], field: str = "samples.value[0]") -> None:
        super().__init__()
        self.refused = refused
        self.field = field

    def send(self, shipment: Shipment) -> int:
        for at, record in enumerate(shipment.records):
            if record.events[0].round in self.refused:
                field = f"records[{at}].{self.field}"
                raise DeliveryError(f"{field}: must be whole", refused=True, field=field)
        return super().send(shipment)


def test_a_refused_record_gives_its_place_to_an_event_and_holds_up_no_other(
    journal: Journal,
) -> None:
    for number in range(1, 8):
        journal.append(a_round(number))
    sink = Choosy({3, 4})
    with Shipper(journal, sink, interval=0.01) as shipper:
        assert shipper.flush(5)
        assert (shipper.health.refused_records, shipper.health.refused) == (2, False)
    assert rounds_of(sink) == [1, 2, None, None, 5, 6, 7]
    notice = sink.records["r-1"][3].events[0]
    assert (notice.kind, notice.run) == ("RECORD_REFUSED", a_round(3).events[0].run)
    assert (notice.details["seq"], notice.details["field"]) == (3, "records[0].samples.value[0]")
    assert "must be whole" in notice.details["message"]


def test_a_run_id_of_another_run_holds_the_journal(journal: Journal) -> None:
    journal.append(a_round(1))
    journal.append(a_round(2))
    sink = Choosy({1}, field="events[0].run")
    with Shipper(journal, sink) as shipper:
        assert not shipper.flush(0.3)
        assert shipper.health.refused
    assert (sink.records, journal.waiting) == ({}, 2)


def test_a_bug_in_the_sink_does_not_end_shipping(journal: Journal) -> None:
    class Buggy(MemorySink):
        def send(self, shipment: Shipment) -> int:
            if not self.shipments:
                self.shipments = 1
                raise RuntimeError("a bug")
            return super().send(shipment)

    journal.append(a_round(1))
    with Shipper(journal, Buggy(), interval=0.01) as shipper:
        assert shipper.flush(5)


def test_a_receiver_that_lost_its_store_gets_all_that_is_held(journal: Journal) -> None:
    for number in range(1, 6):
        journal.append(a_round(number))
    journal.mark_shipped(3)
    sink = MemorySink()
    with Shipper(journal, sink) as shipper:
        assert shipper.flush(5)
    assert rounds_of(sink) == [1, 2, 3, 4, 5]


def test_what_is_gone_for_good_is_not_asked_for_again(tmp_path: Path) -> None:
    with Journal(tmp_path, "r-1", max_bytes=2_000) as journal:
        for number in range(1, 11):
            journal.append(a_round(number))
            journal.mark_shipped(journal.last_seq)
        journal.append(a_round(11))
        oldest = journal.oldest_seq
        assert oldest > 1
        sink = MemorySink()
        with Shipper(journal, sink) as shipper:
            assert shipper.flush(5)
        assert rounds_of(sink) == list(range(oldest, 12))


def test_an_append_does_not_wait_for_a_sink_that_hangs(journal: Journal) -> None:
    release = threading.Event()

    class Hanging(MemorySink):
        def send(self, shipment: Shipment) -> int:
            release.wait(10)
            return super().send(shipment)

    with Shipper(journal, Hanging(), interval=0) as shipper:
        for number in range(1, 100):
            journal.append(a_round(number))
        assert journal.shipped_seq == 0
        assert not shipper.flush(0.05)
        release.set()
        assert shipper.flush(5)


def test_pauses_double_to_a_limit_and_vary() -> None:
    assert [pause_after(failures, 1.0) for failures in (1, 2, 3, 7, 900)] == [0.1, 0.2, 0.4, 5, 5]
    assert pause_after(1, 0.0) == 0.05
