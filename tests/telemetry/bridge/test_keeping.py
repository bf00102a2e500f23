"""What was taken is kept once: rows, events, minutes, through restarts and repetitions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedsight.journal import Journal
from fedsight.journal.codec import Codec
from fedsight.signals import Batch, Event, Sample, Span, batch, samples_of
from fedsight.telemetry.bridge.minutes import MINUTE, Minutes
from fedsight.telemetry.bridge.rows import Rows, SignalJournal
from fedsight.telemetry.bridge.work import Work, merged
from tests.telemetry.bridge.asked import NOW

BEGIN = NOW - NOW % MINUTE
LATE = 30 * 10**9


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path, "otlp-1") as found:
        yield found


def work(digest: bytes, *samples: Sample, came: int = NOW, signals: Batch | None = None) -> Work:
    return Work(digest, came, batch(samples).samples, signals)


def at(seconds: float, value: float, name: str = "load", **labels: str) -> Sample:
    return Sample(BEGIN + round(seconds * 1e9), name, value, None, labels)


def kept(journal: Journal) -> list[Sample]:
    return [
        sample for record in journal.read(0, 10_000) for sample in samples_of(record.batch.samples)
    ]


def log(node: str) -> Batch:
    return Batch(events=[Event(NOW, "otlp", "OTLP_LOG", node=node)])


def test_requests_that_wait_together_become_one_record(journal: Journal) -> None:
    rows = Rows(SignalJournal(journal))
    rows.keep([work(b"1", at(0, 1.0)), work(b"2", at(1, 2.0)), work(b"3", at(2, 3.0, "x"))])
    assert journal.last_seq == 1
    assert [(s.name, s.value) for s in kept(journal)] == [("load", 1.0), ("load", 2.0), ("x", 3.0)]


def test_merging_says_each_series_once() -> None:
    one = batch([at(0, 1.0), at(1, 2.0)]).samples
    found = merged([one, one])
    assert len(found.series) == 1
    assert (found.index, found.value) == ([0, 0, 0, 0], [1.0, 2.0, 1.0, 2.0])


def bodies(journal: Journal) -> list[int]:
    """Bytes of the records."""
    encode = Codec().encode
    return [len(encode(record.batch)) for record in journal.read(0, 10_000, 2**30)]


def many(of: str, count: int = 8_000) -> list[Sample]:
    return [at(n, n / 3, "load", host=of, of=str(n % 4000)) for n in range(count)]


def test_no_record_is_larger_than_any_collector_takes(journal: Journal) -> None:
    rows = Rows(SignalJournal(journal))
    requests = [many("a"), many("b"), many("c", 10), many("\u0001" * 250), many("d", 10)]
    rows.keep([work(b"", *samples) for samples in requests])
    assert len(bodies(journal)) > 4
    assert max(bodies(journal)) < 2**20 - 1000
    found = [s for record in journal.read(0, 100, 2**30) for s in samples_of(record.batch.samples)]
    assert found == [sample for samples in requests for sample in samples]


def test_the_same_series_are_said_once_in_a_piece(journal: Journal) -> None:
    rows = Rows(SignalJournal(journal))
    of_one = batch(at(n, 1.0, host="x") for n in range(500)).samples
    rows.keep([Work(b"", samples=of_one) for _ in range(20)])
    assert journal.last_seq == 1
    assert len(journal.read(0, 1)[0].batch.samples.series) == 1


def test_events_of_a_large_request_are_all_kept_and_once(tmp_path: Path) -> None:
    alike = Event(NOW, "otlp", "OTLP_LOG", details={"body": "x" * 4000})
    large = Batch(
        events=[alike] * 900 + [Event(NOW, "otlp", f"K{at}") for at in range(9)],
        spans=[Span("r", at, "n", "train", NOW, NOW) for at in range(20_000)],
    )
    for already in (0, 1):
        with Journal(tmp_path, "otlp-1") as found:
            rows = Rows(SignalJournal(found))
            assert rows.keep([work(b"1", signals=large)]) == already
            assert max(bodies(found)) < 2**20 - 1000
            records = [record.batch for record in found.read(0, 100, 2**30)]
            assert [event for record in records for event in record.events] == large.events
            assert [span for record in records for span in record.spans] == large.spans


def test_what_is_appended_counts_as_waiting_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path, "otlp-1", max_bytes=1_000_000) as found:
        rows = Rows(SignalJournal(found))
        rows.keep([work(b"", *many("a", 12_000))])
        assert rows.full()


def test_events_that_are_sent_again_are_kept_once_after_a_restart_too(tmp_path: Path) -> None:
    for already in (0, 2):
        with Journal(tmp_path, "otlp-1") as found:
            rows = Rows(SignalJournal(found))
            works = [work(b"1", signals=log("a")), work(b"2", signals=log("b"))]
            assert rows.keep(works) == already
            assert rows.keep(works[:1]) == 1
            assert found.last_seq == 2


def test_a_journal_that_fills_up_is_full_before_it_drops_anything(tmp_path: Path) -> None:
    with Journal(tmp_path, "otlp-1", max_bytes=100_000) as found:
        rows = Rows(SignalJournal(found))
        count = 0
        while not rows.full():
            rows.keep([work(b"", *(at(n, 1.0, host=f"h-{count}") for n in range(100)))])
            rows.tend(NOW)
            count += 1
        assert len(kept(found)) == 100 * count
        found.mark_shipped(found.last_seq)
        rows.tend(NOW)
        assert not rows.full()


def minutes(tmp_path: Path, journal: Journal) -> Minutes:
    return Minutes(tmp_path / "minutes.sqlite", SignalJournal(journal), LATE)


def test_minutes_of_long_labels_are_records_of_a_bounded_size(
    tmp_path: Path, journal: Journal
) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        long = {f"l{n}": "x" * 250 for n in range(7)}
        found.keep([work(b"1", *(at(0, 1.0, of=str(n), **long) for n in range(500)))])
        found.tend(NOW + 10 * MINUTE)
        assert len(bodies(journal)) > 3
        assert max(bodies(journal)) < 2**20 - 1000
        assert sum(len(record.batch.samples) for record in journal.read(0, 100, 2**30)) == 2000


def test_a_minute_is_sent_when_it_is_over_and_late(tmp_path: Path, journal: Journal) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        found.keep([work(b"1", at(0, 1.0), at(59, 4.0), came=BEGIN + MINUTE)])
        found.keep([work(b"2", at(60, 9.0), came=BEGIN + MINUTE + 1)])
        found.tend(BEGIN + MINUTE + LATE - 1)
        assert kept(journal) == []
        found.tend(BEGIN + MINUTE + LATE)
        assert {(s.name, s.time): s.value for s in kept(journal)} == {
            ("load_minute_mean", BEGIN): 2.5,
            ("load_minute_min", BEGIN): 1.0,
            ("load_minute_max", BEGIN): 4.0,
            ("load_minute_count", BEGIN): 2.0,
        }


def test_minutes_outlive_a_restart_and_a_repetition(tmp_path: Path, journal: Journal) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        assert found.keep([work(b"1", at(0, 1.0)), work(b"1", at(0, 1.0))]) == 1
    with closing(minutes(tmp_path, journal)) as found:
        assert found.keep([work(b"1", at(0, 1.0)), work(b"2", at(1, 3.0))]) == 1
        found.tend(NOW + 10 * MINUTE)
    values = {sample.name: sample.value for sample in kept(journal)}
    assert values["load_minute_count"] == 2.0
    assert values["load_minute_mean"] == 2.0


def test_what_comes_late_is_added_and_the_whole_minute_sent_anew(
    tmp_path: Path, journal: Journal
) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        found.keep([work(b"1", at(0, 1.0))])
        found.tend(NOW + 10 * MINUTE)
        found.keep([work(b"2", at(1, 5.0), came=NOW + 20 * MINUTE)])
        found.tend(NOW + 20 * MINUTE + LATE)
    counts = [s.value for s in kept(journal) if s.name == "load_minute_count"]
    assert counts == [1.0, 2.0]
    assert [s.value for s in kept(journal) if s.name == "load_minute_mean"] == [1.0, 3.0]


def test_a_minute_that_is_forgotten_is_not_overwritten_by_a_part(
    tmp_path: Path, journal: Journal
) -> None:
    days = 86_400 * 10**9
    with closing(minutes(tmp_path, journal)) as found:
        found.keep([work(b"1", at(0, 1.0), at(60, 2.0))])
        found.tend(NOW + 10 * MINUTE)
        found.tend(NOW + 2 * days)
        late = work(b"2", at(1, 5.0), at(120, 6.0), came=NOW + 2 * days)
        found.keep([late])
        assert late.rejected == {"its minute was sent more than a day ago": 1}
        found.tend(NOW + 3 * days)
    means = [(s.time, s.value) for s in kept(journal) if s.name == "load_minute_mean"]
    assert means == [(BEGIN, 1.0), (BEGIN + MINUTE, 2.0), (BEGIN + 2 * MINUTE, 6.0)]


def test_a_minute_of_a_clock_ahead_does_not_wait_for_ours(tmp_path: Path, journal: Journal) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        found.keep([work(b"1", at(86_400, 1.0))])
        found.tend(NOW + MINUTE + LATE)
    assert len(kept(journal)) == 4


def test_sums_beyond_all_numbers_stop_nothing(tmp_path: Path, journal: Journal) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        found.keep([work(b"1", at(0, 1.7e308), at(1, 1.7e308))])
        found.keep([work(b"2", at(2, 1.7e308)), work(b"3", at(3, -1.7e308), at(4, -1.7e308))])
        found.tend(NOW + 10 * MINUTE)
    assert len(kept(journal)) == 4


def test_rounds_stay_apart_in_minutes(tmp_path: Path, journal: Journal) -> None:
    with closing(minutes(tmp_path, journal)) as found:
        found.keep([work(b"1", Sample(BEGIN, "x", 1.0, 1), Sample(BEGIN, "x", 2.0, None))])
        found.tend(NOW + 10 * MINUTE)
    assert {s.round for s in kept(journal)} == {1, None}
