"""A real store in a temporary folder, written without a server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedsight.collector.ingest import Ingest
from fedsight.collector.store.hotlog import prepared
from fedsight.collector.store.readers import Readers
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import open_store
from fedsight.signals import Shipment


class Store:
    """An open store; `send` stores a shipment, `ask` reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def _open(self) -> None:
        connection, self.kept = open_store(self.folder)
        self.commits = 0
        self.ingest = Ingest(connection, self.folder / FILE_NAME, self._committed)
        self.readers = Readers(self.folder / FILE_NAME)

    def _committed(self) -> None:
        self.commits += 1

    def send(self, shipment: Shipment) -> int:
        """As `Sink.send`."""
        return self.ingest.submit(prepared(shipment)).result(10)

    def ask(self, question: Callable[..., Any], *rest: Any, **named: Any) -> Any:
        """The answer to a question of `queries`."""
        return self.readers.ask_now(lambda store: question(store, *rest, **named))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What SQL finds."""
        found: list[tuple[Any, ...]] = self.readers.ask_now(
            lambda store: store.execute(query).fetchall()
        )
        return found

    def contents(self) -> str:
        """Everything that the store holds, as text."""

        def dump(store: sqlite3.Connection) -> str:
            return "\n".join(store.iterdump())

        return self.readers.ask_now(dump)

    def restart(self) -> None:
        """Close and open again."""
        self.close()
        self._open()

    def close(self) -> None:
        """Close."""
        self.readers.close()
        self.ingest.close()
