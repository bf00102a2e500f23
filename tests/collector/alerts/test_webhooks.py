"""Messages to a real HTTP server: in order, again until they arrive, late rather than never."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from fedsight.collector.alerts import outbox
from fedsight.collector.alerts.options import AlertOptions, Webhook
from fedsight.collector.alerts.webhooks import LONGEST_PAUSE_SECONDS, pause_after, signature
from fedsight.collector.ingest import DiskFullError, Ingest
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import open_store
from fedsight.errors import SettingsError
from tests.collector.alerts.findings import right, wrong
from tests.collector.alerts.running_alerts import alerting, run, until
from tests.collector.open_store import Store
from tests.collector.stub_service import Asked, Said, StubService

SECRET = "a secret"
Changed = TypeVar("Changed")


def told(asked: Asked) -> tuple[str, str]:
    body = json.loads(asked.body)
    return body["event"], body["alert"]["type"]


def options(*urls: str, secret: str = "", give_up: float = 86_400.0) -> AlertOptions:
    hooks = tuple(Webhook(url) for url in urls)
    return AlertOptions(
        webhooks=hooks, webhook_secret=secret, retry_seconds=0.02, give_up_seconds=give_up
    )


def test_a_webhook_is_told_what_fires_and_what_is_over(store: Store) -> None:
    async def work(hook: StubService) -> None:
        async with alerting(store, options(f"{hook.url}/hook?key=1")) as parts:
            parts.alerts.report([wrong(0, current_value=0.4, run="r-1")])
            await until(lambda: len(hook.asked) == 1)
            parts.alerts.report([right(1)])
            await until(lambda: len(hook.asked) == 2)
            assert parts.webhooks.error is None

    with StubService(lambda _: (204, b"")) as hook:
        run(lambda: work(hook))
    first, second = hook.asked
    assert [told(one) for one in hook.asked] == [
        ("firing", "fl_accuracy_drop"),
        ("resolved", "fl_accuracy_drop"),
    ]
    body = json.loads(first.body)
    assert first.path == "/hook?key=1"
    assert first.headers["content-type"] == "application/json"
    assert (body["version"], body["id"], body["attempt"]) == (1, "store-1-1", 1)
    assert first.headers["fedsight-message"] == "store-1-1"
    assert (body["alert"]["current_value"], body["alert"]["run"]) == (0.4, "r-1")
    assert json.loads(second.body)["alert"]["resolved"] is not None
    assert "fedsight-signature" not in first.headers


def test_with_a_secret_a_message_is_signed(store: Store) -> None:
    async def work(hook: StubService) -> None:
        async with alerting(store, options(hook.url, secret=SECRET)) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: hook.asked)

    with StubService(lambda _: (200, {})) as hook:
        run(lambda: work(hook))
    asked = hook.asked[0]
    fields = dict(part.split("=") for part in asked.headers["fedsight-signature"].split(","))
    signed = f"{fields['t']}.".encode() + asked.body
    assert fields["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert SECRET.encode() not in asked.body


def test_the_signature_is_of_time_and_body() -> None:
    assert signature("s", b"{}", 1) != signature("s", b"{}", 2)
    assert signature("s", b"{}", 1) != signature("t", b"{}", 1)


def test_a_message_is_sent_until_it_arrives_and_holds_its_place(store: Store) -> None:
    answers = iter([500, 302, 429, 404])

    async def work(hook: StubService) -> None:
        async with alerting(store, options(hook.url)) as parts:
            parts.alerts.report([wrong(0), right(1)])
            await until(lambda: len(hook.asked) == 6)
            await until(lambda: store.ask(outbox.waiting) == 0)
            assert (parts.webhooks.sent, parts.webhooks.failed) == (2, 4)

    with StubService(lambda _: (next(answers, 200), {})) as hook:
        run(lambda: work(hook))
    bodies = [json.loads(asked.body) for asked in hook.asked]
    assert [body["event"] for body in bodies] == ["firing"] * 5 + ["resolved"]
    assert [body["attempt"] for body in bodies] == [1, 2, 3, 4, 5, 1]
    assert len({body["id"] for body in bodies}) == 2


def test_one_webhook_that_is_away_holds_up_no_other(store: Store) -> None:
    async def work(hook: StubService) -> None:
        away = "http://127.0.0.1:1/services/SECRETPART"
        async with alerting(store, options(away, hook.url)) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: hook.asked)
            error = await until(lambda: parts.webhooks.error)
            assert error == "http://127.0.0.1:1 cannot be reached (ConnectError)"
            assert store.ask(outbox.waiting) >= 1

    with StubService(lambda _: (200, {})) as hook:
        run(lambda: work(hook))


def test_what_was_not_sent_before_a_restart_is_sent_after_it(store: Store) -> None:
    answers = iter([503])

    async def before(hook: StubService) -> None:
        slow = AlertOptions(webhooks=(Webhook(hook.url),), retry_seconds=600)
        async with alerting(store, slow) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: parts.webhooks.failed)

    async def after(hook: StubService) -> None:
        async with alerting(store, options(hook.url)):
            await until(lambda: len(hook.asked) == 2)

    with StubService(lambda _: (next(answers, 200), {})) as hook:
        run(lambda: before(hook))
        # As if the pause were over.
        store.ingest.change(lambda db: db.execute("UPDATE alert_outbox SET due = 0")).result(10)
        store.restart()
        run(lambda: after(hook))
    assert Counter(json.loads(one.body)["id"] for one in hook.asked) == {"store-1-1": 2}


def test_a_clock_that_was_set_back_holds_no_message_up(store: Store) -> None:
    async def work(hook: StubService) -> None:
        change = "UPDATE alert_outbox SET due = due + 1000000000000000"
        async with alerting(store, options("http://127.0.0.1:1")) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: parts.webhooks.failed)
        store.ingest.change(lambda db: db.execute(change)).result(10)
        target = Webhook(hook.url).target
        move = f"UPDATE alert_outbox SET target = '{target}'"
        store.ingest.change(lambda db: db.execute(move)).result(10)
        async with alerting(store, options(hook.url)):
            await until(lambda: hook.asked)

    with StubService(lambda _: (200, {})) as hook:
        run(lambda: work(hook))


class FullDisk(Ingest):
    """A store whose disk takes no more while `full` is set."""

    full = False

    def change(self, work: Callable[[sqlite3.Connection], Changed]) -> Future[Changed]:
        if self.full:
            raise DiskFullError("the disk takes no more")
        return super().change(work)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Store]:
    """A store with such a disk, which is not full yet."""
    store = Store(tmp_path)
    store.ingest.close()
    connection, _ = open_store(tmp_path)
    store.ingest = FullDisk(connection, tmp_path / FILE_NAME, lambda: None)
    yield store
    store.close()


def test_what_arrived_while_the_disk_is_full_is_not_sent_again(
    full: Store,
) -> None:
    ingest = full.ingest
    assert isinstance(ingest, FullDisk)

    def answer(_: Asked) -> Said:
        ingest.full = True
        return 200, {}

    async def work(hook: StubService) -> None:
        async with alerting(full, options(hook.url)) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: hook.asked)
            await asyncio.sleep(0.3)
            assert len(hook.asked) == 1
            ingest.full = False
            await until(lambda: full.ask(outbox.waiting) == 0)
            assert (len(hook.asked), parts.webhooks.sent) == (1, 1)

    with StubService(answer) as hook:
        run(lambda: work(hook))


def test_a_disk_that_is_full_at_the_start_ends_no_webhook(
    full: Store,
) -> None:
    ingest = full.ingest
    assert isinstance(ingest, FullDisk)
    ingest.full = True

    async def work(hook: StubService) -> None:
        async with alerting(full, options(hook.url)) as parts:
            await asyncio.sleep(0.1)
            ingest.full = False
            parts.alerts.report([wrong(0)])
            await until(lambda: hook.asked)

    with StubService(lambda _: (200, {})) as hook:
        run(lambda: work(hook))


def test_one_that_answers_a_byte_at_a_time_is_not_waited_for(store: Store) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        few = AlertOptions(webhooks=(Webhook(f"http://127.0.0.1:{port}"),), answer_seconds=0.2)
        async with alerting(store, few) as parts:
            parts.alerts.report([wrong(0)])
            assert await until(lambda: parts.webhooks.error)
        server.close()
        await asyncio.sleep(0.2)  # those who drip see that nobody listens

    run(work)


def test_a_message_that_nobody_takes_for_too_long_is_given_up(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, options("http://127.0.0.1:1", give_up=0.0)) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: parts.webhooks.given_up == 1)
            assert store.ask(outbox.waiting) == 0

    run(work)


def test_a_message_is_given_up_once_however_often_the_disk_takes_no_note(full: Store) -> None:
    ingest = full.ingest
    assert isinstance(ingest, FullDisk)

    def refuse(_: Asked) -> Said:
        ingest.full = len(hook.asked) < 3
        return 500, {}

    async def work() -> None:
        async with alerting(full, options(hook.url, give_up=0.0)) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: parts.webhooks.given_up)
            assert full.ask(outbox.waiting) == 0
            assert (parts.webhooks.failed, parts.webhooks.given_up) == (3, 1)

    with StubService(refuse) as hook:
        run(work)


def test_messages_for_a_webhook_that_was_taken_out_are_forgotten(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, options("http://127.0.0.1:1/a")) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: parts.webhooks.failed)
        async with alerting(store, options("http://127.0.0.1:1/b")):
            await until(lambda: store.ask(outbox.waiting) == 0)

    run(work)


def test_pauses_grow_and_end_growing() -> None:
    assert [pause_after(n, 5.0) for n in range(4)] == [5.0, 10.0, 20.0, 40.0]
    assert pause_after(10**6, 5.0) == LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://[fe80::1]/", "http://0/", "file:///etc/passwd"]
)
def test_a_forbidden_target_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match=r"alerts\.webhooks"):
        AlertOptions(webhooks=(Webhook(url),))
    with pytest.raises(SettingsError, match=r"alerts\.alertmanager_urls"):
        AlertOptions(alertmanagers=(url,))


def test_a_webhooks_address_is_shown_nowhere() -> None:
    hook = Webhook("https://chat.example/services/T0/SECRET")
    assert "SECRET" not in repr(hook)
    assert hook.place == "https://chat.example"
    assert SECRET not in repr(AlertOptions(webhook_secret=SECRET))
