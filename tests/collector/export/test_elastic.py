"""Events on their way to a server that fails in every way: none is lost, none comes twice."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.export import elastic
from fedsight.collector.export.bulk import SearchServer
from fedsight.collector.export.elastic import Elasticsearch, trusted
from fedsight.errors import SettingsError
from fedsight.signals import Batch, Event
from tests.collector.export.search_server import SearchStub
from tests.collector.open_store import Store
from tests.collector.shipments import START, shipment
from tests.federated.link.certificates import certificate


def tell(store: Store, count: int, first: int = 1) -> None:
    """Events whose number is in their details."""
    events = [
        Event(START + n, "federated", "NODE_SILENT", node="a", details={"n": n, "message": "away"})
        for n in range(first, first + count)
    ]
    store.send(shipment("j", [Batch(events=[event]) for event in events], first))


def sender(store: Store, stub: SearchStub, **named: Any) -> Elasticsearch:
    server = SearchServer(stub.url, **named)
    return Elasticsearch(server, "5e1f", store.ingest, store.readers, first_pause=0.05)


def sent(found: Elasticsearch, done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let it run until it is done."""

    async def run() -> None:
        task = asyncio.create_task(found.run())
        until = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until, found.error
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def cursor(store: Store) -> list[tuple[Any, ...]]:
    return store.rows("SELECT last_event, sent, refused FROM event_cursors")


def ids(stub: SearchStub) -> list[int]:
    return sorted(document["id"] for document in stub.docs.values())


def test_events_arrive_once_in_batches_and_the_way_is_remembered(store: Store) -> None:
    tell(store, 7)
    with SearchStub() as stub:
        found = sender(store, stub, batch_events=3, authorization="ApiKey k")
        sent(found, lambda: cursor(store) == [(7, 7, 0)])
    assert ids(stub) == [1, 2, 3, 4, 5, 6, 7]
    assert [body.count(b"\n") // 2 for body in stub.bodies] == [3, 3, 1]
    assert stub.headers[0]["authorization"] == "ApiKey k"
    assert stub.headers[0]["content-type"] == "application/x-ndjson"
    assert (found.sent, found.refused, found.error) == (7, 0, None)


def test_the_next_collector_goes_on_where_the_last_one_ended(store: Store) -> None:
    tell(store, 3)
    with SearchStub() as stub:
        sent(sender(store, stub), lambda: cursor(store) == [(3, 3, 0)])
        store.restart()
        tell(store, 2, first=4)
        sent(sender(store, stub), lambda: cursor(store) == [(5, 5, 0)])
    assert ids(stub) == [1, 2, 3, 4, 5]
    assert len(stub.bodies) == 2


def test_what_was_kept_without_an_answer_is_sent_again_and_kept_once(store: Store) -> None:
    tell(store, 4)
    with SearchStub() as stub:
        stub.faults = ["drop after", "drop"]
        sent(sender(store, stub), lambda: cursor(store) == [(4, 4, 0)])
    assert (ids(stub), stub.created, len(stub.bodies)) == ([1, 2, 3, 4], 4, 3)


def test_one_ended_between_answer_and_cursor_sends_again_without_a_double(store: Store) -> None:
    tell(store, 4)
    with SearchStub() as stub:
        sent(sender(store, stub), lambda: bool(cursor(store)))
        store.ingest.change(lambda db: db.execute("DELETE FROM event_cursors")).result(10)
        sent(sender(store, stub), lambda: cursor(store) == [(4, 4, 0)])
    assert (ids(stub), stub.created) == ([1, 2, 3, 4], 4)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ((429, {"error": "busy"}, "1"), "it answered 429: busy"),
        ((503, {}, ""), "it answered 503"),
        ((401, {"error": {"reason": "who are you"}}, ""), "it answered 401: who are you"),
        ((200, {"items": []}, ""), "the answer has 0 items for 2 events"),
        ((302, {}, ""), "it answered 302"),
    ],
)
def test_a_server_that_takes_nothing_is_named_and_asked_again(
    store: Store, fault: Any, why: str
) -> None:
    tell(store, 2)
    with SearchStub() as stub:
        stub.faults = [fault]
        found = sender(store, stub)
        told: list[str | None] = []

        def done() -> bool:
            if found.error is not None and found.error not in told:
                told.append(found.error)
            return cursor(store) == [(2, 2, 0)] and found.error is None

        sent(found, done)
        assert told == [f"{stub.url}: {why}"]
    assert found.error is None


def test_items_that_wait_are_sent_again_alone(store: Store) -> None:
    tell(store, 4)
    with SearchStub() as stub:
        seen: list[int] = []

        def busy(document: dict[str, Any]) -> tuple[int, dict[str, str]] | None:
            seen.append(document["id"])
            if document["id"] in (2, 3) and seen.count(document["id"]) == 1:
                return 429, {"type": "es_rejected_execution_exception", "reason": "queue full"}
            return None

        stub.refuse = busy
        sent(sender(store, stub), lambda: cursor(store) == [(4, 4, 0)])
    assert seen == [1, 2, 3, 4, 2, 3]
    assert ids(stub) == [1, 2, 3, 4]


