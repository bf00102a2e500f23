"""`Selected`: decides who trains, around any strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.federated.fleet import Fleet, NodeView
from fedsight.federated.narrowed import OnlyThese
from fedsight.federated.selection.choice import Choice, Limit
from fedsight.federated.selection.selector import Selector
from fedsight.federated.wrapping import Wrapper

#: Told of each choice: (round, choice).
OnChoice = Callable[[int, Choice], None]


@runtime_checkable
class Limited(Protocol):
    """A grid of whose nodes only some may be chosen."""

    @property
    def limit(self) -> Limit | None:
        """How many at the most; None: all."""


class Selected(Wrapper):
    """The strategy inside sees only the chosen nodes, of a `Limited` grid no more than it allows.

    Where nobody can be chosen it is not asked at all: one of Flower's would wait for nodes for
    ever.
    """

    def __init__(
        self, inner: Strategy, selector: Selector, on_choice: OnChoice = lambda *_: None
    ) -> None:
        super().__init__(inner)
        self._selector = selector
        self._on_choice = on_choice
        self._nameless: dict[int, NodeView] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        limit = grid.limit if isinstance(grid, Limited) else None
        choice = self._selector.choose(server_round, self._nodes(grid), limit)
        self._on_choice(server_round, choice)
        if not choice.nodes:
            return []
        shown = OnlyThese(grid, choice.nodes)
        return self.inner.configure_train(server_round, arrays, config, shown)

    def _nodes(self, grid: Grid) -> Sequence[NodeView]:
        """The grid's nodes; those of a grid that knows only ids go by their ids."""
        if isinstance(grid, Fleet):
            return grid.nodes()
        known = self._nameless
        for node_id in (found := list(grid.get_node_ids())):
            if node_id not in known:
                known[node_id] = NodeView(node_id, str(node_id))
        return [known[node_id] for node_id in found]
