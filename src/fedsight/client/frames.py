"""Columns as a frame of pandas or polars. Both are optional, and loaded when first used."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from fedsight.client.columns import Column, Columns
from fedsight.errors import MissingExtraError

Frames = Literal["pandas", "polars"]


def usable(frames: Frames | None) -> Frames:
    """The library that is asked for, or that is there; raises MissingExtraError."""
    for name in ("pandas", "polars") if frames is None else (frames,):
        if find_spec(name) is not None:
            return "polars" if name == "polars" else "pandas"
    raise MissingExtraError(frames or "pandas", "analysis")


def frame(columns: Columns, frames: Frames) -> Any:
    """The frame: times are UTC to the nanosecond, absent numbers NaN or null, text categories."""
    return _polars(columns) if frames == "polars" else _pandas(columns)


def _pandas(columns: Columns) -> Any:
    import pandas as pd

    return pd.DataFrame({name: _pandas_column(each) for name, each in columns.items()})


def _pandas_column(column: Column) -> Any:
    import pandas as pd

    if column.kind == "time":
        return pd.Series(column.values).dt.tz_localize("UTC")
    if column.kind == "whole":
        return pd.array(column.values, dtype="Int64")
    if column.kind == "flag":
        return pd.array(column.values, dtype="boolean")
    if column.kind == "text":
        return pd.Categorical.from_codes(column.values, pd.Index(column.texts, dtype=str))
    if column.kind == "object":
        return pd.Series(column.values, dtype=object)
    return column.values


def _polars(columns: Columns) -> Any:
    import polars as pl

    return pl.DataFrame({name: _polars_column(each) for name, each in columns.items()})


def _polars_column(column: Column) -> Any:
    import polars as pl

    if column.kind == "time":
        return pl.Series(column.values.astype("datetime64[ns]")).dt.replace_time_zone("UTC")
    if column.kind == "whole":
        return pl.Series(column.values, dtype=pl.Int64)
    if column.kind == "flag":
        return pl.Series(column.values, dtype=pl.Boolean)
    if column.kind == "text":
        texts = pl.Series([*column.texts, None], dtype=pl.Categorical)
        places = np.where(column.values < 0, len(column.texts), column.values)
        return texts.gather(places) if len(places) else texts.clear()
    if column.kind == "object":
        return pl.Series(column.values, dtype=pl.Object)
    return pl.Series(column.values).fill_nan(None)