def test_an_event_that_is_refused_for_good_is_named_and_the_others_go_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tell(store, 4)
    with SearchStub() as stub:

        def unfit(document: dict[str, Any]) -> tuple[int, dict[str, str]] | None:
            error = {"type": "document_parsing_exception", "reason": "failed to parse [round]"}
            return (400, error) if document["id"] == 2 else None

        stub.refuse = unfit
        found = sender(store, stub)
        with caplog.at_level(logging.WARNING):
            sent(found, lambda: cursor(store) == [(4, 3, 1)])
    assert ids(stub) == [1, 3, 4]
    assert found.refused == 1
    assert "event 2 is not taken by Elasticsearch: 400 document_parsing_exception" in caplog.text


def test_an_event_at_which_the_server_always_fails_holds_up_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic, "MOST_TRIES", 3)
    tell(store, 4)
    with SearchStub() as stub:
        seen: list[int] = []

        def failing(document: dict[str, Any]) -> tuple[int, dict[str, str]] | None:
            seen.append(document["id"])
            error = {"type": "null_pointer_exception", "reason": "oh"}
            return (500, error) if document["id"] == 2 else None

        stub.refuse = failing
        found = sender(store, stub)
        sent(found, lambda: cursor(store) == [(4, 3, 1)] and found.error is None)
        assert seen == [1, 2, 3, 4, 2, 2, 2]
        tell(store, 2, first=5)
        sent(sender(store, stub), lambda: cursor(store) == [(6, 5, 1)])
    assert ids(stub) == [1, 3, 4, 5, 6]


def test_a_server_that_fails_at_all_of_them_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic, "MOST_TRIES", 1)
    tell(store, 2)
    with SearchStub() as stub:
        stub.refuse = lambda document: (503, {"type": "unavailable", "reason": "no shard"})
        found = sender(store, stub)
        sent(found, lambda: found.error is not None and len(stub.docs) == 0)
        assert cursor(store) == []
        stub.refuse = lambda document: None
        sent(sender(store, stub), lambda: cursor(store) == [(2, 2, 0)])


def test_a_missing_index_or_right_loses_nothing(store: Store) -> None:
    tell(store, 2)
    with SearchStub() as stub:
        stub.refuse = lambda document: (403, {"type": "security_exception", "reason": "no right"})
        found = sender(store, stub)
        sent(found, lambda: found.error is not None)
        assert found.error == f"{stub.url}: 403 security_exception: no right"
        assert cursor(store) == []
        stub.refuse = lambda document: None
        sent(sender(store, stub), lambda: cursor(store) == [(2, 2, 0)])
    assert ids(stub) == [1, 2]


def test_a_body_that_is_too_large_is_halved(store: Store) -> None:
    tell(store, 8)
    with SearchStub() as stub:
        stub.most_bytes = 900
        sent(sender(store, stub), lambda: cursor(store) == [(8, 8, 0)])
    assert ids(stub) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_store_begun_anew_does_not_hide_behind_the_old_ones_ids(tmp_path: Path) -> None:
    with SearchStub() as stub:
        for number, folder in enumerate(("old", "new")):
            (tmp_path / folder).mkdir()
            store = Store(tmp_path / folder)
            event = Event(START + number * 10**9, "federated", "NODE_SILENT")
            store.send(shipment("j", [Batch(events=[event])]))
            sent(sender(store, stub), lambda kept=store: cursor(kept) == [(1, 1, 0)])  # type: ignore[misc]
            store.close()
    assert stub.created == 2


def test_another_target_gets_everything_from_the_beginning(store: Store) -> None:
    tell(store, 2)
    with SearchStub() as stub:
        sent(sender(store, stub), lambda: len(cursor(store)) == 1)
        sent(sender(store, stub, index="other-%Y.%m.%d"), lambda: len(cursor(store)) == 2)
    assert {index for index, _ in stub.docs} == {"fedsight-events-2026.11", "other-2026.11.22"}


def test_an_address_of_the_clouds_metadata_is_never_spoken_to(store: Store) -> None:
    tell(store, 1)
    server = SearchServer("http://169.254.169.254", authorization="ApiKey hidden")
    found = Elasticsearch(server, "5e1f", store.ingest, store.readers)
    sent(found, lambda: found.error is not None)
    assert "link-local" in str(found.error)
    assert "hidden" not in str(found.error)


def test_tls_is_believed_by_its_authority_alone(store: Store, tmp_path: Path) -> None:
    tell(store, 1)
    tls = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with SearchStub(context) as stub:
        stranger = sender(store, stub)
        sent(stranger, lambda: stranger.error is not None)
        assert "CERTIFICATE_VERIFY_FAILED" in str(stranger.error)
        assert stub.bodies == []
        sent(sender(store, stub, ca_file=tls.certificate), lambda: cursor(store) == [(1, 1, 0)])
    with pytest.raises(SettingsError, match=r"elasticsearch\.ca_file"):
        trusted(SearchServer("https://x", ca_file=tmp_path / "absent.pem"))
