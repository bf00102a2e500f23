"""What the forecaster would serve of the benchmark's nodes, by the parts that it serves with.

At each origin of the test part it gets the window that it would have, the last 300 rows, and
nothing of before but what a node keeps beside a model of its own. It scores what came each ten
rows, as it does where they are 3 s apart.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forecast_nodes import METRIC, SHAPE, Node
from fedsight.errors import SeriesError
from fedsight.forecast.model import Forecaster
from fedsight.forecast.scale import Array
from fedsight.forecast.service.loading import OWN, loaded
from fedsight.forecast.service.memory import Memory, Scored
from fedsight.forecast.service.options import ForecastOptions
from fedsight.forecast.service.predictor import Known, Loaded
from fedsight.forecast.service.state import StateFile
from fedsight.tasks.telemetry import Telemetry
from fedsight.telemetry.windows import MAX_ROWS

#: Rows that come between two looks at them.
LOOK_ROWS = 10
STEP_NS = 3 * 10**9


def served(over: Sequence[Node], model: Forecaster, own: Sequence[Forecaster]) -> list[Array]:
    """What is told of each node from each of its origins, (origins, horizon, quantiles), in real
    units; `own` are the nodes' own models, `model` itself where a node keeps none."""
    task = Telemetry().looking_at((METRIC,))
    kept = {
        node.name: _kept(task, node, tuned)
        for node, tuned in zip(over, own, strict=True)
        if tuned is not model
    }
    version = loaded("benchmark/1", "", SHAPE.described(), _arrays(model), kept)
    with tempfile.TemporaryDirectory() as folder:
        options = ForecastOptions(Path(folder))
        state = StateFile(options.state)
        memory = Memory(options, state, STEP_NS)
        memory.use(version)
        found = [_of_node(memory, version, node) for node in over]
        state.close()
    return found


def _of_node(memory: Memory, version: Loaded, node: Node) -> Array:
    told = []
    for number, at in enumerate(node.at.tolist()):
        known = _known(node, at)
        if number % LOOK_ROWS == 0:
            list(memory.score(known, int(known.times[-1]), Scored()))
        try:
            scale = memory.scale(known, version)
        except SeriesError:  # one value throughout: nothing is told of it, and that value counts
            told.append(np.full((SHAPE.horizon, len(SHAPE.quantiles)), node.series[at]))
            continue
        (ahead,) = version.foretell([known], [scale])
        share = memory.share(known, version, scale)
        told.append(memory.told(known, ahead, version.version, scale, share)[:, 0])
    return np.stack(told)


def _known(node: Node, at: int) -> Known:
    rows = np.arange(max(0, at + 1 - MAX_ROWS), at + 1)
    return Known(node.name, rows * STEP_NS, node.series[rows, None], STEP_NS)


def _kept(task: Telemetry, node: Node, model: Forecaster) -> Mapping[str, NDArray[Any]]:
    """What a node's file of its own model holds."""
    own = {f"{OWN}{name}": one for name, one in task.own(node.data, model).items()}
    return {**_arrays(model), **own}


def _arrays(model: Forecaster) -> dict[str, NDArray[Any]]:
    return {name: one.detach().numpy().copy() for name, one in model.state_dict().items()}
