"""Points on their way into windows: whose they are, which of them are wanted, one row a scrape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd


class Point(NamedTuple):
    """One number of a metric: OTLP's data point. `time` is Unix nanoseconds UTC."""

    name: str
    time: int
    value: float
    attributes: Mapping[str, str]
    unit: str = ""


class Sorter:
    """Sorts what arrives by the rules of a `BridgeConfiguration`. For one thread."""

    def sort(
        self, resource: Mapping[str, str], scope: str, points: Iterable[Point]
    ) -> dict[str, pd.DataFrame]:
        """Rows for `add_dataframe`, by node; empty where no rule wants any of it."""
        raise NotImplementedError
