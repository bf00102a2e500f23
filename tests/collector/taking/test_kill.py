"""kill -9 at random moments under load, with sealing and merging under way: every sample that was
acknowledged is found by a query, once.

Journals and programs without one write at the same time. Those without send again what was not
acknowledged, as they must; a query still finds each sample once.
"""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from fedsight.journal import DeliveryError
from fedsight.journal.http import HttpSink
from fedsight.signals import Sample, batch
from tests.collector.server import JSON, Server
from tests.collector.shipments import SECOND, START, shipment

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "4"))
SEALING = {"seal_samples": 2000, "look_seconds": 0.05}
#: Samples of one request.
MANY = 100


class Writer(threading.Thread):
    """Sends numbered pieces of one series, one after another, until the collector is gone."""

    def __init__(self, server: Server, name: str, acknowledged: int) -> None:
        super().__init__(daemon=True)
        self.name = name
        self.acknowledged = acknowledged
        self.server = server
        self.refused: str | None = None

    def times(self) -> range:
        """The times of the next piece, ns."""
        first = START + self.acknowledged * MANY * SECOND
        return range(first, first + MANY * SECOND, SECOND)

    def run(self) -> None:
        with httpx.Client(base_url=self.server.url, trust_env=False, timeout=30) as client:
            while True:
                try:
                    answer = self.send(client)
                except (httpx.HTTPError, DeliveryError):
                    return
                if answer:
                    self.refused = answer
                    return
                self.acknowledged += 1

    def send(self, client: httpx.Client) -> str:
        """Send the next piece; why it was refused, or nothing."""
        raise NotImplementedError


class Columns(Writer):
    def send(self, client: httpx.Client) -> str:
        series = [{"name": self.name, "labels": {"run": "r-1"}}]
        body = {"series": series, "index": [0] * MANY, "time": [*self.times()]}
        full = {**body, "value": [1.0] * MANY, "round": [self.acknowledged] * MANY}
        headers = {**self.server.bearer, **JSON}
        content = msgspec.json.encode(full)
        answer = client.post("/api/v1/samples", content=content, headers=headers)
        return "" if answer.status_code == 200 else answer.text


class Lines(Writer):
    def send(self, client: httpx.Client) -> str:
        lines = "\n".join(f"{self.name},run=r-1 value=1 {time}" for time in self.times())
        answer = client.post("/api/v1/write", content=lines, headers=self.server.bearer)
        return "" if answer.status_code == 204 else answer.text


class Journalled(Writer):
    def send(self, client: httpx.Client) -> str:
        samples = [Sample(time, self.name, 1.0, 1, {"run": "r-1"}) for time in self.times()]
        seq = self.acknowledged + 1
        with HttpSink(self.server.url, self.server.token) as sink:
            sink.send(shipment(self.name, [batch(samples)], seq))
        return ""


WRITERS: dict[str, type[Writer]] = {
    "columns_a": Columns,
    "columns_b": Columns,
    "lines_a": Lines,
    "lines_b": Lines,
    "journal_a": Journalled,
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_acknowledged_sample_outlives_a_kill_and_is_found_once(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    acknowledged = dict.fromkeys(WRITERS, 0)
    for _ in range(KILLS):
        with Server(tmp_path, upkeep=SEALING) as running:
            check(running, acknowledged, f"seed {seed}")
            writers = [kind(running, name, acknowledged[name]) for name, kind in WRITERS.items()]
            for writer in writers:
                writer.start()
            time.sleep(moments.uniform(0.05, 1.0))
            running.kill()
            for writer in writers:
                writer.join(30)
                assert writer.refused is None, (writer.refused, seed)
            acknowledged = {writer.name: writer.acknowledged for writer in writers}
    with Server(tmp_path, upkeep=SEALING) as running:
        check(running, acknowledged, f"seed {seed}")
    assert sum(acknowledged.values()) > 3 * KILLS, acknowledged


def check(server: Server, acknowledged: dict[str, int], seed: str) -> None:
    """At most the one piece on its way may be there beyond what was acknowledged."""
    for name, pieces in acknowledged.items():
        found = times_of(server, name)
        whole = [START + n * SECOND for n in range(len(found))]
        assert found == whole, (name, seed)
        assert len(found) in (pieces * MANY, (pieces + 1) * MANY), (name, pieces, seed)


def times_of(server: Server, name: str) -> list[int]:
    """The times of all samples of a series, ns, as a query finds them."""
    found: list[int] = []
    ask = {"name": name, "from": f"{START / SECOND:.0f}", "to": f"{START / SECOND + 10**7:.0f}"}
    ask |= {"times": "ns", "limit": "1000000"}
    while True:
        answer = server.get("/api/v1/query", params=ask)
        for series in answer["series"]:
            found += series["times"]
        if answer.get("next") is None:
            return found
        ask["cursor"] = answer["next"]
