"""Messages to a real HTTP server: in order, again until they arrive, late rather than never."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter

import pytest

from fedsight.collector.alerts import outbox
from fedsight.collector.alerts.options import AlertOptions, Webhook
from fedsight.collector.alerts.webhooks import LONGEST_PAUSE_SECONDS, pause_after, signature
from fedsight.errors import SettingsError
from tests.collector.alerts.findings import right, wrong
from tests.collector.alerts.running_alerts import alerting, run, until
from tests.collector.open_store import Store
from tests.collector.stub_service import Asked, StubService

SECRET = "a secret"


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


def test_a_message_that_nobody_takes_for_too_long_is_given_up(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, options("http://127.0.0.1:1", give_up=0.0)) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: parts.webhooks.given_up == 1)
            assert store.ask(outbox.waiting) == 0

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
