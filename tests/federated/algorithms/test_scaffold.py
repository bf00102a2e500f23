"""SCAFFOLD by hand, beside the paper's pseudo-code, and stopped between two rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from flwr.app import ArrayRecord, Message
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.algorithms import mean as mean_module
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.algorithms.scaffold import Scaffold
from fedsight.federated.flat import Vector
from fedsight.federated.fleet import RoundLostError
from fedsight.federated.plan import AlgorithmPlan
from fedsight.federated.runs.state import State
from tests.federated.algorithms.replies import asked, next_model, reply, vector

NODES = 4


def scaffold(nodes: int = NODES, name: Callable[[int], str] = str, **named: object) -> Scaffold:
    plan = AlgorithmPlan("scaffold", weighting=str(named.get("weighting", "uniform")))
    found = algorithm(plan, nodes=nodes, name=name)
    assert isinstance(found, Scaffold)
    return found


def correction(message: Message) -> list[float]:
    record = message.content["correction"]
    assert isinstance(record, ArrayRecord)
    found: list[float] = codec.unpack(record).tolist()
    return found


def drifted(message: Message, target: Vector, round: int, samples: int = 1) -> Message:
    """A node whose loss is half its squared distance from `target`: two steps of length 0.25."""
    y = codec.unpack(message.content["arrays"]).copy()  # type: ignore[arg-type]
    added = codec.unpack(message.content["correction"])  # type: ignore[arg-type]
    for _ in range(2):
        y = y - np.float32(0.25) * (y - target + added)
    return reply(message, y, samples, local_rate=0.5, local_steps=2, server_round=round)


def test_at_first_nothing_is_corrected() -> None:
    for message in asked(scaffold(), vector(1, 2)):
        assert correction(message) == [0.0, 0.0]


def test_the_first_two_rounds_by_hand() -> None:
    strategy = scaffold(nodes=2)
    first, second = asked(strategy, vector(0))
    # x = 0: node 0 went to 1 and node 1 to -3, with K eta = 0.5 each: c_0 = -2, c_1 = 6, c = 2.
    replies = [
        reply(first, vector(1), local_rate=0.5, server_round=1),
        reply(second, vector(-3), local_rate=0.5, server_round=1),
    ]
    assert next_model(strategy, replies).tolist() == [-1.0]
    first, second = asked(strategy, vector(-1), round=2)
    assert (correction(first), correction(second)) == ([4.0], [-4.0])
    # Only node 0 answers, with 1: c_0 = -2 - 2 + (-1 - 1) / 0.5 = -8, c = (-8 + 6) / 2 = -1.
    strategy.aggregate_train(2, [reply(first, vector(1), local_rate=0.5, server_round=2)])
    first, second = asked(strategy, vector(0), round=3)
    assert (correction(first), correction(second)) == ([7.0], [-7.0])


def test_nodes_that_have_not_trained_count_with_zero() -> None:
    strategy = scaffold(nodes=4)
    (first,) = asked(strategy, vector(0), nodes=4, only=[0])
    strategy.aggregate_train(1, [reply(first, vector(-1), local_rate=0.5, server_round=1)])
    messages = asked(strategy, vector(0), round=2, nodes=4)
    assert [correction(one)[0] for one in messages] == [0.5 - 2.0, 0.5, 0.5, 0.5]


def paper(targets: Sequence[Vector], cohorts: Sequence[Sequence[int]], x: Vector) -> Vector:
    """Algorithm 1 of Karimireddy et al. 2020 with option II, in float64."""
    c = np.zeros(len(x))
    controls = [np.zeros(len(x)) for _ in targets]
    x = x.astype(np.float64)
    for cohort in cohorts:
        ys, changes = [], []
        for i in cohort:
            y = x.copy()
            for _ in range(2):
                y = y - 0.25 * (y - targets[i] - controls[i] + c)
            plus = controls[i] - c + (x - y) / (2 * 0.25)
            ys.append(y - x)
            changes.append(plus - controls[i])
            controls[i] = plus
        x = x + np.mean(ys, axis=0)
        c = c + len(cohort) / len(targets) * np.mean(changes, axis=0)
    return x


def played(
    strategy: Strategy,
    targets: Sequence[Vector],
    cohorts: Sequence[Sequence[int]],
    x: Vector,
    first: int = 1,
) -> Vector:
    for round, cohort in enumerate(cohorts, first):
        messages = asked(strategy, x, round=round, nodes=len(targets), only=cohort)
        pairs = zip(cohort, messages, strict=True)
        x = next_model(strategy, [drifted(one, targets[i], round) for i, one in pairs], round)
    return x


def test_a_round_that_is_lost_half_way_changes_nothing() -> None:
    targets = [vector(1), vector(-3), vector(5), vector(2)]
    whole, cut = scaffold(), scaffold()
    x = played(whole, targets, COHORTS[:2], vector(0))
    played(cut, targets, COHORTS[:2], vector(0))

    def lost() -> Iterator[Message]:
        messages = asked(cut, x, round=3, nodes=4)
        yield from [drifted(one, targets[at], 3) for at, one in enumerate(messages[:2])]
        raise RoundLostError("the SuperLink was started anew")

    with pytest.raises(RoundLostError):
        cut.aggregate_train(3, lost())
    ended = [played(one, targets, COHORTS[2:], x, first=3) for one in (whole, cut)]
    assert ended[0].tobytes() == ended[1].tobytes()
    states = [
        {name: array.tolist() for name, array in one.state().arrays.items()} for one in (whole, cut)
    ]
    assert states[0] == states[1]


COHORTS = [[0, 1], [1, 2, 3], [0], [0, 1, 2, 3], [2, 3], [0, 3]]


@pytest.mark.parametrize("size", [3, mean_module.BLOCK + 5])
def test_rounds_with_changing_cohorts_are_the_papers(size: int) -> None:
    rng = np.random.default_rng(0)
    targets = [rng.normal(size=size).astype(np.float32) for _ in range(NODES)]
    ours = played(scaffold(), targets, COHORTS, np.zeros(size, np.float32))
    expected = paper(targets, COHORTS, np.zeros(size, np.float32))
    np.testing.assert_allclose(ours, expected, atol=2e-6)


def test_with_unequal_weights_corrections_still_cancel() -> None:
    """Else the weighted mean of the nodes' steps would be pulled aside."""
    strategy, x = scaffold(weighting="samples"), vector(0, 1)
    samples = [1, 2, 3, 10]
    for round in (1, 2, 3):
        messages = asked(strategy, x, round=round, nodes=NODES)
        if round > 1:
            pulls = [
                np.array(correction(one)) * n for one, n in zip(messages, samples, strict=True)
            ]
            assert np.abs(np.sum(pulls, axis=0)).max() < 1e-5
            assert max(np.abs(pull).max() for pull in pulls) > 0.1
        replies = [
            drifted(one, vector(at, -at), round, samples[at]) for at, one in enumerate(messages)
        ]
        x = next_model(strategy, replies, round)


