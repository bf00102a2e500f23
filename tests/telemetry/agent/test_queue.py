"""The queue on disk: order, bounds, one owner, and what a damaged file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.telemetry.agent.queue import AnotherAgentError, Queue, QueueError, Scrape, Size

PLENTY = 10_000


def put(queue: Queue, number: int, size: int = 10) -> Size:
    return queue.put("scaphandre-metrics", number, 2, bytes([number]) * size, None)


def numbers(scrapes: list[Scrape]) -> list[int]:
    return [scrape.body[0] for scrape in scrapes]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue", PLENTY)


def test_scrapes_come_out_in_order_within_bytes(queue: Queue) -> None:
    for number in (1, 2, 3, 4):
        put(queue, number)
    assert numbers(queue.head(3, PLENTY)) == [1, 2, 3]
    assert numbers(queue.head(4, 25)) == [1, 2]
    assert numbers(queue.head(4, 1)) == [1], "one is always given"
    assert queue.size == Size(4, 8, 40)
    queue.done(queue.head(2, PLENTY))
    assert numbers(queue.head(4, PLENTY)) == [3, 4]
    assert (queue.size, queue.oldest_time) == (Size(2, 4, 20), 3)
    queue.close()


def test_a_request_stays_what_it_is_until_it_is_done(tmp_path: Path) -> None:
    """Whoever took it and could not say so would count more of the same twice."""
    queue = Queue(tmp_path, PLENTY)
    put(queue, 1)
    put(queue, 2)
    assert numbers(queue.request(queue.last, PLENTY)) == [1, 2]
    put(queue, 3)
    assert numbers(queue.request(queue.last, PLENTY)) == [1, 2]
    queue.close()
    queue = Queue(tmp_path, PLENTY)
    again = queue.request(queue.last, 1)
    assert numbers(again) == [1, 2]
    queue.done(again[:1])
    assert numbers(queue.request(queue.last, PLENTY)) == [2]
    queue.done(again)
    assert numbers(queue.request(queue.last, PLENTY)) == [3]
    queue.close()


def test_another_process_finds_what_waits(tmp_path: Path) -> None:
    first = Queue(tmp_path, PLENTY)
    put(first, 1)
    first.put("scaphandre-metrics", 2, 5, b"\2", b"counters")
    first.close()
    second = Queue(tmp_path, PLENTY)
    assert numbers(second.head(second.last, PLENTY)) == [1, 2]
    assert second.size == Size(2, 7, 11)
    assert second.state("scaphandre-metrics") == b"counters"
    assert second.state("another") is None
    second.close()


def test_half_of_a_request_is_one_of_its_own(tmp_path: Path) -> None:
    """In the next process too; what comes after it is chosen anew."""
    queue = Queue(tmp_path, PLENTY)
    for number in (1, 2, 3, 4):
        put(queue, number)
    assert queue.halve(queue.request(3, PLENTY)) == 1
    queue.close()
    queue = Queue(tmp_path, PLENTY)
    half = queue.request(queue.last, PLENTY)
    assert numbers(half) == [1]
    queue.done(half)
    assert numbers(queue.request(queue.last, PLENTY)) == [2, 3, 4]
    queue.close()


def test_a_request_is_dropped_whole_or_not_at_all(tmp_path: Path) -> None:
    """What is left of one would be counted again by a bridge that took it."""
    queue = Queue(tmp_path, max_bytes=320)
    for number in range(8):
        put(queue, number, size=40)
    assert numbers(queue.request(queue.last, 160)) == [0, 1, 2, 3]
    assert put(queue, 8, size=40) == Size(4, 8, 160)
    assert numbers(queue.request(queue.last, PLENTY)) == [4, 5, 6, 7, 8]
    queue.close()


def test_numbers_are_never_given_again(tmp_path: Path) -> None:
    """What was sent by number must not take what came later with it."""
    first = Queue(tmp_path, PLENTY)
    put(first, 1)
    sent = first.head(first.last, PLENTY)
    first.done(sent)
    put(first, 2)
    first.done(sent)
    assert numbers(first.head(first.last, PLENTY)) == [2]
    first.close()


def test_the_oldest_are_dropped_where_there_is_no_room(tmp_path: Path) -> None:
    queue = Queue(tmp_path, max_bytes=320)
    dropped = [put(queue, number, size=40) for number in range(10)]
    assert dropped[:8] == [Size()] * 8
    assert dropped[8] == Size(2, 4, 80), "one for it, and one for the next"
    assert dropped[9] == Size()
    assert numbers(queue.head(queue.last, PLENTY)) == list(range(2, 10))
    queue.close()


def test_one_that_is_larger_than_all_is_kept_alone(tmp_path: Path) -> None:
    queue = Queue(tmp_path, max_bytes=100)
    put(queue, 1, size=60)
    assert put(queue, 2, size=200) == Size(1, 2, 60)
    assert numbers(queue.head(queue.last, PLENTY)) == [2]
    queue.close()


def test_a_second_owner_is_refused_until_the_first_is_gone(tmp_path: Path, queue: Queue) -> None:
    with pytest.raises(AnotherAgentError, match="one node has one agent"):
        Queue(tmp_path / "queue", PLENTY)
    queue.close()
    Queue(tmp_path / "queue", PLENTY).close()


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "queue.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(QueueError, match=r"queue\.sqlite.*move it away"):
        Queue(tmp_path, PLENTY)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match=r"agent\.queue"):
        Queue(tmp_path / "file" / "queue", PLENTY)


def test_a_queue_has_one_name_for_good(tmp_path: Path) -> None:
    names = []
    for folder in ("a", "a", "b"):
        queue = Queue(tmp_path / folder, PLENTY)
        names.append(queue.identity)
        queue.close()
    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 16
