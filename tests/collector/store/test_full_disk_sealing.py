"""A disk that is full while samples are to be sealed: nothing is lost, and it goes on later."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fedsight.collector.store.retention import Upkeeping
from fedsight.signals import Sample
from tests.collector.store.contract_suite.suite import SECOND, START, named
from tests.collector.store.kept_store import KeptStore

pytestmark = pytest.mark.slow
SAMPLES = 40_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"cannot mount a small file system: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - left))
    return ballast


def counted(kept: KeptStore) -> list[float]:
    found = kept.ask(lambda s: s.windows(named("load"), 2**62, "count"))
    return [float(each.value[0]) for each in found]


def sealed(kept: KeptStore) -> bool:
    """Whether all is sealed, and the look that sealed it has ended."""
    return kept.upkeep.done.sealed_samples == SAMPLES and kept.upkeep.wrong is None


def test_sealing_waits_for_room(small_disk: Path) -> None:
    how = Upkeeping(seal_samples=SAMPLES // 2, look_seconds=0.01)
    kept = KeptStore(small_disk, how)
    try:
        values = np.random.default_rng(0).normal(size=SAMPLES).tolist()
        for first in range(0, SAMPLES, 4000):
            part = values[first : first + 4000]
            kept.send([Sample(START + (first + n) * SECOND, "load", v) for n, v in enumerate(part)])
        ballast = fill(small_disk, 100_000)
        kept.upkeep.start()
        end = time.monotonic() + 20
        while kept.upkeep.error is None and time.monotonic() < end:
            time.sleep(0.01)
        assert kept.upkeep.error is not None
        assert counted(kept) == [SAMPLES]
        assert not list(kept.folder.glob("*.tmp"))
        ballast.unlink()
        while not sealed(kept) and time.monotonic() < end + 20:
            time.sleep(0.01)
        assert kept.upkeep.done.sealed_samples == SAMPLES
        assert kept.upkeep.wrong is None
        assert counted(kept) == [SAMPLES]
    finally:
        kept.close()
