"""A training run's way to the nodes behind a SuperLink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fedsight.federated.link.caller import Place
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.plan import Plan


@dataclass(frozen=True)
class Linked:
    """See `training.Link`: the SuperLink at `place`, of whose nodes the first round wants
    `expected`."""

    place: Place
    expected: int = 0

    def connect(
        self,
        plan: Plan,
        on_wait: Callable[[str], object],
        on_idle: Callable[[float], object],
        on_back: Callable[[str], object],
    ) -> LinkGrid:
        """See `training.Link`."""
        return LinkGrid(
            self.place,
            plan.config(),
            wait_seconds=plan.closing.wait_seconds,
            on_wait=on_wait,
            on_back=on_back,
            on_idle=on_idle,
        )
