"""From stored arrays to models: what fits is used, what does not is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedsight.errors import ModelError
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.service.loading import LEVEL, MEAN, SD, SHARE, loaded

SHAPE = ModelShape(("load", "power"), horizon=20, hidden=4)
Arrays = dict[str, NDArray[Any]]


def arrays(shape: ModelShape = SHAPE) -> Arrays:
    model = Forecaster(shape, torch.Generator().manual_seed(0))
    return {name: one.numpy().copy() for name, one in model.state_dict().items()}


def test_a_node_whose_own_model_is_none_is_foreseen_by_that_of_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wider = arrays(ModelShape(("load", "power"), horizon=20, hidden=8))
    broken = arrays() | {"head.bias": np.full(120, np.nan, np.float32)}
    scaleless = arrays() | {MEAN: np.zeros(2), SD: np.array([1.0, np.inf])}
    good = arrays() | {MEAN: np.zeros(2), SD: np.ones(2)}
    good[SHARE] = np.full((20, 2), 0.5)
    shareless = arrays() | {SHARE: np.full((20, 2), 1.5)}
    own = {"wider": wider, "broken": broken, "scaleless": scaleless, "good": good}
    own["shareless"] = shareless
    good[LEVEL] = np.array([1, 30])
    own["levelless"] = good | {LEVEL: np.array([2, 30])}
    found = loaded("r-1/1", "", SHAPE.described(), arrays(), own)
    assert list(found.personal) == ["good"]
    assert found.personal["good"].share is not None
    assert found.personal["good"].scale is not None
    assert found.personal["good"].scale.levels(30).tolist() == [1, 30]
    assert "the model of node levelless has levels that are none" in caplog.text
    assert "the model of node shareless has shares of a mixture that are none" in caplog.text
    assert "the model of node wider does not have the shape" in caplog.text
    assert "the model of node broken holds NaN" in caplog.text
    assert "the model of node scaleless has a scale that is none" in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"head.bias": np.zeros(3, np.float32)}, "does not have the shape"),
        ({"head.bias": np.full(120, np.inf, np.float32)}, "holds NaN or infinity"),
    ],
)
def test_a_version_that_does_not_fit_is_refused(change: Arrays, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        loaded("r-1/1", "", SHAPE.described(), arrays() | change, {})
