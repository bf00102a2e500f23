"""What brings rows to dataClay outlives faults of whoever is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from fedsight.telemetry.windows import LocalWindows, pushing
from fedsight.telemetry.windows.frames import Rows, rows_of
from fedsight.telemetry.windows.objects import Objects
from fedsight.telemetry.windows.pushing import Pushing
from fedsight.telemetry.windows.slots import Extent
from tests.telemetry.windows.frames import INTERVAL, NOW, at, rows


class Faulty:
    """Objects that meet a fault of their own so many times before they take anything."""

    def __init__(self, faults: int) -> None:
        self.faults = faults
        self.brought: list[tuple[str, int]] = []
        self.flushed = threading.Event()

    def add(self, node: str, rows: Rows, extent: Extent, now: int) -> None:
        """As `Objects.add`."""
        if self.faults:
            self.faults -= 1
            raise KeyError(node)
        self.brought.append((node, len(rows.times)))

    def nodes(self) -> list[str]:
        """As `Objects.nodes`."""
        return [node for node, _ in self.brought]

    def flush(self) -> None:
        """As `Objects.flush`."""
        self.flushed.set()


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[LocalWindows]:
    with LocalWindows(tmp_path, 10, INTERVAL, now=lambda: NOW) as copy:
        yield copy


def test_a_fault_costs_no_row_and_ends_no_thread(
    copy: LocalWindows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pushing, "RETRY_SECONDS", 0.02)
    objects = Faulty(3)
    bringing = Pushing(copy, cast(Objects, objects))
    try:
        with pytest.raises(KeyError):
            bringing.add("a", rows_of(rows(at(0, 1), x=[1, 2])))
        assert objects.flushed.wait(10)
    finally:
        bringing.close()
    assert objects.brought == [("a", 2)]
    assert "bringing windows to dataClay met a fault" in caplog.text
