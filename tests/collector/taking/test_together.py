"""Bodies that are read together give what each alone does, and each its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.collector.store.prepare import Record, plain_record
from fedsight.collector.taking.arrivals import Taken
from fedsight.collector.taking.bodies import Pool
from fedsight.collector.taking.columns import ColumnReader, Columns
from fedsight.collector.taking.together import Together
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import now_ns

AHEAD = 10**12
SERIES = st.lists(
    st.builds(
        lambda name, labels: {"name": name, "labels": labels},
        st.sampled_from(["a", "fl_x", "fl_round_participants", "0"]),
        st.dictionaries(st.sampled_from(["run", "node"]), st.sampled_from("pq")),
    ),
    min_size=1,
    max_size=3,
)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    ["1", 1.5, -1, None, [1], [], 2**70, {}, True, "[", ","]
)


def columns(size: int) -> st.SearchStrategy[dict[str, Any]]:
    def of(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(numbers, min_size=size, max_size=size)

    whole = st.integers(0, 2)
    rounds = st.one_of(st.none(), of(st.one_of(st.none(), st.integers(0, 10**9))))
    return st.fixed_dictionaries(
        {
            "series": SERIES,
            "index": of(whole),
            "time": of(st.integers(0, 10**15)),
            "value": of(st.one_of(st.floats(0, 1), st.integers(0, 9))),
            "round": rounds,
        }
    )


GOOD = st.integers(0, 4).flatmap(columns)
BAD = st.tuples(GOOD, st.sampled_from(["index", "time", "value", "round"]), ODD).map(
    lambda parts: {**parts[0], parts[1]: [*(parts[0][parts[1]] or []), parts[2]]}
)
BODIES = st.one_of(
    GOOD.map(msgspec.json.encode),
    GOOD.map(msgspec.json.encode),
    BAD.map(msgspec.json.encode),
    st.sampled_from([b"", b"{}", b"[" * 9000, b'{"series":[],"index":3,"time":"[]"}', b"\xff"]),
)


def told(found: Columns | Exception) -> object:
    """What can be compared."""
    if isinstance(found, Exception):
        return type(found), str(found), getattr(found, "field", None)
    block = found.block
    arrays = [(str(a.dtype), a.tolist()) for a in (block.index, block.time, block.value)]
    span = (block.time.min(), block.time.max()) if block.time.size else (0, -1)
    assert (found.first, found.last) == span
    return block.run, block.series, arrays, (str(block.round.dtype), block.round.tolist())


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, max_size=6), st.sampled_from([1, 10**6]))
def test_together_is_as_alone(bodies: list[bytes], unit: int) -> None:
    together = ColumnReader().read_all(bodies, unit)
    alone = [ColumnReader().read_all([body], unit)[0] for body in bodies]
    assert [told(each) for each in together] == [told(each) for each in alone]


@settings(max_examples=30, deadline=None)
@given(st.lists(GOOD, min_size=2, max_size=6))
def test_good_bodies_are_read_together(bodies: list[dict[str, Any]]) -> None:
    reader = ColumnReader()
    for body in bodies:
        body["series"] = [{"name": "a", "labels": {}}]
        body["index"] = [0] * len(body["index"])
        body["round"] = None
    some = [msgspec.json.encode(body) for body in bodies if body["index"]]
    assert len(some) < 2 or reader._together(some, 1) is not None


class Kept:
    """Takes all, and tells each how many it had; `wrong` is raised instead."""

    def __init__(self, wrong: Exception | None = None) -> None:
        self.calls: list[int] = []
        self._wrong = wrong

    def take_all(self, records: Sequence[Record], answers: Sequence[asyncio.Future[Taken]]) -> None:
        if self._wrong is not None:
            raise self._wrong
        self.calls.append(len(records))
        for record, answer in zip(records, answers, strict=True):
            if not answer.done():
                answer.set_result(Taken(sum(len(block.index) for block in record.samples)))


def asked(kept: Kept, bodies: list[bytes]) -> list[Any]:
    async def all_at_once() -> list[Any]:
        together = Together(kept, Pool(ColumnReader), AHEAD)
        asking = (together.taken(body, 1) for body in bodies)
        return await asyncio.gather(*asking, return_exceptions=True)

    return asyncio.run(all_at_once())


def body(n: int, time: int = 5, index: int = 0) -> bytes:
    return msgspec.json.encode(
        {
            "series": [{"name": "a", "labels": {"run": "r"}}],
            "index": [index] * n,
            "time": [time] * n,
            "value": [0.5] * n,
        }
    )


def test_each_is_told_its_own() -> None:
    kept = Kept()
    far = now_ns() + 2 * AHEAD
    answers = asked(kept, [body(1), b"what", body(2), body(1, index=1), body(3), body(2, far)])
    assert [answers[0], answers[2], answers[4]] == [Taken(1), Taken(2), Taken(3)]
    assert isinstance(answers[1], RefusedError)
    assert isinstance(answers[3], BadFieldError)
    assert isinstance(answers[5], BadFieldError)
    assert [answers[3].field, answers[5].field] == ["body", "time[0]"]
    assert kept.calls == [3]


def test_many_are_taken_in_parts() -> None:
    kept = Kept()
    assert asked(kept, [body(1)] * 130) == [Taken(1)] * 130
    assert kept.calls == [64, 64, 2]


@pytest.mark.parametrize("wrong", [KeyError("x"), RefusedError(503, "store", "gone")])
def test_a_fault_is_told_to_all_who_wait(wrong: Exception) -> None:
    assert asked(Kept(wrong), [body(1), body(2)]) == [wrong, wrong]


def test_who_has_gone_is_not_waited_for() -> None:
    kept = Kept()

    async def one_leaves() -> Taken:
        together = Together(kept, Pool(ColumnReader), AHEAD)
        leaving, staying = (asyncio.create_task(together.taken(body(n), 1)) for n in (1, 2))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert asyncio.run(one_leaves()) == Taken(2)


def test_a_plain_record_is_a_checked_one() -> None:
    (one,) = ColumnReader().read_all([body(3)], 1)
    assert isinstance(one, Columns)
    record = plain_record(one.block, (one.first, one.last))
    assert record.runs == {}
    assert record.samples[0].run == "r"
    assert np.array_equal(record.samples[0].time, [5, 5, 5])
