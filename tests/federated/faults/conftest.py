"""The pace of tasks in the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.federated.faults.paced import FOLDER, Pace


@pytest.fixture
def pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Holds up what this process, and those that it starts, train and evaluate."""
    pace = Pace(tmp_path / "pace")
    monkeypatch.setenv(FOLDER, str(pace.folder))
    return pace
