"""How a node introduces itself: its name, its part of the data and what it has to offer.

The server asks with a `query` message whose content is one empty record, `config`; the answer is a
ConfigRecord `node`. Warm nodes answer, and Flower's own do, for the ClientApp does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.user_config import UserConfigValue
from flwr.clientapp import ClientApp

NODE = "node"
_CONFIG = "config"
_QUERY = "query"

#: Keys of a node's configuration that say who it is; every other key is a property of it.
PARTITION, PARTITIONS = "partition-id", "num-partitions"
NAME, TAGS, KIND = "name", "tags", "kind"
#: False where nobody chose the name, so that it is no claim to be the node that is called so.
CHOSEN = "name-chosen"
#: Only said where it was measured or configured.
BANDWIDTH, SAMPLES = "bandwidth-mbps", "data-samples"
CPUS, MEMORY = "cpu-count", "memory-gb"
UNKNOWN_PARTITION = -1
STOCK = "stock"
#: Names that the system knows: bytes a page, and how many pages of memory there are.
SC_PAGE_SIZE, SC_PHYS_PAGES = "SC_PAGE_SIZE", "SC_PHYS_PAGES"


def introduce(app: ClientApp, samples: Callable[[], int | None]) -> None:
    """Let `app` answer who its node is; `samples` counts its data, None: not loaded."""

    @app.query()
    def query(message: Message, context: Context) -> Message:
        return introduction(message, context, samples())


def asks_for_introduction(message: Message) -> bool:
    """Whether it is the question that the server asks each node it does not know."""
    if message.metadata.message_type != _QUERY or not message.has_content():
        return False
    records = dict(message.content)
    return set(records) == {_CONFIG} and not records[_CONFIG]


def introduction(message: Message, context: Context, samples: int | None = None) -> Message:
    """The answer: what the node's configuration says, and what was measured here and now."""
    said: dict[str, UserConfigValue] = {
        NAME: "",
        PARTITION: UNKNOWN_PARTITION,
        TAGS: "",
        KIND: STOCK,
        CPUS: os.cpu_count() or 0,
        MEMORY: _memory_gb(),
        **context.node_config,
    }
    if samples is not None:
        said[SAMPLES] = samples
    content = RecordDict({NODE: ConfigRecord({key: said[key] for key in said})})
    return Message(content, reply_to=message)


def introduced(message: Message) -> dict[str, UserConfigValue]:
    """What an answer says; empty where it is no introduction."""
    if not message.has_content() or NODE not in message.content:
        return {}
    return dict(cast("ConfigRecord", message.content[NODE]))  # type: ignore[arg-type]


def _memory_gb() -> float:
    """The machine's memory in units of 10^9 bytes."""
    return os.sysconf(SC_PAGE_SIZE) * os.sysconf(SC_PHYS_PAGES) / 1e9
