"""Which versions may go: pure rules."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import datetime

from fedsight.federated.versions.manifest import Manifest

#: Names of versions that stay because a tag or the history of promotions holds them.
Protected = Collection[str]


def best(versions: Iterable[Manifest]) -> Manifest | None:
    """The most accurate version; among equals the one of least loss, then the newest.

    Where no version's accuracy is known: the one of least loss. None where nothing is known.
    """
    known = [one for one in versions if one.accuracy is not None or one.loss is not None]
    return max(known, key=_merit, default=None)


def latest(versions: Iterable[Manifest]) -> Manifest | None:
    """The newest version: by the time it was made, within a run by its round."""
    return max(versions, key=age_key, default=None)


def age_key(one: Manifest) -> tuple[str, int]:
    """Orders versions from the oldest to the newest."""
    return (one.created, one.round)


def droppable(
    versions: Iterable[Manifest],
    protected: Protected,
    *,
    keep: int | None = None,
    before: datetime | None = None,
) -> list[Manifest]:
    """The versions that go, oldest first.

    In every run the newest `keep` of those not protected stay, and those made at `before` or
    later. What is protected, a run's latest round and its best stay in any case.
    """
    going: list[Manifest] = []
    for run in _by_run(versions):
        good = best(run)
        spared = {run[-1].version, "" if good is None else good.version, *protected}
        loose = [one for one in run if one.version not in protected]
        old = loose if not keep else loose[:-keep]
        going += [one for one in old if one.version not in spared and _is_before(one, before)]
    return sorted(going, key=age_key)


def _by_run(versions: Iterable[Manifest]) -> list[list[Manifest]]:
    """Versions of each run, in the order of their rounds."""
    runs: dict[str, list[Manifest]] = {}
    for one in sorted(versions, key=lambda one: one.round):
        runs.setdefault(one.run, []).append(one)
    return list(runs.values())


def _is_before(one: Manifest, before: datetime | None) -> bool:
    return before is None or datetime.fromisoformat(one.created) < before


def _merit(one: Manifest) -> tuple[float, float, tuple[str, int]]:
    accuracy = -math.inf if one.accuracy is None else one.accuracy
    loss = math.inf if one.loss is None else one.loss
    return (accuracy, -loss, age_key(one))
