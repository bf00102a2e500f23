"""Our evaluation without a server: an expression in, the API's JSON out."""

from __future__ import annotations

from typing import Any

import msgspec

from fedsight.collector.promql.asking import at_once, over_range
from fedsight.collector.promql.errors import PromError
from fedsight.collector.promql.parameters import RangeQuery, grid, moment
from fedsight.collector.store.contract import SampleSearch


def asked(samples: SampleSearch, query: str, time: float) -> Any:
    """An instant query."""
    try:
        told = at_once(samples, query, moment("time", str(time)))
    except PromError as error:
        return msgspec.json.decode(error.body())
    return msgspec.json.decode(b"".join(told.pieces))


def asked_range(samples: SampleSearch, query: str, start: float, end: float, step: float) -> Any:
    """A range query."""
    try:
        times = grid(RangeQuery(query, str(start), str(end), str(step)))
        told = over_range(samples, query, times)
    except PromError as error:
        return msgspec.json.decode(error.body())
    return msgspec.json.decode(b"".join(told.pieces))
