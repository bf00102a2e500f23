"""InfluxDB keeps the contract of a store of samples, and so do it and the hot log together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fedsight.signals import Sample
from tests.collector.influx.forwarded import Forwarded
from tests.collector.influx.influxd import Influxd
from tests.collector.store.contract_suite.suite import SampleSearchSuite


class Half(Forwarded):
    """Every other arrival still waits in the hot log."""

    def __init__(self, folder: Path, influxd: Influxd) -> None:
        super().__init__(folder, influxd.address, waits=True)
        self._sent = 0

    def send(self, samples: Sequence[Sample]) -> None:
        super().send(samples)
        self._sent += 1
        if self._sent % 2:
            while self.forwarding.forward():
                pass


class TestInfluxDB(SampleSearchSuite):
    @pytest.fixture
    def samples_store(self, tmp_path: Path, influxd: Influxd) -> Iterator[Forwarded]:
        opened = Forwarded(tmp_path, influxd.address, waits=False)
        yield opened
        opened.close()


class TestInfluxDBAndHotLog(SampleSearchSuite):
    @pytest.fixture
    def samples_store(self, tmp_path: Path, influxd: Influxd) -> Iterator[Half]:
        opened = Half(tmp_path, influxd)
        yield opened
        opened.close()
