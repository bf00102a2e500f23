"""The line that a Flower app's server may add: `strategy = Observed(strategy)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from fedsight.federated.anyapp import figures
from fedsight.federated.anyapp.checked import CheckedByName
from fedsight.federated.anyapp.session import AppSession
from fedsight.federated.anyapp.watching import Watching, watching
from fedsight.federated.fleet import Fleet
from fedsight.federated.narrowed import OnlyThese
from fedsight.federated.plan import DEPLOYMENT, RoundPlan
from fedsight.federated.rounds.engine import Engine, Evaluate
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.versions import Metrics
from fedsight.federated.wrapping import Wrapper

if TYPE_CHECKING:
    from torch import Tensor


class Observed(Wrapper):
    """Any Flower strategy with what fedsight's own tasks have.

    Its rounds close at their deadline or with a quorum, do not wait for nodes that have fallen
    silent, and are journaled with each node's status; updates that would spoil the model are
    refused; every round's model is kept as a version. Under `fedsight run` all that belongs to the
    run; under `flwr run` it opens a journal of its own in the data directory.

    `rule` are fields of `plan.RoundPlan`: `quorum=8, min_clients=10, late="use"`. `check` refuses
    updates whose arrays are not like the model's; leave it out where a strategy wants such.
    Raises UsageError where a field has a value that is not allowed.
    """

    def __init__(self, strategy: Strategy, *, check: bool = True, **rule: Any) -> None:
        super().__init__(strategy)
        self._check = check
        self._rule = RoundPlan(**rule)

    def start(
        self,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float | None = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: Evaluate | None = None,
    ) -> Result:
        """As Flower's `Strategy.start`, by fedsight's round loop.

        Raises FedsightError after three rounds running without a usable update.
        """

        def rounds(watched: Watching) -> Result:
            session = watched.session
            session.seen.close()
            before = session.seen.last
            session.describe(
                rounds=before + num_rounds,
                parameters=sum(int(np.prod(one.shape)) for one in initial_arrays.values()),
                strategy=type(self.inner).__name__,
            )
            told = _Told(self.inner, watched, before, check=self._check)
            rule = _bounded(self._rule, timeout, watched.timeout)
            engine = told.engine(rule)
            if evaluate_fn is not None:
                first = evaluate_fn(0, initial_arrays)
                if first is not None:
                    engine.result.evaluate_metrics_serverapp[0] = first
            return engine.run(
                told,
                initial_arrays,
                rounds=num_rounds,
                train_config=train_config,
                evaluate_config=evaluate_config,
                evaluate=told.evaluating(evaluate_fn),
            )

        if isinstance(grid, Watching):
            return rounds(grid)
        return self._on_its_own(grid, rounds)

    def _on_its_own(self, grid: Grid, rounds: Callable[[Watching], Result]) -> Result:
        """Where nobody watches yet: with a journal of its own."""
        from fedsight.federated.anyapp.own import own_session

        results: list[Result] = []
        with own_session(grid) as session:
            session.run(lambda: results.append(rounds(watching(grid, session))))
        if session.error is not None:
            raise session.error
        return results[0]


class _Told(Wrapper):
    """Tells a session what its messages alone do not show: where a round begins and ends, what was
    refused, what the server found, and the model."""

    def __init__(self, inner: Strategy, watched: Watching, before: int, *, check: bool) -> None:
        super().__init__(CheckedByName(inner, watched.session.seen.rejected) if check else inner)
        self._watched = watched
        self._session: AppSession = watched.session
        self._before = before
        self._engine: Engine | None = None
        self._muster: Muster | None = None

    def engine(self, rule: RoundPlan) -> Engine:
        """The loop that drives it."""
        session, grid = self._session, self._watched.grid
        if isinstance(grid, Fleet) and session.opening.engine == DEPLOYMENT:
            self._muster = Muster(grid, rule.silent_seconds, session.say)
        self._engine = Engine(
            self._watched,
            rule,
            control=session.control,
            progress=session.progress,
            muster=self._muster,
            say=session.say,
            name=session.name,
            after=self._after,
        )
        return self._engine

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self._session.seen.begin(self._before + server_round)
        if self._muster is not None:
            grid = _Awaited(grid, self._muster, self._watched)
        return self.inner.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        seen = self._session.seen
        came = seen.now()

        def noted() -> Iterable[Message]:
            nonlocal came
            for reply in replies:
                came = seen.now()
                yield reply

        arrays, metrics = self.inner.aggregate_train(server_round, noted())
        seen.aggregated(came)
        seen.given_up(self._lost())
        return arrays, metrics

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        metrics = self.inner.aggregate_evaluate(server_round, replies)
        if metrics is not None:
            self._found(metrics)
        return metrics

    def evaluating(self, evaluate: Evaluate | None) -> Evaluate | None:
        """The server's evaluation, which counts for more than the nodes'."""
        if evaluate is None:
            return None

        def watched(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            since = self._session.seen.now()
            metrics = evaluate(server_round, arrays)
            if metrics is not None:
                self._found(metrics, since)
            return metrics

        return watched

    def _found(self, metrics: MetricRecord, since: int | None = None) -> None:
        numbers = figures.of_record(metrics)
        loss = figures.first(numbers, figures.EVAL_LOSS)
        accuracy = figures.first(numbers, figures.EVAL_ACCURACY)
        self._session.seen.evaluated(loss, accuracy, since)

    def _lost(self) -> Mapping[int, str]:
        return {} if self._engine is None else self._engine.exchanges.lost

    def _after(self, server_round: int, arrays: ArrayRecord) -> None:
        """The round has ended; its model is kept before it is told, as every run does."""
        record = self._session.seen.taken()
        if record is None:
            return
        metrics = Metrics.measured(record.accuracy, record.loss)
        self._session.keep(record.round, lambda: _tensors(arrays), metrics)
        self._session.note(record)


class _Awaited(OnlyThese):
    """The nodes that are there when the round begins; to a strategy that asks again, which waits
    for more of them, those that are there then."""

    def __init__(self, grid: Grid, muster: Muster, watched: Watching) -> None:
        super().__init__(grid, list(grid.get_node_ids()))
        self._muster = muster
        self._watched = watched
        self._asked = False

    def get_node_ids(self) -> Sequence[int]:
        if self._asked:
            self._nodes = [node.node_id for node in self._muster.nodes() if node.online]
        self._asked = True
        self._watched.mind_the_wait(len(self._nodes))
        return self._nodes


def _bounded(rule: RoundPlan, *most: float | None) -> RoundPlan:
    waits = [each for each in (rule.timeout_seconds, *most) if each is not None]
    return replace(rule, timeout_seconds=min(waits) if waits else None)


def _tensors(arrays: ArrayRecord) -> Mapping[str, Tensor]:
    """The arrays as tensors. Raises TypeError where torch has none of such a kind."""
    import torch

    return {
        name: torch.from_numpy(np.array(array.numpy(), copy=True)) for name, array in arrays.items()
    }
