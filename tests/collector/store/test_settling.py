"""An interruption while a commit is under way loses nothing: its files stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.ingest import Ingest
from fedsight.collector.store import manifest, merging, sealing
from fedsight.collector.store.contract import Selection
from fedsight.collector.store.engine import open_engine
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.settling import Settling
from fedsight.errors import StoreError
from fedsight.signals import Sample
from tests.collector.store.kept_store import KeptStore

START = 1_795_341_120 * 10**9


class Interrupted(Future[Any]):
    """Who asks for its result is interrupted, as by Ctrl-C."""

    def result(self, timeout: float | None = None) -> Any:
        raise KeyboardInterrupt


class Interrupting:
    """As `sealing.Writing`, of which every change is done and every answer interrupted."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def change(self, work: Callable[[Any], Any]) -> Future[Any]:
        answer = Interrupted()
        self._ingest.change(work).add_done_callback(lambda done: answer.set_result(done.result()))
        return answer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path)
    opened.folder.mkdir()
    yield opened
    opened.close()


def send(store: KeptStore, second: int) -> None:
    store.send([Sample(START + second * 10**9, "load", float(second), None, {"node": "n-1"})])


def values(store: KeptStore) -> list[float]:
    found = store.ask(lambda samples: list(samples.points(Selection((), 0, 2**62), 100)))
    return [value for points in found for value in points.value.tolist()]


def test_sealing(store: KeptStore, tmp_path: Path) -> None:
    send(store, 1)
    with open_engine(store.folder, threads=1, memory_mb=256) as engine:
        writing = Interrupting(store.store.ingest)
        with pytest.raises(KeyboardInterrupt):
            sealing.seal(engine, tmp_path / FILE_NAME, Settling(store.folder, writing), 10)
    assert len(store.segments()) == 1
    assert values(store) == [1.0]


class Failing:
    """As `sealing.Writing`, of which no change comes to its end."""

    def change(self, work: Callable[[Any], Any]) -> Future[Any]:
        answer = Future[Any]()
        answer.set_exception(StoreError("the disk is full"))
        return answer


def test_files_in_doubt_go_with_the_log_and_not_before(store: KeptStore, tmp_path: Path) -> None:
    send(store, 1)
    settling = Settling(store.folder, Failing())
    with (
        open_engine(store.folder, threads=1, memory_mb=256) as engine,
        pytest.raises(StoreError, match="full"),
    ):
        sealing.seal(engine, tmp_path / FILE_NAME, settling, 10)
    file, log = tmp_path / FILE_NAME, tmp_path / f"{FILE_NAME}-wal"
    (left,) = store.folder.glob("raw-*.parquet")
    log.touch()
    settling.end(file)
    assert left.exists()
    store.close()
    assert not log.exists()
    settling.end(file)
    assert not left.exists()


def test_merging(store: KeptStore) -> None:
    for second in (1, 2):
        send(store, second)
        assert store.upkeep.seal()
    with open_engine(store.folder, threads=1, memory_mb=256) as engine:
        writing, raw = Interrupting(store.store.ingest), manifest.raw(store.segments())
        with pytest.raises(KeyboardInterrupt):
            merging.merge(engine, Settling(store.folder, writing), raw)
    assert len(store.segments()) == 1
    assert values(store) == [1.0, 2.0]
