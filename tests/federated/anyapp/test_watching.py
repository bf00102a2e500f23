"""What an app's server sees of its grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedsight.federated.anyapp.session import AppSession, AppSteering, Opening
from fedsight.federated.anyapp.watching import watching
from fedsight.federated.fleet import RoundLostError
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.signals import Batch
from tests.federated.rounds.script import add_id, node


@dataclass
class Restarted(ScriptedGrid):
    """A grid whose SuperLink was started anew before each of its first `lost` questions."""

    lost: int = 0
    questions: list[str] = field(default_factory=list)

    def get_node_ids(self) -> list[int]:
        self.questions.append("who is there")
        if len(self.questions) <= self.lost:
            raise RoundLostError("the SuperLink was started anew")
        return super().get_node_ids()


class Kept:
    def append(self, batch: Batch) -> int:
        return 1


def test_a_server_that_asks_who_is_there_after_a_restart_is_answered() -> None:
    grid = Restarted([node(1), node(2)], add_id, lost=1)
    session = AppSession(Opening("app", "deployment"), Kept(), "r-1", AppSteering())
    watched = watching(grid, session)
    assert list(watched.get_node_ids()) == [1, 2]
    grid.questions.clear()
    assert [one.node_id for one in watched.get_nodes()] == [1, 2]
    assert len(grid.questions) == 2
