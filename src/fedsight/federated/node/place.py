"""Where a node is: its name, where its own data lies, and where it keeps what never leaves it.

A node in a process of its own is told by its environment, as its operator started it: no run says
from where it reads, or where it writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: A CSV file of the node's own data, a folder in which there is one with the node's name, or the
#: folder of windows.
DATA_VARIABLE = "FEDSIGHT_NODE_DATA"
#: The folder in which the node keeps models of its own.
KEPT_VARIABLE = "FEDSIGHT_NODE_KEPT"


@dataclass(frozen=True)
class Place:
    """A node's name, `source`, from which a task whose nodes have data of their own reads it, and
    `kept`, the folder for models that stay with the node (None: it keeps none)."""

    node: str = ""
    source: str = ""
    kept: Path | None = None


NOWHERE = Place()


def settle(source: Path | None, kept: Path) -> None:
    """Say where this process's node has its data; what its environment says already stays."""
    if source is not None:
        os.environ[DATA_VARIABLE] = str(source)
    os.environ.setdefault(KEPT_VARIABLE, str(kept))


def settled(node: str) -> Place:
    """The place of this process's node, which is called so."""
    kept = os.environ.get(KEPT_VARIABLE)
    return Place(node, os.environ.get(DATA_VARIABLE, ""), Path(kept) if kept else None)
