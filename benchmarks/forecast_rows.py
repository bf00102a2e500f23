"""The rows of the forecasting benchmark: each method's forecasts of every node's test part.

Whatever is chosen (the best turn, fine-tuning, weights of the mixture, where intervals start) is
chosen on the validation part; the test part is only foreseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.forecast_learning import ROUNDS_A_TURN, by_itself, federated, foreseen, pooled
from benchmarks.forecast_nodes import PERIODS, SHAPE, Node, nodes
from benchmarks.forecast_served import served
from fedsight.errors import MissingExtraError
from fedsight.forecast import baselines, calibration, mixture
from fedsight.forecast.accuracy import Accuracy, accuracy
from fedsight.forecast.model import Forecaster
from fedsight.forecast.processor import NodeData
from fedsight.forecast.scale import Array
from fedsight.forecast.sequences import Examples
from fedsight.forecast.training import own_model, personal

MEDIAN, PERSISTENCE = "moving median of 30", "persistence"
LOCAL, CENTRALISED, FEDERATED = "local", "centralised", "federated"
TUNED, ZERO_SHOT = "federated, fine-tuned", "zero-shot (left out)"
#: As `TUNED` was before a node might choose a model that begins from nothing.
ONLY_TUNED = "fine-tuned, always from the federated"
MIXTURE = "mixture: fine-tuned and level"
#: What the forecaster tells: with the nodes' own models, without, and of a node that was left out.
SERVED, SERVED_SHARED = "as served, with models of their own", "as served, the federated model"
SERVED_NEW = "as served to a node left out"
#: Nodes that tune draw what no other row draws.
OTHER_SEED = 1000
#: The lags of both autoregressions: the model's own sequence, and eight hours of five minutes.
LAGS = (10, 96)


#: From the shared model to a node's own: its training and its validation part, and what draws.
Tune = Callable[[Forecaster, Examples, Examples, torch.Generator], Forecaster]


@dataclass(frozen=True)
class Row:
    """One method, over all nodes in order; `scaled` has each origin's mean scaled error, (nodes,
    origins), for those that are compared origin by origin. `held` (nodes,) is the coverage of
    corrected intervals."""

    nodes: list[Accuracy]
    scaled: Array | None = None
    held: Array | None = None


def baseline_rows(which: str, over: Sequence[Node]) -> dict[str, Row]:
    """Every method without a network."""
    period = PERIODS[which]
    found: dict[str, list[Array]] = {}
    for node in over:
        series, at, ahead = node.series, node.at, SHAPE.horizon
        for name, values in {
            PERSISTENCE: baselines.persistence(series, at, ahead),
            MEDIAN: baselines.moving_median(series, at, ahead),
            f"seasonal naive ({period} rows)": baselines.seasonal_naive(series, at, ahead, period),
            "drift": baselines.drift(series, at, ahead),
            **{f"autoregression, {lags} lags": _linear(node, lags) for lags in LAGS},
            "exponential smoothing": baselines.smoothed(series, at, ahead, _alpha(node)),
        }.items():
            found.setdefault(name, []).append(values)
    return {name: _row(over, values, name == MEDIAN) for name, values in found.items()}


def _linear(node: Node, lags: int) -> Array:
    training = node.data.training.origins
    return baselines.autoregression(node.series, node.at, SHAPE.horizon, training, lags)


def _alpha(node: Node) -> float:
    """The smoothing weight that statsmodels fits on the training part."""
    try:
        from statsmodels.tsa.holtwinters import SimpleExpSmoothing
    except ModuleNotFoundError as error:
        raise MissingExtraError("statsmodels", "bench") from error
    until = len(node.series) * 70 // 100
    unitless = node.data.scale.unitless(node.data.values)[:until, 0]
    fitted = SimpleExpSmoothing(unitless, initialization_method="estimated").fit()
    return float(fitted.params["smoothing_level"])


def learned_rows(
    which: str, source: Path | None, quick: bool, seed: int, rounds: int
) -> dict[str, Row]:
    """Every method with a network, from one seed; to be run in a process of its own.

    Federations that leave a node out are as many as nodes, so they have half the rounds.
    """
    torch.set_num_threads(1)
    over = nodes(which, source, quick)
    data = [node.data for node in over]
    model, turns = federated(data, seed, rounds), -(-rounds // ROUNDS_A_TURN)
    only_tuned = _each(personal, model, data, seed)
    own = _each(own_model, model, data, seed + OTHER_SEED)
    body = [pooled([getattr(one, part) for one in data]) for part in ("training", "validation")]
    central = by_itself(body[0], body[1], data[0], seed, turns)
    local = [by_itself(one.training, one.validation, one, seed, turns) for one in data]
    without = [[*data[:at], *data[at + 1 :]] for at in range(len(data))]
    left_out = [federated(others, seed, -(-rounds // 2)) for others in without]
    alone = [served([node], left, [left])[0] for node, left in zip(over, left_out, strict=True)]
    return {
        LOCAL: _learned(over, local),
        CENTRALISED: _learned(over, [central] * len(over)),
        FEDERATED: _learned(over, [model] * len(over)),
        ONLY_TUNED: _learned(over, only_tuned),
        TUNED: _learned(over, own),
        ZERO_SHOT: _learned(over, left_out),
        MIXTURE: _mixture(over, own),
        SERVED: _told(over, served(over, model, own)),
        SERVED_SHARED: _told(over, served(over, model, [model] * len(over))),
        SERVED_NEW: _told(over, alone),
    }


def _each(tune: Tune, model: Forecaster, data: Sequence[NodeData], seed: int) -> list[Forecaster]:
    """The models that nodes keep, one after the other."""
    rng = torch.Generator().manual_seed(seed)
    return [tune(model, one.training, one.validation, rng) for one in data]


def _learned(over: Sequence[Node], models: Sequence[Forecaster]) -> Row:
    fans = [foreseen(model, node.data, node.at) for node, model in zip(over, models, strict=True)]
    past = [_validation(node, model) for node, model in zip(over, models, strict=True)]
    return _of_fans(over, fans, past)


def _validation(node: Node, model: Forecaster) -> Array:
    return foreseen(model, node.data, node.data.validation.origins)


def _mixture(over: Sequence[Node], models: Sequence[Forecaster]) -> Row:
    """The fine-tuned fans, moved to where the mixture of their median and the level lies."""
    fans, past = [], []
    for node, model in zip(over, models, strict=True):
        before = node.data.validation.origins
        known, ahead = _validation(node, model), foreseen(model, node.data, node.at)
        flat = [_level(node, at) for at in (before, node.at)]
        share = mixture.weights(known[..., 1], flat[0], node.came(before))
        past.append(mixture.moved(known, 1, flat[0], share))
        fans.append(mixture.moved(ahead, 1, flat[1], share))
    return _of_fans(over, fans, past)


def _level(node: Node, at: Array) -> Array:
    """What the node's windows are centred on, held flat."""
    (rows,) = node.data.scale.levels(SHAPE.rows)
    return baselines.moving_median(node.series, at, SHAPE.horizon, int(rows))


