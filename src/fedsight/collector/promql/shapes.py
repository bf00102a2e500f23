"""The answers of Prometheus's HTTP API as types.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Metric = dict[str, str]


class Found(Struct, frozen=True, rename="camel"):
    """What an expression gives."""

    result_type: Literal["vector", "matrix", "scalar", "string"]
    result: list[Any]


class Success(Struct, frozen=True):
    """The answer to an expression."""

    data: Found
    status: Literal["success"] = "success"


class Texts(Struct, frozen=True):
    """Names or values of labels; `warnings` where the list is not whole."""

    data: list[str]
    warnings: list[str]
    status: Literal["success"] = "success"


class SeriesFound(Struct, frozen=True):
    """Labels of series; `warnings` where the list is not whole."""

    data: list[Metric]
    warnings: list[str]
    status: Literal["success"] = "success"


class Meaning(Struct, frozen=True):
    """What is known of a metric from its name."""

    type: Literal["counter", "unknown"]
    help: str = ""
    unit: str = ""


class Metadata(Struct, frozen=True):
    """What is known of metrics."""

    data: dict[str, list[Meaning]]
    status: Literal["success"] = "success"


class Build(Struct, frozen=True, rename="camel"):
    """Whose API this is: `version` is the Prometheus whose answers these are like."""

    version: str
    revision: str
    branch: str
    build_user: str
    build_date: str
    go_version: str
    application: str


class BuildInfo(Struct, frozen=True):
    """Who answers."""

    data: Build
    status: Literal["success"] = "success"
