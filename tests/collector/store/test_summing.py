"""Windows are the same however their samples are spread over files, roll-ups and the hot log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.collector.store import manifest
from fedsight.collector.store.contract import Aggregation, Points, Selection
from fedsight.collector.store.manifest import MINUTE, STEPS
from fedsight.collector.store.overlap import Span, clusters, outside, shared, united_spans
from fedsight.collector.store.raw import RawSamples, tidy
from fedsight.collector.store.upkeep import Upkeeping
from fedsight.collector.store.windowing import windowed
from fedsight.signals import Sample
from tests.collector.store.contract_suite.suite import END, SECOND, START, named
from tests.collector.store.kept_store import KeptStore

AGGREGATIONS: list[Aggregation] = [
    *("mean", "min", "max", "sum", "count", "last", "p50", "p95", "rate"),
]
STEPS_ASKED = [SECOND, 7 * SECOND, 30 * SECOND, MINUTE, 10 * MINUTE, 60 * MINUTE, 2**62]
EVER = Span(0, 2**62)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptStore]:
    opened = KeptStore(tmp_path, Upkeeping(seal_samples=3000))
    yield opened
    opened.close()


def walk(seed: int, samples: int, seconds: float) -> list[Sample]:
    """Samples of four series in no order of time, some of them twice."""
    rng = np.random.default_rng(seed)
    times = START + (rng.integers(0, int(seconds * 100), samples) * (SECOND // 100))
    rounds = rng.integers(-1, 2, samples)
    return [
        Sample(int(t), "load", float(v), None if r < 0 else int(r), {"node": f"n{n}"})
        for t, v, r, n in zip(
            times, rng.normal(10, 5, samples), rounds, rng.integers(0, 4, samples), strict=True
        )
    ]


def expected(
    sent: list[Sample], which: Selection, step: int, aggregation: Aggregation
) -> dict[str, list[tuple[int, float]]]:
    """By the plain way: all samples in memory, each once, the later arrival."""
    rows = RawSamples(
        np.array([int(s.labels["node"][1:]) for s in sent], np.int32),
        np.array([s.time for s in sent], np.int64),
        np.array([-1 if s.round is None else s.round for s in sent], np.int32),
        np.array([s.value for s in sent]),
    )
    before = max(step, 5 * MINUTE) if aggregation == "rate" else 0
    inside = (rows.time >= which.start - before) & (rows.time < which.end)
    found = windowed(tidy(rows.where(inside)), step, aggregation, which.start)
    told: dict[str, list[tuple[int, float]]] = {}
    columns = (column.tolist() for column in found)
    for series, start, value in zip(*columns, strict=True):
        told.setdefault(f"n{series}", []).append((start, value))
    return told


def answered(found: list[Points]) -> dict[str, list[tuple[int, float]]]:
    return {
        each.series.labels["node"]: list(zip(each.time.tolist(), each.value.tolist(), strict=True))
        for each in found
    }


def check(kept: KeptStore, sent: list[Sample], which: Selection) -> None:
    """Every aggregation and step, summed up by DuckDB and read whole."""
    for few in (-1, 10**9):
        kept.archive.few = few
        for aggregation in AGGREGATIONS:
            for step in STEPS_ASKED:
                found = kept.ask(lambda s, st=step, a=aggregation: s.windows(which, st, a))
                got, wanted = answered(found), expected(sent, which, step, aggregation)
                assert got.keys() == wanted.keys(), (few, aggregation, step)
                for node, rows in wanted.items():
                    assert [t for t, _ in got[node]] == [t for t, _ in rows]
                    values = [v for _, v in got[node]]
                    exact = aggregation in ("count", "min", "max", "last")
                    told = [v for _, v in rows]
                    assert values == (told if exact else pytest.approx(told, rel=1e-9, abs=1e-9)), (
                        few,
                        aggregation,
                        step,
                    )


def spread(kept: KeptStore, sent: list[Sample]) -> None:
    """Two sealed files, a merged one before them, and some hot rows."""
    fifth = len(sent) // 5
    parts = [sent[at : at + fifth] for at in range(0, len(sent), fifth)]
    for part in parts[:2]:
        kept.send(part)
        kept.upkeep.seal()
    kept.upkeep.compact()
    for part in parts[2:4]:
        kept.send(part)
        kept.upkeep.seal()
    for part in parts[4:]:
        kept.send(part)


def test_arrivals_that_lie_over_each_other(kept: KeptStore):
    sent = walk(1, 500, 900)
    spread(kept, sent)
    assert len([s for s in kept.segments() if not s.step]) == 3
    check(kept, sent, named("load"))
    check(kept, sent, named("load", START + 100 * SECOND + 1, START + 700 * SECOND))


def test_arrivals_that_follow_each_other(kept: KeptStore):
    sent = sorted(walk(2, 500, 3000), key=lambda sample: sample.time)
    spread(kept, sent)
    check(kept, sent, named("load"))
    check(kept, sent, named("load", START + 61 * SECOND, START + 2000 * SECOND))


def test_dense_samples_have_rollups_that_are_used(kept: KeptStore):
    sent = sorted(walk(3, 6000, 1200), key=lambda sample: sample.time)
    for at in range(0, len(sent), 2000):
        kept.send(sent[at : at + 2000])
        kept.upkeep.seal()
    kept.upkeep.compact()
    kept.send(walk(4, 20, 1200))
    sent += walk(4, 20, 1200)
    steps = {segment.step for segment in kept.segments()}
    assert steps == {0, *STEPS}
    check(kept, sent, named("load"))
    check(kept, sent, named("load", START + 30 * SECOND, START + 1000 * SECOND))


def test_rollups_speak_for_samples_that_are_gone(kept: KeptStore):
    sent = sorted(walk(5, 6000, 1200), key=lambda sample: sample.time)
    kept.send(sent)
    kept.upkeep.compact()
    (raw,) = [s for s in kept.segments() if not s.step]
    kept.store.ingest.change(lambda store: manifest.release(store, [raw.id])).result(10)
    which = named("load", START, END)
    for aggregation in ("mean", "min", "max", "sum", "count", "last"):
        for step in (MINUTE, 5 * MINUTE, 60 * MINUTE, 2**62):
            found = kept.ask(lambda s, st=step, a=aggregation: s.windows(which, st, a))
            wanted = expected(sent, which, step, aggregation)
            got = answered(found)
            assert got.keys() == wanted.keys()
            for node, rows in wanted.items():
                assert [v for _, v in got[node]] == pytest.approx([v for _, v in rows])
    assert kept.ask(lambda s: s.windows(which, MINUTE, "p95")) == []
    assert kept.ask(lambda s: s.windows(which, SECOND, "mean")) == []
    assert len(kept.ask(lambda s: s.series(which, 10))) == 4


def test_a_late_sample_does_not_make_one_span_of_all(kept: KeptStore):
    sent = sorted(walk(6, 3000, 1200), key=lambda sample: sample.time)
    kept.send(sent)
    kept.upkeep.compact()
    late = [Sample(START - 10**6 * SECOND, "load", 1.0, None, {"node": "n0"})]
    late.append(Sample(START + 10**6 * SECOND, "load", 2.0, None, {"node": "n1"}))
    kept.send(late)
    kept.upkeep.seal()
    kept.send(late)
    for segment in kept.segments()[1:]:
        assert segment.step or [end - start for start, end in segment.times] == [1, 1]
    check(kept, [*sent, *late], named("load"))
    kept.upkeep.compact()
    assert max(len(segment.times) for segment in kept.segments()) == 3
    check(kept, [*sent, *late], named("load"))


@given(st.lists(st.integers(0, 10**13), max_size=200), st.lists(st.integers(0, 10**13)))
def test_clusters_hold_every_sample_and_are_few(times: list[int], more: list[int]):
    found = clusters(np.array(times, np.int64))
    assert len(found) <= 16
    assert all(any(s.start <= time < s.end for s in found) for time in times)
    assert all(after.start > before.end for before, after in pairwise(found))
    both = united_spans([*found, *clusters(np.array(more, np.int64))])
    assert len(both) <= 16
    assert all(any(s.start <= time < s.end for s in both) for time in [*times, *more])


spans = st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda t: Span(t[0], t[0] + t[1]))


@given(st.lists(spans, max_size=6), spans)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_spans_are_shared_where_two_sources_meet(sources: list[Span], within: Span):
    found = shared(sources, within)
    both = {
        time
        for time in range(*within)
        if sum(source.start <= time < source.end for source in sources) > 1
    }
    assert {time for span in found for time in range(*span)} == both
    elsewhere = outside(found, Span(10, 30))
    assert {time for span in elsewhere for time in range(*span)} == set(range(10, 30)) - both
    rest = {time for span in outside(found, within) for time in range(*span)}
    assert rest == set(range(*within)) - both
