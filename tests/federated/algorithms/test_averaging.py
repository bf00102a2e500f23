"""The strategy that averages, through Flower's messages."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Error, Message
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from fedsight.federated import codec
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.plan import AlgorithmPlan
from fedsight.federated.runs.state import Stateful
from tests.federated.algorithms.replies import asked, next_model, reply, vector

FEDAVG = AlgorithmPlan()


def test_one_shared_content_goes_to_every_node_with_the_round_in_it() -> None:
    messages = asked(algorithm(FEDAVG), vector(0, 0), round=4, nodes=3)
    assert [message.metadata.dst_node_id for message in messages] == [1000, 1001, 1002]
    assert {message.content["config"]["server-round"] for message in messages} == {4}  # type: ignore[index]
    assert "proximal-mu" not in messages[0].content["config"]  # type: ignore[operator]
    assert messages[0].content is messages[2].content


def test_only_fedprox_sends_its_mu() -> None:
    for name, sent in (("fedprox", 0.5), ("fedavgm", None)):
        (message,) = asked(algorithm(AlgorithmPlan(name, mu=0.5)), vector(0), nodes=1)
        assert message.content["config"].get("proximal-mu") == sent  # type: ignore[union-attr]


def test_models_and_figures_are_averaged_and_failed_nodes_left_out() -> None:
    strategy = algorithm(FEDAVG)
    first, second, third = asked(strategy, vector(0, 0), nodes=3)
    replies = [
        reply(first, vector(0, 1), 1, train_loss=8.0, local_steps=3),
        Message(Error(2, "no"), reply_to=reply(second, vector(9, 9))),
        reply(third, vector(4, 5), 3, train_loss=4.0, train_seconds=[1.0]),
    ]
    arrays, metrics = strategy.aggregate_train(1, iter(replies))
    assert arrays is not None
    assert metrics is not None
    assert codec.unpack(arrays).tolist() == [3.0, 4.0]
    assert dict(metrics) == {"train-loss": 5.0}


def test_a_figure_that_only_a_node_without_samples_reports_is_left_out() -> None:
    strategy = algorithm(FEDAVG)
    first, second = asked(strategy, vector(0, 0))
    replies = [
        reply(first, vector(1, 2), 4, train_loss=2.0),
        reply(second, vector(9, 9), 0, train_loss=1.0, train_accuracy=0.5),
    ]
    arrays, metrics = strategy.aggregate_train(1, replies)
    assert arrays is not None
    assert metrics is not None
    assert codec.unpack(arrays).tolist() == [1.0, 2.0]
    assert dict(metrics) == {"train-loss": 2.0}


def test_a_round_without_an_update_has_no_model() -> None:
    strategy = algorithm(AlgorithmPlan("fedadam"))
    (message,) = asked(strategy, vector(0), nodes=1)
    assert strategy.aggregate_train(1, []) == (None, None)
    assert strategy.aggregate_train(1, [reply(message, vector(1), 0)]) == (None, None)


def test_the_mean_agrees_with_flowers_own() -> None:
    rng = np.random.default_rng(0)
    strategy = algorithm(FEDAVG)
    replies = [
        reply(message, rng.normal(size=50).astype(np.float32), int(rng.integers(1, 900)))
        for message in asked(strategy, np.zeros(50, np.float32), nodes=20)
    ]
    flowers, _ = FlowerFedAvg().aggregate_train(1, replies)
    assert flowers is not None
    np.testing.assert_allclose(
        next_model(strategy, replies), codec.unpack(flowers), rtol=2e-5, atol=1e-6
    )


def test_a_server_learning_rate_shortens_the_step() -> None:
    strategy = algorithm(AlgorithmPlan("fedavg", server_lr=0.25))
    (message,) = asked(strategy, vector(1, 2), nodes=1)
    assert next_model(strategy, [reply(message, vector(5, 2))]).tolist() == [2.0, 2.0]


def test_the_nodes_models_are_not_written_to() -> None:
    strategy = algorithm(AlgorithmPlan("fedavg", server_lr=0.5))
    model, update = vector(1, 2), vector(5, 2)
    (message,) = asked(strategy, model, nodes=1)
    next_model(strategy, [reply(message, update)])
    assert (model.tolist(), update.tolist()) == ([1.0, 2.0], [5.0, 2.0])


@pytest.mark.parametrize("name", ["fedavg", "fedadam", "scaffold"])
def test_no_more_than_one_reply_is_held_at_a_time(name: str) -> None:
    strategy = algorithm(AlgorithmPlan(name), nodes=5)
    messages = asked(strategy, np.zeros(4, np.float32), nodes=5)
    alive: list[int] = []

    def arriving() -> Iterator[Message]:
        updates: list[weakref.ref[object]] = []
        for message in messages:
            gc.collect()
            alive.append(sum(update() is not None for update in updates))
            update = np.ones(4, np.float32)
            updates.append(weakref.ref(update))
            made = reply(message, update, 1, local_rate=1.0, server_round=1)
            del update
            yield made
            del made

    strategy.aggregate_train(1, arriving())
    assert alive == [0, 0, 0, 0, 0]


def test_bytes_from_a_network_are_averaged_where_they_lie() -> None:
    strategy = algorithm(FEDAVG)
    replies = []
    for message, value in zip(asked(strategy, vector(0, 0)), (1, 3), strict=True):
        one = reply(message, vector(value, value))
        one.content["arrays"] = ArrayRecord({"flat": Array(vector(value, value))})
        replies.append(one)
    assert next_model(strategy, replies).tolist() == [2.0, 2.0]


def test_a_step_needs_a_model_to_start_from() -> None:
    strategy = algorithm(FEDAVG)
    (message,) = asked(algorithm(FEDAVG), vector(0), nodes=1)
    with pytest.raises(RuntimeError, match="from which model"):
        strategy.aggregate_train(1, [reply(message, vector(1))])


def test_state_belongs_to_one_algorithm() -> None:
    strategy = algorithm(AlgorithmPlan("fedavgm"))
    assert isinstance(strategy, Stateful)
    other = algorithm(AlgorithmPlan("fedadam"))
    assert isinstance(other, Stateful)
    with pytest.raises(ValueError, match="the state is of fedavgm, the algorithm is fedadam"):
        other.load(strategy.state())
