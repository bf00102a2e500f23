"""Our evaluation without a server: an expression in, the API's JSON out."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from fedsight.collector.promql import answers
from fedsight.collector.promql.errors import PromError
from fedsight.collector.promql.evaluation import by_value, evaluated
from fedsight.collector.promql.parameters import RangeQuery, grid, moment
from fedsight.collector.promql.routes import range_samples
from fedsight.collector.promql.selecting import Evaluation
from fedsight.collector.promql.syntax import parsed
from fedsight.collector.promql.values import Scalar, Vector
from fedsight.collector.store.contract import SampleSearch


def asked(samples: SampleSearch, query: str, time: float) -> Any:
    """An instant query."""
    try:
        tree = parsed(query)
        times = np.array([moment("time", str(time))], np.int64)
        if type(tree).__name__ == "MatrixSelector":
            pieces = answers.sample_pieces(range_samples(samples, times, tree))
        else:
            value = evaluated(Evaluation(samples, times), tree)
            pieces = answers.instant_pieces(value, times, by_value(tree))
        return msgspec.json.decode(b"".join(pieces))
    except PromError as error:
        return msgspec.json.decode(error.body())


def asked_range(samples: SampleSearch, query: str, start: float, end: float, step: float) -> Any:
    """A range query."""
    try:
        times = grid(RangeQuery(query, str(start), str(end), str(step)))
        value = evaluated(Evaluation(samples, times), parsed(query))
        assert isinstance(value, Vector | Scalar)
        return msgspec.json.decode(b"".join(answers.range_pieces(value, times)))
    except PromError as error:
        return msgspec.json.decode(error.body())
