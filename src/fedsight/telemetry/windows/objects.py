"""Windows' objects in dataClay: found by alias, made, asked, and made anew where they are lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from fedsight.telemetry.windows.contract import WindowError
from fedsight.telemetry.windows.frames import Rows
from fedsight.telemetry.windows.holding import Holding
from fedsight.telemetry.windows.link import AwayError, Link
from fedsight.telemetry.windows.packing import pack_rows, unpack
from fedsight.telemetry.windows.slots import Extent

if TYPE_CHECKING:
    from fedsight.telemetry.windows.stored_window import StoredWindow

PREFIX = "fedsight-window-"


class LostError(WindowError):
    """A window was in dataClay and is not any more: it was killed before it wrote it to disk."""


class Objects:
    """What dataClay keeps, by node. Threads may share it."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._link = Link(host, port, seconds)
        self._found: dict[str, StoredWindow] = {}
        self._finding = threading.Lock()
        self._was_away = False

    def nodes(self) -> list[str]:
        """The nodes that have an object."""
        found = self._link.ask(self._link.runtime.get_all_alias(self._dataset()))
        names = (alias.name for alias in found.values())
        return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))

    def read(self, node: str) -> Holding | None:
        """The node's window; None where it has none. Raises WindowError."""
        body = self.call(node, "read")
        return None if body is None else _unpacked(node, body)

    def version(self, node: str) -> int:
        """How often the node's window changed; 0 where there is none. Raises WindowError."""
        return self.call(node, "news") or 0

    def add(self, node: str, rows: Rows, extent: Extent, now: int) -> None:
        """Put rows where they belong. Raises LostError where the window has to be made anew."""
        if self._object(node) is None:
            self._make(node)
        self.call(node, "add", pack_rows(rows), extent.max_rows, extent.interval_ns, now)

    def remove(self, node: str) -> None:
        """Let an object go that is lost, so that it can be made anew."""
        from dataclay.exceptions import DoesNotExistError

        self._forget(node)
        try:
            self._link.ask(self._link.runtime.delete_alias(PREFIX + node, self._dataset()))
        except DoesNotExistError:
            return

    def flush(self) -> None:
        """Have every backend write its objects to disk."""
        backends = list(self._link.runtime.backend_clients.values())
        for backend in backends:
            self._link.ask(backend.flush_all())

    def close(self) -> None:
        """End the session."""
        self._link.close()

    def _dataset(self) -> str:
        from dataclay.config import settings

        return str(settings.client.dataset)

    def call(self, node: str, method: str, *arguments: Any) -> Any:
        """What the object's method returns; None where there is no object.

        Raises AwayError, WindowError, and LostError where the window has to be made anew.
        """
        from dataclay.exceptions import DataClayException

        try:
            self._find_backends()
            there = self._object(node)
            if there is None:
                return None
            coroutine = self._link.runtime.call_remote_method(there, method, arguments, {})
            return self._link.ask(coroutine)
        except AwayError:
            self._forget(node)
            self._was_away = True
            raise
        except DataClayException as error:
            self._forget(node)
            raise LostError(f"dataClay lost the window of node {node}: {error}") from error
        except WindowError as error:
            if isinstance(error.__cause__, ValueError):  # its backend cannot read what it holds
                raise LostError(str(error)) from error
            raise

    def _find_backends(self) -> None:
        """After it was away, ask where the backends are now."""
        if self._was_away:
            self._link.ask(self._link.runtime.backend_clients.update())
            self._was_away = False

    def _object(self, node: str) -> StoredWindow | None:
        from dataclay.exceptions import DoesNotExistError

        with self._finding:
            there = self._found.get(node)
        if there is not None:
            return there
        try:
            coroutine = self._link.runtime.get_object_by_alias(PREFIX + node, self._dataset())
            there = self._link.ask(coroutine)
        except DoesNotExistError:
            return None
        return self._keep(node, there)

    def _make(self, node: str) -> None:
        from dataclay.exceptions import AlreadyExistError

        from fedsight.telemetry.windows.stored_window import StoredWindow

        made = StoredWindow()
        try:
            self._link.ask(self._link.runtime.make_persistent(made, PREFIX + node))
        except AlreadyExistError as error:  # its alias was made, and then no object
            raise LostError(f"dataClay lost the window of node {node}") from error
        self._keep(node, made)

    def _keep(self, node: str, there: StoredWindow) -> StoredWindow:
        with self._finding:
            self._found[node] = there
        return there

    def _forget(self, node: str) -> None:
        with self._finding:
            self._found.pop(node, None)


def _unpacked(node: str, body: bytes) -> Holding:
    try:
        return unpack(body)
    except ValueError as error:
        raise WindowError(f"what dataClay holds of node {node} is no window: {error}") from error
