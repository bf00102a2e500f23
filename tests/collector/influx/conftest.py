from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collector.influx.influxd import Influxd


@pytest.fixture(scope="package")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    running = Influxd(tmp_path_factory.mktemp("influxd"))
    yield running
    running.stop()
