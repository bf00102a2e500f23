"""kill -9 of a collector in the middle of ingest: what it acknowledged is there, once."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fedsight.collector.store.storefile import open_readonly
from fedsight.journal import DeliveryError, GapError
from fedsight.journal.http import HttpSink
from fedsight.signals import Batch
from tests.collector.server import Server
from tests.collector.shipments import shipment, started, trained

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "4"))
JOURNALS = ("j-0", "j-1", "j-2")
NODES = [f"client-{n}" for n in range(20)]


class Producer(threading.Thread):
    """Ships records of one run, one after another, until the collector is gone."""

    def __init__(self, server: Server, journal: str, acknowledged: int) -> None:
        super().__init__(daemon=True)
        self.journal = journal
        self.acknowledged = acknowledged
        self._sink = HttpSink(server.url, server.token)

    def run(self) -> None:
        with self._sink:
            while True:
                seq = self.acknowledged + 1
                record = started(self.journal, NODES) if seq == 1 else self._round(seq - 1)
                try:
                    self.acknowledged = self._sink.send(shipment(self.journal, [record], seq)) - 1
                except GapError as gap:
                    raise AssertionError(f"{gap} though {self.acknowledged} came") from gap
                except DeliveryError:
                    return

    def _round(self, number: int) -> Batch:
        return trained(self.journal, number, NODES)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_acknowledged_record_outlives_a_kill_exactly_once(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    acknowledged = dict.fromkeys(JOURNALS, 0)
    for _ in range(KILLS):
        with Server(tmp_path) as running:
            producers = [Producer(running, name, acknowledged[name]) for name in JOURNALS]
            for producer in producers:
                producer.start()
            time.sleep(moments.uniform(0.05, 0.8))
            running.kill()
            for producer in producers:
                producer.join(30)
        acknowledged = {producer.journal: producer.acknowledged for producer in producers}
        check(tmp_path, acknowledged, f"seed {seed}")
    assert sum(acknowledged.values()) > 3 * KILLS, acknowledged


def check(data: Path, acknowledged: dict[str, int], seed: str) -> None:
    """At most the one record on its way may be stored beyond what was acknowledged."""
    with closing(open_readonly(data)) as store:
        for journal, last in acknowledged.items():
            query = "SELECT coalesce(max(last_seq), 0) FROM journals WHERE id = ?"
            (kept,) = store.execute(query, (journal,)).fetchone()
            assert last <= kept <= last + 1, (journal, seed)
            rounds = [
                n for (n,) in store.execute("SELECT round FROM rounds WHERE run = ?", (journal,))
            ]
            assert rounds == [*range(1, kept)], (journal, seed)
            query = "SELECT seq FROM sample_batches WHERE journal = ? ORDER BY id"
            stored = [seq for (seq,) in store.execute(query, (journal,))]
            assert stored == [*range(2, kept + 1)], (journal, seed)
            query = "SELECT count(*) FROM events WHERE run = ?"
            (events,) = store.execute(query, (journal,)).fetchone()
            assert events == (1 + 2 * (kept - 1) if kept else 0), (journal, seed)


def test_an_answer_lost_with_the_connection_does_no_harm(tmp_path: Path) -> None:
    record = msgspec.json.encode(shipment("j", [started("r-1", ["a"]), trained("r-1", 1, ["a"])]))
    with Server(tmp_path) as first:
        assert first.post(record).json() == {"next_seq": 3}
        first.kill()
    with Server(tmp_path) as second:
        assert second.post(record).json() == {"next_seq": 3}
        assert second.get("/api/v1/status")["signals"]["events"] == 3
