"""What a claim of many samples is worth: nothing beyond the update itself."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from flwr.app import Message, MetricRecord

from tests.federated.grounds import Ground, grid
from tests.federated.rounds.script import add_id
from tests.policy.asked import NOON, changed

HUGE = 2**39


def scores(claims: Mapping[int, int]) -> dict[str, float]:
    """The clients' trust after three rounds in which they claimed so many samples."""

    def answer(message: Message) -> Message:
        reply = add_id(message)
        metrics = reply.content["metrics"]
        assert isinstance(metrics, MetricRecord)
        metrics["num-examples"] = claims[message.metadata.dst_node_id]
        return reply

    ground = Ground(changed({"min_samples": "0"}))
    ground.run(grid(len(claims), answer), 3)
    return {f"client-{at}": ground.trust.score(f"client-{at}", NOON) for at in claims}


@pytest.mark.parametrize("others", [1, 2, 3])
def test_whoever_claims_a_huge_number_of_samples_takes_nothing_from_the_others(
    others: int,
) -> None:
    honest = {at: 100 * at for at in range(1, others + 1)}
    liar = others + 1
    without = scores({**honest, liar: 100})
    attacked = scores({**honest, liar: HUGE})
    assert attacked == without
    assert set(attacked.values()) == {(3 * 1.5 + 2) / (3 * 1.5 + 4)}


def test_nor_do_several_together() -> None:
    attacked = scores({1: 50, 2: HUGE, 3: HUGE, 4: HUGE})
    assert len(set(attacked.values())) == 1


def test_an_update_that_stands_for_no_sample_contributes_nothing() -> None:
    found = scores({1: 100, 2: 0})
    assert found["client-2"] == (3 + 2) / (3 + 4) < found["client-1"]
