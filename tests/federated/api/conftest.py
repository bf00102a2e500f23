from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.federated.api.asked import Asked, asked


@pytest.fixture
def fl(tmp_path: Path) -> Iterator[Asked]:
    with asked(tmp_path) as running:
        yield running