def test_an_answer_to_another_round_leaves_its_control_variate() -> None:
    strategy = scaffold(nodes=2)
    first, second = asked(strategy, vector(0), round=5)
    replies = [
        reply(first, vector(2), local_rate=0.5, server_round=4),
        reply(second, vector(4), local_rate=0.0, server_round=5),
    ]
    assert next_model(strategy, replies, 5).tolist() == [3.0]
    assert [correction(one) for one in asked(strategy, vector(3), round=6)] == [[0.0], [0.0]]


@pytest.mark.parametrize("rate", [1e-300, 1e-20, float("nan"), float("inf"), -1.0])
def test_an_impossible_step_length_cannot_spoil_the_corrections_of_others(rate: float) -> None:
    strategy = scaffold(nodes=2)
    first, second = asked(strategy, vector(0))
    replies = [
        reply(first, vector(2), local_rate=rate, server_round=1),
        reply(second, vector(4), local_rate=0.5, server_round=1),
    ]
    assert next_model(strategy, replies).tolist() == [3.0]
    found = [correction(one) for one in asked(strategy, vector(3), round=2)]
    assert found == [[-4.0], [4.0]]


def resumed(state: State, name: Callable[[int], str] = str) -> Scaffold:
    strategy = scaffold(name=name)
    strategy.load(state)
    return strategy


@pytest.mark.parametrize("stop", range(len(COHORTS)))
def test_what_is_stopped_and_loaded_again_goes_on_with_the_same_bits(stop: int) -> None:
    rng = np.random.default_rng(1)
    targets = [rng.normal(size=9).astype(np.float32) for _ in range(NODES)]
    whole = played(scaffold(), targets, COHORTS, np.zeros(9, np.float32))
    first = scaffold()
    half = played(first, targets, COHORTS[:stop], np.zeros(9, np.float32))
    second = resumed(first.state())
    del first
    assert played(second, targets, COHORTS[stop:], half, stop + 1).tobytes() == whole.tobytes()


def test_a_node_keeps_its_control_variate_under_another_id() -> None:
    first = scaffold(name=lambda node_id: f"client-{node_id - 1000}")
    messages = asked(first, vector(0), nodes=2)
    first.aggregate_train(1, [drifted(one, vector(at), 1) for at, one in enumerate(messages)])
    expected = [correction(one) for one in asked(first, vector(0), round=2, nodes=2)]
    turned = resumed(first.state(), name=lambda node_id: f"client-{1001 - node_id}")
    found = [correction(one) for one in asked(turned, vector(0), round=2, nodes=2)]
    assert found == expected[::-1]
    assert found[0] != found[1]


def test_a_state_that_was_given_out_is_not_changed_by_the_next_round() -> None:
    strategy = scaffold(nodes=2)
    targets = [vector(1), vector(-3)]
    played(strategy, targets, [[0, 1]], vector(0))
    given = strategy.state().arrays
    copies = {name: np.array(array) for name, array in given.items()}
    assert len(given) == 3
    played(strategy, targets, [[0, 1], [0]], vector(5), first=2)
    assert all(np.array_equal(copies[name], given[name]) for name in given)


def test_a_state_of_another_algorithm_or_model_is_refused() -> None:
    strategy = scaffold()
    with pytest.raises(ValueError, match="the algorithm is scaffold"):
        strategy.load(State({}, {}))
    asked(strategy, vector(0, 0))
    with pytest.raises(ValueError, match="not of a model of 3 float32"):
        asked(strategy, vector(0, 0, 0))


def test_messages_that_wait_hold_no_correction() -> None:
    strategy = scaffold()
    message = asked(strategy, vector(0, 0), nodes=1)[0]
    record = message.content["correction"]
    assert isinstance(record, ArrayRecord)
    assert codec.unpack(record) is not codec.unpack(record)
    assert codec.content_bytes(message.content) == 2 * codec.payload_bytes(record)
    assert len(record["flat"].data) == codec.payload_bytes(record)
