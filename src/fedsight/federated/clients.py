"""What is known of a client beyond its trust, as policy is told it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fedsight.federated.fleet import NodeView, Property
from fedsight.federated.node.introduction import SC_PAGE_SIZE, SC_PHYS_PAGES

#: Attributes of the schema's Client.
Facts = Callable[[NodeView], Mapping[str, Any]]


def told(node: NodeView) -> dict[str, Any]:
    """A client's attributes as far as the node told them; what it did not tell is left out.

    A simulated node is on this machine, and has what it has.
    """
    said = {**(this_machine() if node.kind == "simulated" else {}), **node.properties}
    facts: dict[str, Any] = {"capabilities": tuple(node.tags)}
    cpus, memory, samples = (said.get(key) for key in ("cpu_count", "memory_gb", "data_samples"))
    if _whole(cpus):
        facts["cpu_count"] = cpus
    if isinstance(memory, int | float) and not isinstance(memory, bool) and math.isfinite(memory):
        facts["memory_mb"] = int(memory * 1000)
    if _whole(samples):
        facts["samples"] = samples
    return facts


def this_machine() -> dict[str, Property]:
    """What a node of this machine would tell of it."""
    return dict(_machine())


@cache
def _machine() -> Mapping[str, Property]:
    """Read once: counting processors opens a file."""
    memory = os.sysconf(SC_PAGE_SIZE) * os.sysconf(SC_PHYS_PAGES) / 1e9
    return {"cpu_count": os.cpu_count() or 0, "memory_gb": memory}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
