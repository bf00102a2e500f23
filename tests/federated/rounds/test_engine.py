from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, Message, MetricRecord
from flwr.serverapp.strategy import Strategy

from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.plan import AlgorithmPlan, RoundPlan
from fedsight.federated.rounds.control import Control, ConvergedError, Progressing, RunStoppedError
from fedsight.federated.rounds.engine import Engine, converged
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.federated.runs.state import State
from fedsight.federated.wrapping import Checked
from tests.federated.rounds.script import Mean, Said, add_id, failing, grid, node


def started(nodes: ScriptedGrid, rule: RoundPlan, **more: Any) -> tuple[Engine, Mean, Said]:
    said = Said()
    muster = Muster(nodes, rule.silent_seconds, said)
    name = "client-{}".format
    return Engine(nodes, rule, muster=muster, say=said, name=name, **more), Mean(), said


def run(engine: Engine, strategy: Strategy, rounds: int = 1, **more: Any) -> float:
    start = codec.pack(np.zeros(1, np.float32))
    return float(codec.unpack(engine.run(strategy, start, rounds=rounds, **more).arrays)[0])


def test_rounds_train_everybody_that_is_there_and_average() -> None:
    engine, strategy, said = started(grid(3), RoundPlan())
    assert run(engine, strategy, rounds=2) == 4.0
    assert strategy.senders == [[1, 2, 3], [1, 2, 3]]
    assert said.events == []


def test_a_round_without_an_update_leaves_the_model_and_three_running_fail_the_run() -> None:
    engine, strategy, _ = started(grid(2, answer=failing({1, 2})), RoundPlan())
    with pytest.raises(FedsightError, match="no node returned a usable update in 3"):
        run(engine, strategy, rounds=9)
    assert len(strategy.senders) == 3
    assert codec.unpack(engine.result.arrays)[0] == 0.0


def test_a_failed_run_that_goes_on_fails_again_at_the_next_empty_round() -> None:
    cut, strategy, _ = started(grid(2, answer=failing({1, 2})), RoundPlan())
    with pytest.raises(FedsightError):
        run(cut, strategy, rounds=9)
    engine, strategy, _ = started(grid(2, answer=failing({1, 2})), RoundPlan())
    engine.load(cut.state())
    with pytest.raises(FedsightError, match="no node returned a usable update in 4"):
        run(engine, strategy, rounds=9, first=4)
    assert len(strategy.senders) == 1


def test_a_run_that_was_cut_off_as_it_converged_trains_no_further() -> None:
    engine, strategy, _ = started(grid(1), RoundPlan(convergence_threshold=0.1))
    engine.load(State({"empty": 0, "accuracies": [0.9, 0.9, 0.9]}))
    with pytest.raises(ConvergedError):
        run(engine, strategy, rounds=9, first=4)
    assert strategy.shown == []


@pytest.mark.parametrize(("lasting", "known"), [(True, [1, 2, 3]), (False, [])])
def test_metrics_of_rounds_that_are_over_are_kept_where_somebody_wants_them(
    lasting: bool, known: list[int]
) -> None:
    engine, strategy, _ = started(grid(1), RoundPlan(), lasting=lasting)
    run(engine, strategy, rounds=3, evaluate=lambda *_: MetricRecord({"accuracy": 0.5}))
    assert list(engine.result.evaluate_metrics_serverapp) == known


def test_silent_nodes_are_told_once_not_chosen_and_welcomed_back() -> None:
    nodes = grid(3)
    away = replace(nodes.views[1], last_seen_seconds=11.0)
    nodes.views[1] = away
    back = {2: replace(away, last_seen_seconds=0.1)}

    def after(round_: int, _: ArrayRecord) -> None:
        nodes.views[1] = back.get(round_, nodes.views[1])

    engine, strategy, said = started(nodes, RoundPlan(silent_seconds=10), after=after)
    run(engine, strategy, rounds=3)
    assert strategy.shown == [[1, 3], [1, 3], [1, 2, 3]]
    assert [(kind, who) for kind, _, who, _ in said.events] == [
        ("NODE_SILENT", "client-2"),
        ("NODE_RETURNED", "client-2"),
    ]
    assert said.events[0][3] == {"message": "silent for 11 s"}


