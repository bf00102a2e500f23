import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from fedsight.federated import codec
from fedsight.federated.aggregation import FedAvg, WeightedMean
from fedsight.federated.client import client_app
from fedsight.federated.simulation import LocalGrid, sites


def reply(values: list[float], samples: int, loss: float) -> Message:
    LocalGrid(client_app(lambda _: None), sites(1, {}))  # type: ignore[arg-type, return-value]
    content = RecordDict(
        {
            "arrays": codec.pack(np.array(values, dtype=np.float32)),
            "metrics": MetricRecord({"num-examples": samples, "train-loss": loss}),
        }
    )
    return Message(content, 7, "train")


def test_the_mean_is_weighted_by_samples() -> None:
    mean = WeightedMean()
    mean.add(np.array([0.0, 1.0], dtype=np.float32), 1)
    mean.add(np.array([4.0, 5.0], dtype=np.float32), 3)
    result = mean.result()
    assert result is not None
    assert result.tolist() == [3.0, 4.0]
    assert result.dtype == np.float32


def test_a_vector_of_many_blocks_is_summed_as_one() -> None:
    rng = np.random.default_rng(0)
    vectors = [rng.normal(size=300_001).astype(np.float32) for _ in range(3)]
    mean = WeightedMean()
    for weight, vector in enumerate(vectors, 2):
        mean.add(vector, weight)
    expected = vectors[0] * np.float32(2) + vectors[1] * np.float32(3)
    expected += vectors[2] * np.float32(4)
    result = mean.result()
    assert result is not None
    assert np.array_equal(result, expected / np.float32(9))


def test_updates_are_not_written_to() -> None:
    first, second = np.ones(2, dtype=np.float32), np.full(2, 3, dtype=np.float32)
    mean = WeightedMean()
    mean.add(first, 1)
    mean.add(second, 1)
    mean.result()
    assert first.tolist() == [1, 1]
    assert second.tolist() == [3, 3]


def test_nothing_has_no_mean() -> None:
    assert WeightedMean().result() is None
    empty = WeightedMean()
    empty.add(np.ones(2, dtype=np.float32), 0)
    assert empty.result() is None


def test_models_and_figures_are_averaged_and_failed_nodes_left_out() -> None:
    from flwr.app import Error

    failed = Message(Error(2, "no"), reply_to=reply([0, 0], 1, 0))
    arrays, metrics = FedAvg().aggregate_train(
        1, [reply([0, 1], 1, 8.0), failed, reply([4, 5], 3, 4.0)]
    )
    assert arrays is not None
    assert metrics is not None
    assert codec.unpack(arrays).tolist() == [3.0, 4.0]
    assert dict(metrics) == {"train-loss": 5.0}


def test_a_figure_that_only_a_node_without_samples_reports_is_left_out() -> None:
    empty = reply([9, 9], 0, 1.0)
    empty.content["metrics"]["train-accuracy"] = 0.5  # type: ignore[index]
    arrays, metrics = FedAvg().aggregate_train(1, [reply([1, 2], 4, 2.0), empty])
    assert arrays is not None
    assert metrics is not None
    assert codec.unpack(arrays).tolist() == [1.0, 2.0]
    assert dict(metrics) == {"train-loss": 2.0}


def test_the_mean_agrees_with_flowers_own() -> None:
    rng = np.random.default_rng(0)
    replies = [
        reply(rng.normal(size=50).tolist(), int(rng.integers(1, 900)), 1.0) for _ in range(20)
    ]
    ours, _ = FedAvg().aggregate_train(1, replies)
    flowers, _ = FlowerFedAvg().aggregate_train(1, replies)
    assert ours is not None
    assert flowers is not None
    np.testing.assert_allclose(codec.unpack(ours), codec.unpack(flowers), rtol=2e-5, atol=1e-6)


def test_one_shared_content_goes_to_every_node_with_the_round_in_it() -> None:
    grid = LocalGrid(client_app(lambda _: None), sites(3, {}))  # type: ignore[arg-type, return-value]
    arrays: ArrayRecord = codec.pack(np.zeros(2, dtype=np.float32))
    messages = FedAvg().configure_train(4, arrays, ConfigRecord(), grid)
    assert [message.metadata.dst_node_id for message in messages] == grid.get_node_ids()
    assert {message.content["config"]["server-round"] for message in messages} == {4}  # type: ignore[index]
