"""What the routes answer with, and their parameters. Times are RFC 3339; unknown is null."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from fedsight.forecast.service.drift import DriftFigures
from fedsight.forecast.service.looking import Method
from fedsight.forecast.service.options import Retrain
from fedsight.forecast.service.quality import HorizonQuality

Level = Literal["healthy", "degraded"]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


class ForecastQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the node's metrics (all where none is named), and how many steps ahead."""

    metric: Name | None = None
    horizon: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class QualityQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which node and metric, and which part of the nodes."""

    node: Name | None = None
    metric: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class ForecastAbout(Struct, frozen=True):
    """Who answers here."""

    name: str
    version: str


class ForecastPart(Struct, frozen=True, omit_defaults=True):
    """One part of the forecaster and what is wrong with it."""

    status: Level
    error: str | UnsetType = UNSET


class ForecastHealth(Struct, frozen=True):
    """Whether the forecaster can foresee and tell. `store_id` is the data directory's."""

    status: Level
    service: str
    timestamp: str
    version: str
    store_id: str | None
    components: dict[str, ForecastPart]


class ForecastModel(Struct, frozen=True):
    """The model version at work. `rows` of the past make one forecast of `horizon` steps."""

    version: str
    made_at: str
    rows: int
    horizon: int
    quantiles: list[float]


class MetricName(Struct, frozen=True):
    """A metric that is foreseen; unit null: it has none, or it is not known."""

    name: str
    unit: str | None


class Outlook(Struct, frozen=True):
    """A metric of a node: its last row, and the median's highest point ahead."""

    metric: str
    now: float
    peak: float
    peak_at: str


class NodeStanding(Struct, frozen=True):
    """One node. `standing` is `ready` or what is lacking, `message` says it in a sentence; of a
    node that is ready it names the metrics that never change, which are not foreseen.

    `rows` without a gap up to the last one, of `wanted`. `made_at` is when its newest forecast was
    made; `personal`: by weights tuned on the node.
    """

    node: str
    standing: Literal["ready", "unreadable", "no_metric", "few_rows", "gap", "constant", "silent"]
    message: str | None
    rows: int
    wanted: int
    last_row: str | None
    made_at: str | None
    personal: bool
    outlook: list[Outlook]


class NodeList(Struct, frozen=True):
    """All nodes, and the model; `problem` says why there is none, or what failed last."""

    model: ForecastModel | None
    problem: str | None
    step_seconds: float
    interval_seconds: float
    metrics: list[MetricName]
    nodes: list[NodeStanding]


class Observed(Struct, frozen=True):
    """The window's rows at equal steps; null: not measured."""

    times: list[str]
    values: list[float | None]


class Calibration(Struct, frozen=True):
    """What the interval between the outer quantiles is to hold (`target`), what it held over the
    period (`coverage`, null before anything was scored), and of how many scores."""

    target: float
    coverage: float | None
    scored: int


class MetricForecast(Struct, frozen=True):
    """One metric ahead, in its unit: a list of values for each quantile, as long as `times`.

    `model_shares`: how much of the model the mixture takes from that step on; null where the model
    foresees alone. The rest is the level that the window is centred on, the median of its last
    `level_rows`.
    """

    metric: str
    unit: str | None
    times: list[str]
    quantiles: dict[str, list[float]]
    observed: Observed
    calibration: Calibration
    model_shares: dict[str, float] | None
    level_rows: int


class NodeForecast(Struct, frozen=True):
    """What is foreseen of one node: by the model alone, by it mixed with the flat level of its
    window (`mixture`), or by that level alone (`baseline`)."""

    node: str
    made_at: str
    model: str
    method: Method
    personal: bool
    rows_used: int
    step_seconds: float
    horizon: int
    forecasts: list[MetricForecast]


class NodeQuality(Struct, frozen=True):
    """One node's errors by horizon; `coverage` over all of them. `method` foresees it now; null:
    nothing does."""

    node: str
    method: Method | None
    coverage: float | None
    horizons: list[HorizonQuality]


class MetricQuality(Struct, frozen=True):
    """One metric's errors: of all nodes' scores together, and of each node."""

    metric: str
    unit: str | None
    coverage: float | None
    horizons: list[HorizonQuality]
    nodes: list[NodeQuality]


Since = Annotated[str, Meta(description="RFC 3339")]


class Quality(Struct, frozen=True):
    """Errors over the period from `since` on, beside two baselines on the same origins.

    `target` is what the interval is to hold; `total` nodes have scores.
    """

    since: Since
    model: str | None
    target: float | None
    step_seconds: float
    metrics: list[MetricQuality]
    total: int
    drift: DriftFigures | None
    retrain: Retrain
