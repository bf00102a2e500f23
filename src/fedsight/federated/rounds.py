"""The round loop, around any Flower strategy."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from fedsight.errors import FedsightError

#: Evaluates the global model on the server: (round, arrays) -> figures, or None.
Evaluate = Callable[[int, ArrayRecord], MetricRecord | None]

#: Rounds running without one usable update, after which a run has failed.
MOST_EMPTY_ROUNDS = 3


def run_rounds(
    strategy: Strategy,
    grid: Grid,
    arrays: ArrayRecord,
    *,
    rounds: int,
    timeout: float | None = None,
    train_config: ConfigRecord | None = None,
    evaluate_config: ConfigRecord | None = None,
    evaluate: Evaluate | None = None,
) -> Result:
    """Train, aggregate and evaluate `rounds` times, starting from `arrays`.

    A round without a usable update leaves the global model as it was. Raises FedsightError when
    `MOST_EMPTY_ROUNDS` of them come running, or where there were no others.
    """
    result = Result()
    result.arrays = arrays
    train_config = ConfigRecord() if train_config is None else train_config
    evaluate_config = ConfigRecord() if evaluate_config is None else evaluate_config
    empty = 0
    for current in range(1, rounds + 1):
        trained = _train(strategy, grid, current, result, train_config, timeout)
        _evaluate_on_nodes(strategy, grid, current, result, evaluate_config, timeout)
        if evaluate is not None and (found := evaluate(current, result.arrays)) is not None:
            result.evaluate_metrics_serverapp[current] = found
        empty = 0 if trained else empty + 1
        if empty == min(MOST_EMPTY_ROUNDS, rounds):
            raise FedsightError(f"no node returned a usable update in {empty} rounds running")
    return result


def _train(
    strategy: Strategy,
    grid: Grid,
    current: int,
    result: Result,
    config: ConfigRecord,
    timeout: float | None,
) -> bool:
    """Let the nodes train and average what they send; False where nothing usable came."""
    messages = strategy.configure_train(current, result.arrays, config, grid)
    replies = grid.send_and_receive(messages, timeout=timeout)
    arrays, metrics = strategy.aggregate_train(current, replies)
    if metrics is not None:
        result.train_metrics_clientapp[current] = metrics
    if arrays is None:
        return False
    result.arrays = arrays
    return True


def _evaluate_on_nodes(
    strategy: Strategy,
    grid: Grid,
    current: int,
    result: Result,
    config: ConfigRecord,
    timeout: float | None,
) -> None:
    messages = list(strategy.configure_evaluate(current, result.arrays, config, grid))
    replies = grid.send_and_receive(messages, timeout=timeout) if messages else []
    metrics = strategy.aggregate_evaluate(current, replies)
    if metrics is not None:
        result.evaluate_metrics_clientapp[current] = metrics
