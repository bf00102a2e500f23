"""From stored arrays to a model at work: what was trained elsewhere, handed over as numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedsight.errors import ModelError, UsageError
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.scale import LEVELS, Scale
from fedsight.forecast.service.predictor import Loaded, Personal

logger = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]

#: What a node keeps beside the weights of a model of its own.
OWN, MEAN, SD, SHARE = "own/", "own/mean", "own/sd", "own/share"
LEVEL = "own/level"


def loaded(
    version: str,
    made: str,
    described: Mapping[str, Any],
    arrays: Arrays,
    personal: Mapping[str, Arrays],
) -> Loaded:
    """The model `version` of the shape that `described` gives, made at `made` (RFC 3339).

    `personal` holds what nodes keep for themselves, by node; what is none of it is left out with a
    warning, so that no node spoils the others' forecasts. Raises ModelError, naming what does not
    fit.
    """
    try:
        shape = ModelShape.read(described)
    except UsageError as error:
        raise ModelError(f"model {version}: {error}") from error
    model = _model(f"model {version}", shape, arrays)
    own: dict[str, Personal] = {}
    for node, found in personal.items():
        try:
            own[node] = _personal(node, shape, found)
        except ModelError as error:
            logger.warning("%s; the shared one is used", error)
    return Loaded(version, made, model, own)


def _model(what: str, shape: ModelShape, arrays: Arrays) -> Forecaster:
    model = Forecaster(shape, torch.Generator())
    state = {name: torch.from_numpy(np.array(one)) for name, one in arrays.items()}
    if not all(bool(one.isfinite().all()) for one in state.values()):
        raise ModelError(f"{what} holds NaN or infinity")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"{what} does not have the shape that is said of it: {said}") from error
    return model.eval()


def _personal(node: str, shape: ModelShape, arrays: Arrays) -> Personal:
    what = f"the model of node {node}"
    weights = {name: one for name, one in arrays.items() if not name.startswith(OWN)}
    if MEAN not in arrays or SD not in arrays:
        return Personal(_model(what, shape, weights), None, _share(what, shape, arrays))
    mean, sd = arrays[MEAN].astype(float), arrays[SD].astype(float)
    wanted = (len(shape.metrics),)
    known = np.isfinite(mean).all() and np.isfinite(sd).all() and (sd > 0).all()
    if mean.shape != wanted or sd.shape != wanted or not known:
        raise ModelError(f"{what} has a scale that is none")
    scale = Scale(mean, sd, _level(what, shape, arrays))
    return Personal(_model(what, shape, weights), scale, _share(what, shape, arrays))


def _level(what: str, shape: ModelShape, arrays: Arrays) -> NDArray[np.int64] | None:
    """Of how many rows a window's level is the median; None where the node did not choose."""
    if LEVEL not in arrays:
        return None
    level = arrays[LEVEL]
    if level.shape != (len(shape.metrics),) or not np.isin(level, LEVELS).all():
        raise ModelError(f"{what} has levels that are none")
    return level.astype(np.int64)


def _share(what: str, shape: ModelShape, arrays: Arrays) -> NDArray[np.float64] | None:
    """How much of the model a node's forecasts take; None where it did not choose."""
    if SHARE not in arrays:
        return None
    share = arrays[SHARE].astype(float)
    wanted = (shape.horizon, len(shape.metrics))
    if share.shape != wanted or not ((share >= 0) & (share <= 1)).all():
        raise ModelError(f"{what} has shares of a mixture that are none")
    return share
