"""No 5xx and nothing undocumented, whatever is asked: here a sample, `make fuzz` for more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.security.fuzzing import fuzz

#: Examples for each operation; `make fuzz` sets 1000.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whatever_is_asked_is_answered_as_documented(tmp_path: Path) -> None:
    ended = fuzz(tmp_path, EXAMPLES, timeout=3500)
    assert ended.code == 0, ended.said[-10_000:]
    assert ended.healthy
    assert "API Links" in ended.said
