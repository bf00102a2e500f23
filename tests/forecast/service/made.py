"""Forecasters over real parts: windows in memory, a small model, a journal and state on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.service.forecasting import Forecasting
from fedsight.forecast.service.options import DriftRule, ForecastOptions
from fedsight.forecast.service.predictor import GivenVersions, Loaded, Personal
from fedsight.forecast.service.retraining import ScriptedTrainer
from fedsight.journal import MemorySink
from fedsight.signals import Batch, Event, Sample, samples_of
from fedsight.telemetry.windows import MemoryWindows

STEP = 3_000_000_000
METRICS = ("load", "power")

torch.set_num_threads(1)


def a_model(
    seed: int = 0, version: str = "r-aaaaaaaa/1", personal: Mapping[str, Personal] | None = None
) -> Loaded:
    """An untrained model of two metrics, 20 steps ahead."""
    shape = ModelShape(METRICS, horizon=20, hidden=4)
    model = Forecaster(shape, torch.Generator().manual_seed(seed)).eval()
    return Loaded(version, "2026-11-26T12:00:00Z", model, personal or {})


def slots(count: int, ahead: int = 0) -> np.ndarray[Any, np.dtype[np.int64]]:
    """So many slots, the last one `ahead` slots after now."""
    last = time.time_ns() // STEP + ahead
    return (np.arange(last - count + 1, last + 1) * STEP).astype(np.int64)


def rows(times: np.ndarray[Any, np.dtype[np.int64]], level: float = 50.0) -> pd.DataFrame:
    """A wave of each metric at these times, about `level`."""
    phase = times / STEP
    values = {
        "load": level + 10 * np.sin(phase / 5),
        "power": 2 * level + 20 * np.cos(phase / 7),
    }
    return pd.DataFrame(values, index=pd.Index(times, name="time"))


@dataclass
class Made:
    """A forecaster whose looks a test asks for, and what it told."""

    data: Path
    windows: MemoryWindows = field(default_factory=lambda: MemoryWindows(interval_ns=STEP))
    versions: GivenVersions = field(default_factory=lambda: GivenVersions(a_model()))
    trainer: ScriptedTrainer = field(default_factory=ScriptedTrainer)
    sink: MemorySink = field(default_factory=MemorySink)

    def __post_init__(self) -> None:
        self.service = self.begin()

    def begin(self, **options: Any) -> Forecasting:
        """A forecaster of this data directory, as after a start."""
        rule = DriftRule(recent=40, reference=40)
        given = {"told": (1, 10), "drift": rule, **options}
        self.service = Forecasting(
            ForecastOptions(self.data, **given),
            self.versions,
            self.windows,
            self.sink,
            self.trainer,
        )
        return self.service

    def again(self, **options: Any) -> Forecasting:
        """The forecaster ends, and another begins."""
        self.service.close()
        return self.begin(**options)

    def add(self, node: str, times: np.ndarray[Any, np.dtype[np.int64]], level: float = 50) -> None:
        """Rows come."""
        self.windows.window(node).add_dataframe(rows(times, level))

    @property
    def told(self) -> list[Batch]:
        """What was journaled, in order."""
        journal = self.service.journal
        return [record.batch for record in journal.read(0, 10_000, 2**30)]

    @property
    def samples(self) -> list[Sample]:
        """All samples."""
        return [sample for one in self.told for sample in samples_of(one.samples)]

    @property
    def events(self) -> list[Event]:
        """All events."""
        return [event for one in self.told for event in one.events]
