"""The embedded store keeps the contract of a store of samples, wherever the samples are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.store.contract import SampleSearch
from fedsight.signals import Sample
from tests.collector.store.contract_suite.suite import SampleSearchSuite
from tests.collector.store.kept_store import KeptStore


class HotLog:
    """Samples stay in the hot log."""

    def __init__(self, folder: Path) -> None:
        self.kept = KeptStore(folder)

    def send(self, samples: Sequence[Sample]) -> None:
        self.kept.send(samples)

    def ask(self, question: Callable[[SampleSearch], Any]) -> Any:
        return self.kept.ask(question)


class SealedAtOnce(HotLog):
    """Every arrival is a sealed file of its own."""

    def send(self, samples: Sequence[Sample]) -> None:
        super().send(samples)
        self.kept.upkeep.seal()


class HalfSealed(HotLog):
    """Every other arrival stays hot until the next."""

    def send(self, samples: Sequence[Sample]) -> None:
        half = len(samples) // 2
        super().send(samples[:half])
        self.kept.upkeep.seal()
        super().send(samples[half:])


class Merged(SealedAtOnce):
    """Everything is in one file as soon as it arrived."""

    def send(self, samples: Sequence[Sample]) -> None:
        super().send(samples)
        self.kept.upkeep.compact()


class EveryStore(SampleSearchSuite):
    kind: type[HotLog]

    @pytest.fixture
    def samples_store(self, tmp_path: Path) -> Iterator[HotLog]:
        opened = self.kind(tmp_path)
        yield opened
        opened.kept.close()


class TestHotLog(EveryStore):
    kind = HotLog


class TestSealedAtOnce(EveryStore):
    kind = SealedAtOnce


class TestHalfSealed(EveryStore):
    kind = HalfSealed


class TestMerged(EveryStore):
    kind = Merged
