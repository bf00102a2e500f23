"""Columns that a person understands, of what an exporter measures: W, load and MB."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fedsight.errors import SeriesError

#: Derived columns and their units, in order.
UNITS: Mapping[str, str] = {"power_consumption": "W", "cpu_usage": "load", "memory_usage": "MB"}
#: Other names that people have for them.
ALIASES: Mapping[str, str] = {
    "cpu_consumption": "cpu_usage",
    "memory_consumption": "memory_usage",
    "ram_usage": "memory_usage",
}
POWER = "scaph_host_power_microwatts"
LOAD = "scaph_host_load_avg_one"
MEMORY_TOTAL = "scaph_host_memory_total_bytes"
MEMORY_AVAILABLE = "scaph_host_memory_available_bytes"
MICROWATTS, MEGABYTE, SECOND = 1e6, 1e6, 1e9


def column_name(metric: str) -> str:
    """The column of a metric that may go by one of its `ALIASES`."""
    return ALIASES.get(metric, metric)


def derived(window: pd.DataFrame) -> pd.DataFrame:
    """A window's rows with `timestamp` (s) and the columns of `UNITS` that its own give.

    A window's columns are `{configuration}.{metric}`; power in microwatts becomes W, the load of
    one minute stays, memory in use is total less available, in MB (10^6 bytes). What was not
    measured stays NaN. A frame that names `UNITS` or other columns itself, such as a recorded
    series, keeps them. Where several configurations have one metric, none of them stands for it.
    """
    endings = [str(name).rsplit(".", 1)[-1] for name in window.columns]
    measured = {
        ending if endings.count(ending) == 1 else str(name): window[name]
        for name, ending in zip(window.columns, endings, strict=True)
    }
    found = {"timestamp": pd.Series(window.index / SECOND, window.index)}
    found |= {column_name(name): column for name, column in measured.items()}
    if POWER in measured:
        found["power_consumption"] = measured[POWER] / MICROWATTS
    if LOAD in measured:
        found["cpu_usage"] = measured[LOAD]
    if MEMORY_TOTAL in measured and MEMORY_AVAILABLE in measured:
        used = measured[MEMORY_TOTAL] - measured[MEMORY_AVAILABLE]
        found["memory_usage"] = used / MEGABYTE
    return pd.DataFrame(found)


def chosen(window: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """The columns called `metrics`, by aliases or by whole names too, under the names asked for.

    Raises SeriesError where there is no such column, naming those that there are.
    """
    columns = derived(window)
    whole = [name for name in metrics if name in window and column_name(name) not in columns]
    columns = columns.assign(**{name: window[name] for name in whole})
    missing = [metric for metric in metrics if column_name(metric) not in columns]
    if missing:
        there = ", ".join(str(name) for name in columns.columns if name != "timestamp")
        raise SeriesError(f"no column {', '.join(missing)}; there are {there or 'none'}")
    return pd.DataFrame({metric: columns[column_name(metric)] for metric in metrics})
