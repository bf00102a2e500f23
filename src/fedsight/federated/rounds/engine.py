"""The round loop, around any Flower strategy: who is there, what is asked, and what closes a round.

It never waits without a bound, and says what it waits for (`control.Progress`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TypeVar, cast

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from fedsight.errors import FedsightError
from fedsight.federated.fleet import Fleet, NodeView, RoundLostError
from fedsight.federated.plan import RoundPlan
from fedsight.federated.rounds.control import (
    Activity,
    Control,
    ConvergedError,
    Progressing,
    TooFewError,
)
from fedsight.federated.rounds.exchange import Closing, Exchanges, Missed, RollCall, Waiting
from fedsight.federated.rounds.late import Late, LateAnswer
from fedsight.federated.rounds.muster import BUSY, LOOK_SECONDS, Muster, Present, Say
from fedsight.federated.rounds.watchdog import listed
from fedsight.federated.runs.state import State
from fedsight.signals import Json

T = TypeVar("T")

#: Evaluates the global model on the server: (round, arrays) -> figures, or None.
Evaluate = Callable[[int, ArrayRecord], MetricRecord | None]

#: Rounds running without one usable update, after which a run has failed.
MOST_EMPTY_ROUNDS = 3
#: So often one round is begun anew after what it asked was lost; then the run has failed.
MOST_ATTEMPTS = 5
#: So many accuracies in a row must agree for a run to have converged.
CONVERGED = 3
ACCURACY = "accuracy"
#: So many nodes that are waited for are named.
MOST_NAMED = 100


def unsaid(
    kind: str, details: Mapping[str, object], *, round: int | None = None, node: str | None = None
) -> None:
    """Says nothing to anybody."""


class Nobody:
    """A `RollCall` of a grid whose nodes cannot fall silent."""

    def silent(self) -> Mapping[int, str]:
        """Nobody."""
        return {}


class Engine:
    """Runs the rounds of one run on one grid, by the rules of `rule`.

    With a `muster`, nodes that are not there are neither chosen nor waited for, and a round begins
    once there are enough. `least` is how many the first round wants, `after` is called at the end
    of each round with the new global model, outside the round's time. `wanted` is how many answers
    of the nodes that were chosen last are enough where more were asked than that; 0: all. `result`
    has the metrics of every round, or with `lasting` False those of none that is over. `checked`
    makes an Error of an answer that must not count for a quorum or a buffer, and `refused` says
    whom the strategy did not let train when it was last asked.
    """

    def __init__(
        self,
        grid: Grid,
        rule: RoundPlan,
        *,
        control: Control | None = None,
        progress: Progressing | None = None,
        muster: Muster | None = None,
        say: Say = unsaid,
        name: Callable[[int], str] = str,
        least: int = 0,
        after: Callable[[int, ArrayRecord], None] = lambda *_: None,
        wanted: Callable[[], int] = lambda: 0,
        lasting: bool = True,
        checked: Callable[[Message], Message] = lambda answer: answer,
        refused: Callable[[], Set[int]] = frozenset,
    ) -> None:
        self.grid = grid
        self.rule = rule
        self.control = control or Control()
        self.progress = progress or Progressing()
        self._muster = muster
        self._say = say
        self._name = name
        self._least = least
        self._after = after
        self._wanted = wanted
        self._lasting = lasting
        self._checked = checked
        self._refused = refused
        self.result = Result()
        self._round = 0
        self._empty = 0
        self._accuracies: list[float] = []
        waits = rule.timeout_seconds
        bound = {} if waits is None else {"most_seconds": max(waits, 60.0)}
        self.roll: RollCall = muster or Nobody()
        self._late = Late(rule.late, self._tell_late, **bound)
        self.exchanges = Exchanges(
            grid,
            control=self.control,
            progress=self.progress,
            roll=self.roll,
            late=self._late,
            name=name,
            on_waiting=self._tell_waiting if muster is not None else lambda _: None,
            checked=checked,
        )

    def run(
        self,
        strategy: Strategy,
        arrays: ArrayRecord,
        *,
        rounds: int,
        first: int = 1,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate: Evaluate | None = None,
    ) -> Result:
        """Train, aggregate and evaluate, from round `first` to `rounds`, starting from `arrays`.

        A round without a usable update leaves the global model as it was. Raises FedsightError
        when `MOST_EMPTY_ROUNDS` of them come running, or where there were no others, and
        RunStoppedError where the run is to stop or has converged; `result` is then as far as it
        came.
        """
        result = self.result
        result.arrays = arrays
        train_config = ConfigRecord() if train_config is None else train_config
        evaluate_config = ConfigRecord() if evaluate_config is None else evaluate_config
        self._stop_if_converged(first - 1, rounds)  # it was cut off before it could
        for current in range(first, rounds + 1):
            self._round = current
            self.progress.at(current, rounds)
            self._pass_gate()
            # Strategies write to it, and messages of earlier rounds may still hold theirs: a copy.
            trained = self._train(strategy, current, result, ConfigRecord(dict(train_config)))
            config = ConfigRecord(dict(evaluate_config))
            self._evaluate_on_nodes(strategy, current, result, config)
            self._evaluate(current, result, evaluate)
            self._empty = 0 if trained else self._empty + 1
            self._after(current, result.arrays)
            if not self._lasting:
                _forget_metrics(result)
            if self._empty >= min(MOST_EMPTY_ROUNDS, rounds):
                raise FedsightError(
                    f"no node returned a usable update in {self._empty} rounds running"
                )
            self._stop_if_converged(current, rounds)
        return result

    def state(self) -> State:
        """What the next round depends on: rounds without an update, and the last accuracies."""
        return State({"empty": self._empty, "accuracies": list(self._accuracies)})

    def load(self, state: State) -> None:
        """See `Stateful`."""
        self._empty = cast(int, state.facts["empty"])
        self._accuracies = list(cast("list[float]", state.facts["accuracies"]))

    @property
    def busy(self) -> set[int]:
        """Nodes that still owe an answer."""
        return self._late.busy

    @property
    def missed(self) -> Mapping[int, Missed]:
        """Nodes of this round whose answers are waited for no longer: by what."""
        return self.exchanges.missed

    @property
    def patience(self) -> float:
        """For how many seconds a round may wait for nodes that are not there."""
        return 0.0 if self._muster is None else self.rule.wait_seconds

    def _pass_gate(self) -> None:
        def paused(reason: str) -> None:
            self.progress.begin("paused", reason)
            self._say("RUN_PAUSED", {"reason": reason}, round=self._round)

        def resumed() -> None:
            self._say("RUN_RESUMED", {}, round=self._round)

        self.control.pass_gate(paused, resumed)

    def _train(
        self, strategy: Strategy, current: int, result: Result, config: ConfigRecord
    ) -> bool:
        """Let the nodes train and average what they send; False where nothing usable came."""
        return self._unlost(current, lambda: self._train_once(strategy, current, result, config))

    def _unlost(self, current: int, work: Callable[[], T]) -> T:
        """Do some work of a round, anew each time that what it asked was lost."""
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                return work()
            except RoundLostError as error:
                self._forget()
                details = {"message": str(error), "attempt": attempt}
                self._say("ROUND_RESTARTED", details, round=current)
        raise FedsightError(f"round {current} was lost {MOST_ATTEMPTS} times; is the SuperLink up?")

    def ask(self, messages: Callable[[], list[Message]], activity: Activity) -> list[Message]:
        """What nodes answer beside the rounds, asked anew where it was lost."""

        def replies() -> list[Message]:
            closing = Closing(self.rule.timeout_seconds)
            return list(self.exchanges.answers(messages(), closing, activity))

        return self._unlost(self._round, replies)

    def _forget(self) -> None:
        """Wait for nothing that was asked: it is gone."""
        self._late.forget()

    def _train_once(
        self, strategy: Strategy, current: int, result: Result, config: ConfigRecord
    ) -> bool:
        messages = self._configured(strategy, current, result, config)
        closing = Closing(self.rule.timeout_seconds, self.rule.quorum or self._wanted())
        answers = self.exchanges.answers(messages, closing, "training")
        arrays, metrics = strategy.aggregate_train(current, self._with_late(answers))
        if metrics is not None:
            result.train_metrics_clientapp[current] = metrics
        if arrays is None:
            return False
        result.arrays = arrays
        return True

    def _configured(
        self, strategy: Strategy, current: int, result: Result, config: ConfigRecord
    ) -> list[Message]:
        """What the strategy asks, as soon as it finds that enough nodes are there."""
        said = False
        while True:
            grid = self._present()
            judged = self._free(grid)
            try:
                return list(strategy.configure_train(current, result.arrays, config, grid))
            except TooFewError as few:
                if self._muster is None:
                    raise
                if not said:
                    self._tell_awaited(few)
                said = True
                self._wait_for_more(self._muster, few, judged)

    def _tell_awaited(self, few: TooFewError) -> None:
        details: dict[str, Json] = {
            "message": str(few),
            "waiting_for": list(few.awaited[:MOST_NAMED]),
            "deadline_seconds": self.rule.wait_seconds,
        }
        self._say("ROUND_WAITING", details, round=self._round)

    def _free(self, grid: Grid) -> set[int]:
        """Who is there, free and able to train in the grid that a strategy is shown."""
        if self._muster is None or not isinstance(grid, Fleet):
            return set()
        return self._muster.able(grid.nodes())

    def _wait_for_more(self, muster: Muster, few: TooFewError, judged: Set[int]) -> None:
        """Return once a node is there and free that is not one of those with whom it was too few,
        and at the deadline in any case."""
        self.progress.begin("waiting", str(few), deadline=few.deadline)
        while time.monotonic() < few.deadline:
            if muster.able(muster.nodes()) - self.busy - judged:
                return
            self.control.sleep(LOOK_SECONDS)
            self.exchanges.hear()

    def _present(self) -> Grid:
        """The grid as the strategy sees it: with the nodes that are there and free."""
        if self._muster is None:
            return self.grid
        least = max(self._least, self.rule.min_clients)
        self._muster.wait_for(least, self.rule.wait_seconds, self.control, self.progress)
        self._least = 0
        return Present(self.grid, self._some_free(self._muster), self._late.busy)

    def _some_free(self, muster: Muster) -> list[NodeView]:
        """The nodes, once one that may train is free.

        Where all of them are slower than the deadline, a round that asked nobody would be lost.
        None is busy for ever: what is late is expected for a time only.
        """
        said = False
        while True:
            nodes, busy = muster.nodes(), self._late.busy
            if not busy or muster.able(nodes) - busy - self._refused():
                return nodes
            if not said:
                said = True
                message = f"waiting for one of {len(busy)} nodes: all are {BUSY}"
                deadline = time.monotonic() + self._late.most_seconds
                self.progress.begin("waiting", message, deadline=deadline)
                details: dict[str, Json] = {
                    "message": message,
                    "waiting_for": [self._name(node_id) for node_id in sorted(busy)[:MOST_NAMED]],
                    "deadline_seconds": self._late.most_seconds,
                }
                self._say("ROUND_WAITING", details, round=self._round)
            self.control.sleep(LOOK_SECONDS)
            self.exchanges.hear()

    def _with_late(self, answers: Iterable[Message]) -> Iterator[Message]:
        """The answers, then late ones of nodes that have not answered now."""
        answered = set()
        for one in answers:
            answered.add(one.metadata.src_node_id)
            yield one
        self.progress.begin("aggregating")
        yield from self._late.usable(answered)

    def _tell_waiting(self, waiting: Waiting) -> None:
        details: dict[str, Json] = {
            "message": f"waiting for {listed(waiting.nodes)}",
            "waiting_for": list(waiting.nodes[:MOST_NAMED]),
            "deadline_seconds": waiting.deadline_seconds,
        }
        self._say("ROUND_WAITING", details, round=self._round)

    def _tell_late(self, answer: LateAnswer) -> None:
        used = self.rule.late == "use"
        told = "used in this round" if used else "not used"
        message = f"answered {answer.seconds:.1f} s after its round was closed; {told}"
        node = self._name(answer.node_id)
        self._say("CLIENT_LATE", {"message": message, "used": used}, round=self._round, node=node)

    def _evaluate_on_nodes(
        self, strategy: Strategy, current: int, result: Result, config: ConfigRecord
    ) -> None:
        def replies() -> list[Message]:
            messages = strategy.configure_evaluate(current, result.arrays, config, self.grid)
            asked = list(messages)
            closing = Closing(self.rule.timeout_seconds)
            return list(self.exchanges.answers(asked, closing, "evaluating")) if asked else []

        metrics = strategy.aggregate_evaluate(current, self._unlost(current, replies))
        if metrics is not None:
            result.evaluate_metrics_clientapp[current] = metrics

    def _evaluate(self, current: int, result: Result, evaluate: Evaluate | None) -> None:
        if evaluate is None:
            return
        self.progress.begin("evaluating")
        found = evaluate(current, result.arrays)
        if found is None:
            return
        result.evaluate_metrics_serverapp[current] = found
        accuracy = found.get(ACCURACY)
        if isinstance(accuracy, int | float) and math.isfinite(accuracy):
            self._accuracies = [*self._accuracies[1 - CONVERGED :], float(accuracy)]

    def _stop_if_converged(self, current: int, rounds: int) -> None:
        threshold = self.rule.convergence_threshold
        if current < rounds and converged(self._accuracies, threshold):
            raise ConvergedError(
                f"converged: the last {CONVERGED} accuracies differ by less than {threshold:g}"
            )


def _forget_metrics(result: Result) -> None:
    result.train_metrics_clientapp.clear()
    result.evaluate_metrics_clientapp.clear()
    result.evaluate_metrics_serverapp.clear()


def converged(accuracies: Sequence[float], threshold: float) -> bool:
    """Whether the last three accuracies differ by less than `threshold`; never where that is 0."""
    last = accuracies[-CONVERGED:]
    return len(last) == CONVERGED and max(last) - min(last) < threshold
