"""kill -9 while samples are sealed and merged: each is there once, whatever the moment."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from fedsight.collector.keeping.checking import verify
from fedsight.collector.keeping.opened import changing, reading
from fedsight.collector.store import manifest
from fedsight.collector.store.contract import Matcher, Selection
from tests.collector.server import Server
from tests.collector.test_kill import JOURNALS, NODES, Producer

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "4"))
#: So small that a collector seals and merges all the time.
RESTLESS = {"seal_samples": 400, "look_seconds": 0.001}


@pytest.mark.slow
def test_each_acknowledged_sample_outlives_a_kill_exactly_once(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    acknowledged = dict.fromkeys(JOURNALS, 0)
    merged = 0
    for kill in range(KILLS):
        with Server(tmp_path, upkeep=RESTLESS) as running:
            producers = [Producer(running, name, acknowledged[name]) for name in JOURNALS]
            for producer in producers:
                producer.start()
            if kill == KILLS - 1:  # however slow the machine is, it must have had time to merge
                await_work(tmp_path, producers)
            time.sleep(moments.uniform(0.3, 1.5))
            running.kill()
            for producer in producers:
                producer.join(30)
        acknowledged = {producer.journal: producer.acknowledged for producer in producers}
        merged = max(merged, check(tmp_path, acknowledged, f"seed {seed}"))
    assert sum(acknowledged.values()) > 3 * KILLS, acknowledged
    assert merged > 0
    with changing(tmp_path) as opened:  # cleans up as a collector does at its start
        left = {file.name for file in opened.archive.sealed.folder.glob("*.parquet*")}
    with reading(tmp_path) as source:
        named = {segment.file for segment in manifest.segments(source.store)}
    assert left - {"series.parquet"} == named


def await_work(data: Path, producers: list[Producer]) -> None:
    """Wait until enough was taken in and some of it was merged, or nothing would be shown."""
    until = time.monotonic() + 60
    while merged_files(data) == 0 or sum(p.acknowledged for p in producers) <= 3 * KILLS:
        assert time.monotonic() < until, "nothing was merged within a minute"
        time.sleep(0.05)


def merged_files(data: Path) -> int:
    with reading(data) as source:
        return sum(s.level > 0 for s in manifest.segments(source.store))


def check(data: Path, acknowledged: dict[str, int], seed: str) -> int:
    """Every round of every node once; returns how many files were merged."""
    with reading(data) as source:
        wrong = [each for each in verify(source.store, source.archive.sealed.folder) if each.wrong]
        assert wrong == [], seed
        search = source.archive.search(source.store)
        for run, last in acknowledged.items():
            query = "SELECT coalesce(max(last_seq), 0) FROM journals WHERE id = ?"
            (kept,) = source.store.execute(query, (run,)).fetchone()
            assert last <= kept <= last + 1, (run, seed)
            which = (Matcher("__name__", "=", "fl_client_samples"), Matcher("run", "=", run))
            found = list(search.points(Selection(which, 0, 2**62), 10**9))
            rounds = [*range(1, kept)]
            assert len(found) == (len(NODES) if rounds else 0), (run, seed)
            for each in found:
                assert each.round is not None
                assert each.round.tolist() == rounds, (run, seed)
        return sum(s.level > 0 for s in manifest.segments(source.store))
