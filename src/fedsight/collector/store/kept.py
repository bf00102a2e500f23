"""What was read from sealed files lately, decoded: such files never change, so it stays true."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)
#: Columns of a NamedTuple; those who get them do not write to them.
Columns = TypeVar("Columns", bound=tuple[NDArray[Any], ...])

#: Keys of which is remembered that they were asked for.
REMEMBERED = 4096


class Kept(Generic[Key, Columns]):
    """A cache bounded in bytes; what was not used for longest goes first. Any thread may ask.

    What is asked for once is not worth keeping: a long scan would push out all that is asked for
    again and again.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._found: OrderedDict[Key, Columns] = OrderedDict()
        self._asked: OrderedDict[Key, None] = OrderedDict()
        self.bytes = 0

    def find(self, key: Key) -> Columns | None:
        """What is kept under a key."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def asked_before(self, keys: Iterable[Key]) -> bool:
        """Whether all of them were asked for not long ago; from now on they were."""
        with self._lock:
            known = True
            for key in keys:
                known &= key in self._asked
                self._asked[key] = None
                self._asked.move_to_end(key)
            while len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
            return known

    def keep(self, key: Key, columns: Columns) -> None:
        """Keep it, and let go of others where there is no room."""
        size = size_of(columns)
        if size > self._most:
            return
        with self._lock:
            self._drop(key)
            self._found[key] = columns
            self.bytes += size
            while self.bytes > self._most:
                self._drop(next(iter(self._found)))

    def _drop(self, key: Key) -> None:
        old = self._found.pop(key, None)
        if old is not None:
            self.bytes -= size_of(old)

    def retain(self, wanted: Callable[[Key], bool]) -> None:
        """Let go of what nobody will ask for again."""
        with self._lock:
            for key in [key for key in self._found if not wanted(key)]:
                self._drop(key)

    def clear(self) -> None:
        """Let go of all."""
        self.retain(lambda _: False)


def size_of(columns: tuple[NDArray[Any], ...]) -> int:
    """Bytes of all columns."""
    return sum(column.nbytes for column in columns)
