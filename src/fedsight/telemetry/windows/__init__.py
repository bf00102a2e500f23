"""Sliding windows of telemetry, one a node, and the rules on what goes into them."""

from fedsight.telemetry.windows.contract import (
    INTERVAL_NS,
    MAX_COLUMNS,
    MAX_NODES,
    MAX_ROWS,
    Added,
    Figures,
    TimeSeriesData,
    WindowError,
    Windows,
    WindowTimeoutError,
    is_node,
    node_name,
)
from fedsight.telemetry.windows.frames import Gap, gaps, with_gaps
from fedsight.telemetry.windows.local import LocalWindows
from fedsight.telemetry.windows.memory import MemoryWindows
from fedsight.telemetry.windows.rules import BridgeConfiguration, ResourceConfiguration, Rule
from fedsight.telemetry.windows.sorting import Point, Sorter

__all__ = [
    "INTERVAL_NS",
    "MAX_COLUMNS",
    "MAX_NODES",
    "MAX_ROWS",
    "Added",
    "BridgeConfiguration",
    "Figures",
    "Gap",
    "LocalWindows",
    "MemoryWindows",
    "Point",
    "ResourceConfiguration",
    "Rule",
    "Sorter",
    "TimeSeriesData",
    "WindowError",
    "WindowTimeoutError",
    "Windows",
    "gaps",
    "is_node",
    "node_name",
    "with_gaps",
]
