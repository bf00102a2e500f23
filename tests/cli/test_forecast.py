"""Model versions as the forecaster finds them in the data directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from fedsight.cli.forecast_versions import StoredVersions
from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import Metrics, ModelStore, RunKeeper, TagBook
from fedsight.federated.versions.names import Version
from fedsight.forecast.model import Forecaster, ModelShape

SHAPE = ModelShape(("power_consumption", "cpu_usage"), hidden=4, horizon=10)
RUN, OTHER = "r-0000000a", "r-0000000b"


def model(seed: int = 0) -> Forecaster:
    return Forecaster(SHAPE, torch.Generator().manual_seed(seed))


def keep(data: Path, run: str = RUN, rounds: int = 1, task: str = "telemetry") -> None:
    """Versions of a run, the first from seed 1."""
    keeper = RunKeeper(ModelStore(data / "models"), run, task, 9, SHAPE.described())
    for round in range(1, rounds + 1):
        keeper.keep(round, model(round).state_dict(), Metrics.measured(None, 0.2))


def versions(data: Path, wanted: str = "") -> StoredVersions:
    return StoredVersions(data / "models", data / "personal", wanted)


def weights(found: Forecaster) -> np.ndarray:
    return found.head.weight.detach().numpy()


def keep_own(data: Path, node: str, run: str = RUN, sd: float = 2.0) -> None:
    """What a node keeps for itself."""
    arrays = {name: one.numpy() for name, one in model(7).state_dict().items()}
    own = {"own/mean": np.array([1.0, 2.0]), "own/sd": np.array([sd, sd])}
    (data / "personal" / node).mkdir(parents=True, exist_ok=True)
    save_file(arrays | own, data / "personal" / node / f"{run}.safetensors")


def test_the_newest_is_taken_and_then_only_a_newer_one(tmp_path: Path) -> None:
    keep(tmp_path, rounds=2)
    stored = versions(tmp_path)
    found = stored.newest(None)
    assert found is not None
    assert (found.version, found.shape) == (f"{RUN}/2", SHAPE)
    assert np.array_equal(weights(found.model), weights(model(2)))
    assert stored.newest(found.version) is None
    keep(tmp_path, OTHER)
    newer = stored.newest(found.version)
    assert newer is not None
    assert newer.version == f"{OTHER}/1"


def test_a_promoted_one_comes_before_the_newest(tmp_path: Path) -> None:
    keep(tmp_path, rounds=3)
    TagBook(ModelStore(tmp_path / "models")).promote(Version(RUN, 2))
    keep(tmp_path, OTHER, task="digits")
    TagBook(ModelStore(tmp_path / "models")).promote(Version(OTHER, 1))
    found = versions(tmp_path).newest(None)
    assert found is not None
    assert found.version == f"{RUN}/2"


def test_the_one_asked_for_is_taken_if_it_is_of_the_task(tmp_path: Path) -> None:
    keep(tmp_path, rounds=2)
    keep(tmp_path, OTHER, task="digits")
    found = versions(tmp_path, f"{RUN}/1").newest(None)
    assert found is not None
    assert found.version == f"{RUN}/1"
    with pytest.raises(UsageError, match="is of task digits, not telemetry"):
        versions(tmp_path, f"{OTHER}/1").newest(None)


def test_without_one_the_command_is_named(tmp_path: Path) -> None:
    keep(tmp_path, OTHER, task="digits")
    with pytest.raises(UsageError, match="`fedsight run --task telemetry` trains one"):
        versions(tmp_path).newest(None)


def test_what_nodes_keep_for_themselves_is_found_even_later(tmp_path: Path) -> None:
    keep(tmp_path)
    stored = versions(tmp_path)
    found = stored.newest(None)
    assert found is not None
    assert found.personal == {}
    keep_own(tmp_path, "edge-1")
    keep_own(tmp_path, "edge-2", run=OTHER)
    tuned = stored.newest(found.version)
    assert tuned is not None
    assert list(tuned.personal) == ["edge-1"]
    own = tuned.personal["edge-1"]
    assert own.model is not None
    assert own.scale is not None
    assert np.array_equal(weights(own.model), weights(model(7)))
    assert own.scale.sd.tolist() == [2.0, 2.0]
    assert stored.newest(found.version) is None


def test_a_damaged_version_is_named(tmp_path: Path) -> None:
    keep(tmp_path)
    (tmp_path / "models" / RUN / "1.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match=RUN):
        versions(tmp_path).newest(None)


@pytest.mark.parametrize("way", ["damaged", "scale", "shape"])
def test_a_model_of_a_nodes_own_that_does_not_fit_spoils_no_other(
    tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path)
    keep_own(tmp_path, "edge-2")
    if way == "damaged":
        keep_own(tmp_path, "edge-1")
        (tmp_path / "personal" / "edge-1" / f"{RUN}.safetensors").write_bytes(b"x")
    elif way == "scale":
        keep_own(tmp_path, "edge-1", sd=0.0)
    else:
        (tmp_path / "personal" / "edge-1").mkdir(parents=True)
        arrays = {"head.weight": np.zeros((2, 2), np.float32)}
        save_file(arrays, tmp_path / "personal" / "edge-1" / f"{RUN}.safetensors")
    found = versions(tmp_path).newest(None)
    assert found is not None
    assert list(found.personal) == ["edge-2"]
    assert "edge-1" in caplog.text
