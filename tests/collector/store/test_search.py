"""The embedded store keeps the contract of a store of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.store.contract import SampleSearch
from fedsight.signals import Sample, batch
from tests.collector.open_store import Store
from tests.collector.store.contract_suite.suite import SampleSearchSuite


class HotStore:
    """Everything is in the hot log."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)

    def send(self, samples: Sequence[Sample]) -> None:
        self.store.ingest.keep(batch(samples)).result(10)

    def ask(self, question: Callable[[SampleSearch], Any]) -> Any:
        archive = self.store.readers.archive
        return self.store.readers.ask_now(lambda snapshot: question(archive.search(snapshot)))


class TestHotLog(SampleSearchSuite):
    @pytest.fixture
    def samples_store(self, tmp_path: Path) -> Iterator[HotStore]:
        opened = HotStore(tmp_path)
        yield opened
        opened.store.close()