def test_a_node_that_falls_silent_in_a_round_does_not_hold_it_up() -> None:
    nodes = grid(3, after={3: None})
    engine, _, _ = started(nodes, RoundPlan(timeout_seconds=30))
    nodes.views[2] = replace(nodes.views[2], last_seen_seconds=9.9)
    began = time.monotonic()

    class Falls(Mean):
        def configure_train(self, *given: Any) -> Any:
            found = super().configure_train(*given)
            nodes.views[2] = replace(nodes.views[2], last_seen_seconds=10.1)
            return found

    assert run(engine, Falls()) == 1.5
    assert time.monotonic() - began < 5.0
    assert engine.exchanges.lost == {3: "silent for 10 s"}


def test_a_node_that_owes_an_answer_is_not_asked_again() -> None:
    nodes = grid(3, after={3: 40})
    engine, strategy, said = started(nodes, RoundPlan(timeout_seconds=0.1))
    run(engine, strategy, rounds=2)
    assert strategy.shown == [[1, 2, 3], [1, 2]]
    assert said.events == []


def test_late_answers_are_used_when_asked_for() -> None:
    nodes = grid(3, after={3: 4})
    rule = RoundPlan(timeout_seconds=0.05, late="use")
    engine, strategy, said = started(nodes, rule)
    run(engine, strategy, rounds=6)
    assert any(3 in answered for answered in strategy.senders)
    assert all(len(answered) == len(set(answered)) for answered in strategy.senders)
    kind, _, who, details = said.events[0]
    assert (kind, who, details["used"]) == ("CLIENT_LATE", "client-3", True)


def test_an_update_that_is_refused_does_not_count_for_a_quorum() -> None:
    def answer(message: Message) -> Message:
        reply = add_id(message)
        if message.metadata.dst_node_id == 1:
            reply.content[codec.ARRAYS] = codec.pack(np.full(1, np.nan, np.float32))
        return reply

    strategy = Checked(algorithm(AlgorithmPlan()))
    nodes = grid(4, answer=answer, after={2: 2, 3: 3, 4: None})
    engine, _, _ = started(nodes, RoundPlan(quorum=2, timeout_seconds=5), checked=strategy.check)
    assert run(engine, strategy) == 2.5


def test_over_selection_closes_the_round_with_as_many_as_were_wanted() -> None:
    nodes = grid(4, after={1: 9})
    rule = RoundPlan(over_select=0.34, timeout_seconds=30)
    engine, strategy, _ = started(nodes, rule, wanted=lambda: 3)
    run(engine, strategy)
    assert strategy.senders == [[2, 3, 4]]


def test_too_few_nodes_are_waited_for_visibly() -> None:
    nodes = grid(1)
    progress = Progressing(lambda now: seen.append((now.activity, now.message)))
    seen: list[tuple[str, str]] = []
    engine, strategy, said = started(nodes, RoundPlan(min_clients=2), progress=progress)

    class Arrives(Control):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(said.events) == 1:
                nodes.views.append(node(2))

    engine.control = Arrives()
    assert run(engine, strategy) == 1.5
    assert ("waiting", "waiting for at least 2 nodes, 1 are there") in seen
    assert said.kinds() == ["ROUND_WAITING"]


def test_a_wait_for_nodes_ends_at_its_limit_with_a_sentence() -> None:
    engine, strategy, _ = started(grid(1), RoundPlan(min_clients=3, wait_seconds=0.2))
    began = time.monotonic()
    with pytest.raises(FedsightError, match=r"waited 0.2 s for at least 3 nodes, 1 are there"):
        run(engine, strategy)
    assert time.monotonic() - began < 1.0


def test_an_evaluation_that_is_lost_is_asked_anew_and_told() -> None:
    nodes = grid(2)

    class Evaluates(Mean):
        def configure_evaluate(self, *given: Any) -> Any:
            nodes.losses = 1 if len(nodes.pushed) == 1 else 0
            return super().configure_train(*given)

        def aggregate_evaluate(self, server_round: int, replies: Any) -> Any:
            return MetricRecord({"nodes": len(list(replies))})

    engine, _, said = started(nodes, RoundPlan())
    run(engine, Evaluates())
    assert dict(engine.result.evaluate_metrics_clientapp[1]) == {"nodes": 2}
    assert said.kinds() == ["ROUND_RESTARTED"]