def _told(over: Sequence[Node], fans: Sequence[Array]) -> Row:
    """Fans whose intervals are corrected already."""
    row = _row(over, [fan[..., 1] for fan in fans], True)
    ends = [
        (fan[..., 0], fan[..., -1], node.came(node.at))
        for fan, node in zip(fans, over, strict=True)
    ]
    held = [float(((low <= came) & (came <= high)).mean()) for low, high, came in ends]
    return Row(row.nodes, row.scaled, np.array(held))


def _of_fans(over: Sequence[Node], fans: Sequence[Array], past: Sequence[Array]) -> Row:
    middle = [fan[..., 1] for fan in fans]
    each = [(fan[..., 0], fan[..., -1]) for fan in fans]
    held = [_held(*one) for one in zip(over, fans, past, strict=True)]
    row = _row(over, middle, True, each)
    return Row(row.nodes, row.scaled, np.array(held))


def _held(node: Node, fan: Array, past: Array) -> float:
    """How many values lay within the interval that follows its own coverage."""
    came, before = node.came(node.at), node.came(node.data.validation.origins)
    start = calibration.split(past[:, :, None], before[..., None], SHAPE.quantiles)
    told, _ = calibration.followed(fan[:, :, None], came[..., None], start, SHAPE.quantiles)
    return float(((told[:, :, 0, 0] <= came) & (came <= told[:, :, 0, -1])).mean())


def _row(
    over: Sequence[Node],
    values: Sequence[Array],
    by_origin: bool,
    intervals: Sequence[tuple[Array, Array]] | None = None,
) -> Row:
    found, scaled = [], []
    for at, (node, one) in enumerate(zip(over, values, strict=True)):
        came = node.came(node.at)
        found.append(accuracy(one, came, node.naive, intervals[at] if intervals else None))
        scaled.append(np.abs(one - came).mean(axis=1) / node.naive)
    least = min(map(len, scaled))
    return Row(found, np.stack([each[-least:] for each in scaled]) if by_origin else None)


def averaged(rows: Sequence[Row]) -> Row:
    """One row of several seeds: every figure the mean over them."""
    each = [
        Accuracy(
            *(
                np.mean([getattr(row.nodes[at], name) for row in rows], axis=0)
                for name in ("mae", "rmse", "mase", "coverage")
            )
        )
        for at in range(len(rows[0].nodes))
    ]
    scaled, held = ([getattr(row, name) for row in rows] for name in ("scaled", "held"))
    return Row(
        each,
        None if scaled[0] is None else np.mean(scaled, axis=0),
        None if held[0] is None else np.mean(held, axis=0),
    )


def overall(row: Row) -> float:
    """The MASE over all horizons, then over nodes: the figure that methods are compared by."""
    return float(np.mean([one.mase.mean() for one in row.nodes]))


def by_method(seeds: Sequence[Mapping[str, Row]]) -> dict[str, list[Row]]:
    """Each method's rows, one a seed."""
    return {name: [found[name] for found in seeds] for name in seeds[0]}
