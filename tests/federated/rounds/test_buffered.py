from __future__ import annotations

import time
from typing import cast

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message

from fedsight.federated import codec
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.plan import AlgorithmPlan, Plan, RoundPlan
from fedsight.federated.rounds.buffered import BufferedEngine
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.federated.training import train
from fedsight.federated.wrapping import Checked
from fedsight.signals import Batch
from tests.federated.rounds.script import Mean, Said, add_id, failing, grid


def run(nodes: ScriptedGrid, rule: RoundPlan, rounds: int) -> tuple[list[float], Mean]:
    """The model after each round, and what the strategy was given."""
    strategy, models = Mean(), list[float]()

    def after(_: int, arrays: object) -> None:
        models.append(float(codec.unpack(arrays)[0]))  # type: ignore[arg-type]

    muster = Muster(nodes, rule.silent_seconds, Said())
    engine = BufferedEngine(nodes, rule, muster=muster, after=after)
    engine.run(strategy, codec.pack(np.zeros(1, np.float32)), rounds=rounds)
    return models, strategy


def test_a_full_buffer_makes_a_model_while_the_slow_node_goes_on() -> None:
    nodes = grid(3, after={3: 4})
    models, strategy = run(nodes, RoundPlan(mode="async", buffer=2), rounds=3)
    assert strategy.senders == [[1, 2], [1, 2], [1, 2]]
    assert strategy.shown == [[1, 2, 3], [1, 2], [1, 2]]
    assert models == [1.5, 3.0, 4.5]


@pytest.mark.parametrize("staleness", [0.0, 0.5, 1.0])
def test_an_older_answer_moves_the_model_by_its_scaled_change(staleness: float) -> None:
    """Node 3 was asked with model 0 and answers 3 in round 3, two models later: 3 + 3 * 3**-s."""
    nodes = grid(3, after={3: 3})
    rule = RoundPlan(mode="async", buffer=2, staleness=staleness)
    models, strategy = run(nodes, rule, rounds=3)
    assert sorted(strategy.senders[2]) == [1, 2, 3]
    scaled = np.float32(3.0) + np.float32(3.0) * np.float32(3.0**-staleness)
    assert models[2] == pytest.approx((3.0 + 1 + 3.0 + 2 + float(scaled)) / 3, rel=1e-6)


def test_a_node_that_fails_is_asked_again_and_fills_no_buffer() -> None:
    nodes = grid(3, answer=failing({2}))
    _, strategy = run(nodes, RoundPlan(mode="async", buffer=2), rounds=2)
    assert strategy.senders == [[1, 3], [1, 3]]
    assert strategy.shown == [[1, 2, 3], [1, 2, 3]]


def test_an_update_that_is_refused_fills_no_buffer() -> None:
    def answer(message: Message) -> Message:
        reply = add_id(message)
        if message.metadata.dst_node_id == 2:
            reply.content[codec.ARRAYS] = codec.pack(np.full(1, np.inf, np.float32))
        return reply

    nodes = grid(3, answer=answer, after={3: 2})
    rule = RoundPlan(mode="async", buffer=2)
    strategy = Checked(algorithm(AlgorithmPlan()))
    muster = Muster(nodes, rule.silent_seconds, Said())
    engine = BufferedEngine(nodes, rule, muster=muster, checked=strategy.check)
    result = engine.run(strategy, codec.pack(np.zeros(1, np.float32)), rounds=1)
    assert codec.unpack(result.arrays).tolist() == [2.0]


def test_the_deadline_closes_a_buffer_that_does_not_fill() -> None:
    nodes = grid(2, after={2: None})
    rule = RoundPlan(mode="async", buffer=2, timeout_seconds=0.2)
    models, strategy = run(nodes, rule, rounds=1)
    assert (strategy.senders, models) == ([[1]], [1.0])


def test_nodes_whose_questions_were_lost_are_all_asked_anew() -> None:
    nodes = grid(3, losses=1)
    rule = RoundPlan(mode="async", buffer=2, timeout_seconds=5)
    began = time.monotonic()
    models, strategy = run(nodes, rule, rounds=2)
    assert time.monotonic() - began < 4.0
    assert strategy.shown[:2] == [[1, 2, 3], [1, 2, 3]]
    assert len(models) == 2
    assert models[0] > 0.0


def test_an_answer_of_another_shape_is_left_to_the_check() -> None:
    def misshapen(message: Message) -> Message:
        reply = add_id(message)
        if message.metadata.dst_node_id == 3:
            reply.content[codec.ARRAYS] = codec.pack(np.zeros(2, np.float32))
        return reply

    nodes = grid(3, after={3: 2}, answer=misshapen)
    _, strategy = run(nodes, RoundPlan(mode="async", buffer=2), rounds=2)
    assert sorted(strategy.senders[1]) == [1, 2, 3]


def test_a_message_that_waits_keeps_the_round_that_it_was_asked_in() -> None:
    asked_in = list[tuple[int, int]]()

    def noted(message: Message) -> Message:
        config = cast(ConfigRecord, message.content["config"])
        asked_in.append((message.metadata.dst_node_id, cast(int, config["server-round"])))
        return add_id(message)

    nodes = grid(3, after={3: 3}, answer=noted)
    rule = RoundPlan(mode="async", buffer=2)
    engine = BufferedEngine(nodes, rule, muster=Muster(nodes, rule.silent_seconds, Said()))
    model = codec.pack(np.zeros(1, np.float32))
    engine.run(algorithm(AlgorithmPlan()), model, rounds=3)
    assert asked_in == [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (1, 3), (2, 3)]


class Kept:
    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)


def test_a_simulated_asynchronous_run_learns_and_tells_who_answered_in_each_round() -> None:
    rule = RoundPlan(mode="async", buffer=3)
    plan = Plan(task="digits", nodes=8, rounds=20, epochs=1, closing=rule)
    kept, again = Kept(), Kept()
    outcome = train(plan, kept, run_id="r-1")
    assert outcome.state == "finished"
    assert outcome.accuracy is not None
    assert outcome.accuracy > 0.7
    started = [
        event.details["selected"]
        for batch in kept.batches
        for event in batch.events
        if event.kind == "ROUND_STARTED"
    ]
    assert [len(names) for names in started] == [3] * 20  # type: ignore[arg-type]
    assert train(plan, again, run_id="r-1").model_sha256 == outcome.model_sha256


def test_a_node_that_hangs_is_waited_for_no_longer_than_a_round_may_take() -> None:
    nodes = grid(3, after={3: None})
    rule = RoundPlan(mode="async", buffer=3, timeout_seconds=1.2)
    _, strategy = run(nodes, rule, rounds=2)
    assert strategy.senders == [[1, 2], [1, 2]]
    assert strategy.shown == [[1, 2, 3], [1, 2]]