def test_a_lost_round_is_begun_anew_and_told() -> None:
    engine, strategy, said = started(grid(2, losses=2), RoundPlan())
    assert run(engine, strategy, rounds=2) == 3.0
    assert strategy.senders == [[1, 2], [1, 2]]
    assert [(kind, round_) for kind, round_, *_ in said.events] == [("ROUND_RESTARTED", 1)] * 2


def test_a_round_that_is_lost_again_and_again_fails_the_run() -> None:
    engine, strategy, _ = started(grid(2, losses=99), RoundPlan())
    with pytest.raises(FedsightError, match="round 1 was lost 5 times"):
        run(engine, strategy)


def test_a_pause_holds_the_next_round_and_a_stop_ends_the_run() -> None:
    control = Control()

    def after(round_: int, _: ArrayRecord) -> None:
        if round_ == 1:
            control.pause("lunch")

    class Watching(Progressing):
        def begin(self, activity: Any, message: str = "", **more: Any) -> None:
            super().begin(activity, message, **more)
            if activity == "paused":
                assert message == "lunch"
                control.stop("enough")

    engine, strategy, said = started(
        grid(2), RoundPlan(), control=control, after=after, progress=Watching()
    )
    with pytest.raises(RunStoppedError, match="enough"):
        run(engine, strategy, rounds=5)
    assert len(strategy.senders) == 1
    assert said.events == [("RUN_PAUSED", 2, None, {"reason": "lunch"})]


def test_a_resumed_pause_goes_on() -> None:
    control = Control()
    control.pause("lunch")

    class Watching(Progressing):
        def begin(self, activity: Any, message: str = "", **more: Any) -> None:
            super().begin(activity, message, **more)
            if activity == "paused":
                control.resume()

    engine, strategy, said = started(grid(2), RoundPlan(), control=control, progress=Watching())
    run(engine, strategy)
    assert said.kinds() == ["RUN_PAUSED", "RUN_RESUMED"]


@pytest.mark.parametrize(
    ("accuracies", "threshold", "found"),
    [
        ([0.5, 0.501, 0.502], 0.01, True),
        ([0.1, 0.5, 0.501, 0.502], 0.01, True),
        ([0.5, 0.51, 0.52], 0.01, False),
        ([0.5, 0.5], 0.01, False),
        ([0.5, 0.5, 0.5], 0.0, False),
    ],
)
def test_three_accuracies_that_agree_have_converged(
    accuracies: list[float], threshold: float, found: bool
) -> None:
    assert converged(accuracies, threshold) == found


def test_a_run_that_has_converged_ends_early_also_across_a_resume() -> None:
    accuracies = {1: 0.2, 2: 0.9, 3: 0.901, 4: 0.902}

    def evaluate(round_: int, _: ArrayRecord) -> MetricRecord:
        return MetricRecord({"accuracy": accuracies[round_]})

    rule = RoundPlan(convergence_threshold=0.01)
    first, strategy, _ = started(grid(2), rule)
    run(first, strategy, rounds=3, evaluate=evaluate)
    second, strategy, _ = started(grid(2), rule)
    second.load(first.state())
    with pytest.raises(ConvergedError, match="the last 3 accuracies differ by less than"):
        run(second, strategy, rounds=9, first=4, evaluate=evaluate)
    assert len(strategy.senders) == 1


def test_nodes_that_are_all_slower_than_the_deadline_are_waited_for_not_lost() -> None:
    """Each answers too late; a round that could ask nobody waits, says so, and asks again."""
    nodes = grid(2, after={1: 12, 2: 12})
    engine, strategy, said = started(nodes, RoundPlan(timeout_seconds=0.2, late="use"))
    run(engine, strategy, rounds=4)
    assert all(strategy.shown)
    waits = [details for kind, _, _, details in said.events if kind == "ROUND_WAITING"]
    assert waits
    assert waits[0]["waiting_for"] == ["client-1", "client-2"]
    assert [kind for kind in said.kinds() if kind == "CLIENT_LATE"]
