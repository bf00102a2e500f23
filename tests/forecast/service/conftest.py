from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forecast.service.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A forecaster that looks when it is asked to."""
    found = Made(tmp_path)
    yield found
    found.service.close()
