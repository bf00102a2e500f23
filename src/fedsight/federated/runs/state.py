"""What a part of a run must remember for the next round: facts and arrays, never code.

A checkpoint is made of these and written as JSON and safetensors, so that reading one can run
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from fedsight.signals import Json

#: Parts the names of nested states.
SEPARATOR = "/"
#: Where in a run's state the parts of its rounds are, and of these what policy remembers.
PARTS, GOVERNANCE = "parts", "governance"


@dataclass(frozen=True)
class State:
    """Facts as JSON values and numpy arrays, each by a name without `/`."""

    facts: Mapping[str, Json] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@runtime_checkable
class Stateful(Protocol):
    """A part whose next round depends on more than the model, the plan and the round's number."""

    def state(self) -> State:
        """All that the next round depends on; its arrays are not written to afterwards."""

    def load(self, state: State) -> None:
        """Go on from what `state` gave. Raises ValueError where that belongs to another part."""


def joined(parts: Mapping[str, State]) -> State:
    """One state that holds the parts, each under its name."""
    facts: dict[str, Json] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, one in parts.items():
        facts |= {f"{name}{SEPARATOR}{key}": value for key, value in one.facts.items()}
        arrays |= {f"{name}{SEPARATOR}{key}": value for key, value in one.arrays.items()}
    return State(facts, arrays)


def part(state: State, name: str) -> State:
    """What `joined` put under `name`; empty where that is nothing."""
    head = f"{name}{SEPARATOR}"
    return State(
        {key.removeprefix(head): one for key, one in state.facts.items() if key.startswith(head)},
        {key.removeprefix(head): one for key, one in state.arrays.items() if key.startswith(head)},
    )
