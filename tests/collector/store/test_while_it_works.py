"""Questions while samples are taken in, sealed, merged and expire: one moment each, all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.retention import Upkeeping
from tests.collector.store.contract_suite.suite import SECOND, at, named, rows
from tests.collector.store.kept_store import KeptStore

BATCH = 20
BATCHES = 150
MOST_BATCHES = 3000


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path, Upkeeping(seal_samples=3 * BATCH, look_seconds=0.001))
    yield opened
    opened.close()


def seen(samples: SampleSearch) -> tuple[int, int, int]:
    """The samples by three questions over one snapshot: they must agree."""
    (points,) = list(samples.points(named("load"), 10**6)) or [None]
    if points is None:
        return 0, 0, 0
    assert rows(points) == [(n, float(n)) for n in range(len(points.time))]
    (counted,) = samples.windows(named("load"), 2**62, "count")
    seconds = samples.windows(named("load"), SECOND, "last")[0]
    return len(points.time), int(counted.value[0]), len(seconds.time)


@pytest.mark.slow
def test_every_answer_is_of_one_moment(kept: KeptStore) -> None:
    kept.archive.few = -1
    kept.archive.leases._grace = 0.0
    kept.upkeep.start()
    sent = 0
    done = threading.Event()
    wrong: list[str] = []

    def ask() -> None:
        last = 0
        while not done.is_set():
            sure = sent
            told = kept.ask(seen)
            if len(set(told)) != 1 or told[0] < max(last, sure):
                wrong.append(f"{told} after {last}, {sure} were there")
            last = told[0]

    readers = [threading.Thread(target=ask) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(MOST_BATCHES):
        if number >= BATCHES and kept.upkeep.done.merges >= 2:
            break
        first = number * BATCH
        kept.send([at(n, float(n)) for n in range(first, first + BATCH)])
        sent = first + BATCH
    done.set()
    for reader in readers:
        reader.join(30)
    assert wrong == []
    assert kept.upkeep.done.merges > 0
    assert kept.upkeep.wrong is None
    assert kept.ask(seen) == (sent, sent, sent)
