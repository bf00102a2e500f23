"""A real hot log with a real InfluxDB behind it, without a server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedsight.collector.influx.address import InfluxAddress
from fedsight.collector.influx.archive import InfluxArchive
from fedsight.collector.influx.client import connect
from fedsight.collector.influx.forwarding import Forwarding
from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.schema import FILE_NAME
from fedsight.signals import Sample, batch
from tests.collector.open_store import Store

NUMBERS = itertools.count(1)


class Forwarded:
    """A store whose samples go to a database of their own; `waits`: nothing goes by itself."""

    def __init__(self, folder: Path, address: InfluxAddress, *, waits: bool, most: int = 10**6):
        folder.mkdir(exist_ok=True)
        self.address = replace(address, database=f"test{next(NUMBERS)}")
        self.influx = connect(self.address)
        self.influx.prepare()
        self.store = Store(folder)
        self.archive = InfluxArchive(self.influx)
        self.forwarding = Forwarding(
            folder / FILE_NAME, self.store.ingest, self.influx, self.archive.index, most=most
        )
        self.waits = waits
        if not waits:
            self.forwarding.start()

    def send(self, samples: Sequence[Sample]) -> None:
        """Take samples in; unless they wait, they are in InfluxDB when this returns."""
        self.store.ingest.keep(batch(samples)).result(10)
        if not self.waits:
            self.forwarding.wake()
            self.settled()

    def settled(self) -> None:
        """Wait until nothing waits any more."""
        deadline = time.monotonic() + 20
        while self.waiting():
            assert time.monotonic() < deadline, self.forwarding.error
            time.sleep(0.01)

    def waiting(self) -> int:
        """Batches in the hot log."""
        return int(self.store.rows("SELECT count(*) FROM sample_batches")[0][0])

    def ask(self, question: Callable[[SampleSearch], Any]) -> Any:
        """What `question` answers over one snapshot."""
        return self.store.readers.ask_now(lambda snapshot: question(self.archive.search(snapshot)))

    def close(self) -> None:
        """Close."""
        if not self.waits:
            self.forwarding.close()
        self.store.close()
