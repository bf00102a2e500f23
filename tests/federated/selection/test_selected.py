from __future__ import annotations

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from fedsight.federated import codec
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.fleet import NodeView
from fedsight.federated.plan import SelectionPlan
from fedsight.federated.selection import Choice, Chosen, Selected, selector
from tests.federated.selection.made import fleet


class Plain(LocalGrid):
    """A grid that knows ids alone."""

    nodes = None  # type: ignore[assignment]


class Known(LocalGrid):
    """A grid with the fleet that it is given."""

    views: tuple[NodeView, ...] = ()

    def nodes(self) -> list[NodeView]:
        return list(self.views)


def asked(strategy: Selected, grid: LocalGrid, round_: int = 1) -> list[int]:
    arrays: ArrayRecord = codec.pack(np.zeros(2, np.float32))
    messages = strategy.configure_train(round_, arrays, ConfigRecord(), grid)
    return [message.metadata.dst_node_id for message in messages]


def flowers() -> FlowerFedAvg:
    return FlowerFedAvg(min_train_nodes=1, min_available_nodes=1, fraction_evaluate=0.0)


def grid_of(kind: type[LocalGrid], count: int) -> LocalGrid:
    return kind(ClientApp(), sites(count, {}))


def test_the_strategy_inside_sees_only_the_chosen() -> None:
    told: list[tuple[int, Choice]] = []
    strategy = Selected(flowers(), Chosen(lambda _, ids: ids[1:3]), lambda *what: told.append(what))
    assert sorted(asked(strategy, grid_of(Plain, 4), 7)) == [1001, 1002]
    assert told == [(7, Choice((1001, 1002), {1001: "chosen", 1002: "chosen"}))]


def test_a_fleet_tells_who_is_there() -> None:
    grid = grid_of(Known, 3)
    assert isinstance(grid, Known)
    grid.views = tuple(fleet(3, {1}))
    strategy = Selected(flowers(), selector(SelectionPlan(), 1.0, 0))
    assert sorted(asked(strategy, grid)) == [1000, 1002]


def test_nodes_of_a_grid_without_a_fleet_go_by_their_ids() -> None:
    plan = SelectionPlan(selection="named", only="1002")
    assert asked(Selected(flowers(), selector(plan, 1.0, 0)), grid_of(Plain, 3)) == [1002]


def test_where_nobody_can_be_chosen_the_strategy_is_not_asked() -> None:
    """Flower's FedAvg would wait for nodes without end."""
    told: list[Choice] = []
    plan = SelectionPlan(selection="resources", min_memory_gb=4)
    strategy = Selected(flowers(), selector(plan, 1.0, 0), lambda _, choice: told.append(choice))
    assert asked(strategy, grid_of(Plain, 2)) == []
    assert told[0].nodes == ()
    assert set(told[0].reasons.values()) == {"below min_memory_gb 4: did not tell memory_gb"}
