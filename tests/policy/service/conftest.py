from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.policy.service.served import Served, write_tokens

ROLES = ("viewer", "operator", "auditor", "admin")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A service with a token for each role: `t-viewer` and so on."""
    data = tmp_path / "data"
    write_tokens(data, *((f"{role}-name", role, f"t-{role}") for role in ROLES))
    found = Served(data)
    yield found
    found.close()
