"""Two model versions side by side."""

from __future__ import annotations

from fedsight.federated.versions.manifest import Manifest


def differences(one: Manifest, two: Manifest) -> dict[str, float | None]:
    """Accuracy, loss, bytes and round of `two` less those of `one`; None where one is not known."""
    return {
        "accuracy_diff": _less(two.accuracy, one.accuracy),
        "loss_diff": _less(two.loss, one.loss),
        "size_diff": two.size - one.size,
        "round_diff": two.round - one.round,
    }


def _less(two: float | None, one: float | None) -> float | None:
    return None if one is None or two is None else two - one
