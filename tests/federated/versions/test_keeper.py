from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from fedsight.errors import ModelError, UsageError
from fedsight.federated.flat import FlatModel
from fedsight.federated.versions import Metrics, ModelStore, RunKeeper
from fedsight.federated.versions.names import Version
from tests.federated.versions.made import EVERYTHING, files, state, store_with, versions

NONE = Metrics(None, None)
TURNS = int(os.environ.get("FEDSIGHT_KILLS", "4"))


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_every_bit_of_every_tensor_comes_back(tmp_path: Path) -> None:
    whole = {
        "double": torch.randn(3, 4, dtype=torch.float64),
        "half": torch.randn(5, dtype=torch.bfloat16),
        "odd": torch.tensor([float("nan"), -0.0, float("inf")]),
        "steps": torch.tensor(2**62 + 1),
        "none": torch.zeros(0, 3),
        "turned": torch.randn(4, 2).t(),
        "mask": torch.tensor([True, False]),
    }
    store = ModelStore(tmp_path)
    RunKeeper(store, "r-1", "toy", 1).keep(1, whole, NONE)
    found = load_file(store.model_file(Version("r-1", 1)))
    assert found.keys() == whole.keys()
    for name, one in whole.items():
        assert (found[name].dtype, found[name].shape) == (one.dtype, one.shape)
        assert bits(found[name]) == bits(one)
    assert versions(store) == ["r-1/1"]


def test_a_flat_model_with_tied_weights_loads_strictly(tmp_path: Path) -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(3, 3)
            self.norm = torch.nn.BatchNorm1d(3)
            self.second = torch.nn.Linear(3, 3)
            self.second.weight = self.first.weight

    flat, fresh = FlatModel(Tied()), Tied()
    store = ModelStore(tmp_path)
    RunKeeper(store, "r-1", "toy", 1).keep(1, flat.model.state_dict(), NONE)
    fresh.load_state_dict(load_file(store.model_file(Version("r-1", 1))))
    assert all(torch.equal(fresh.state_dict()[k], v) for k, v in flat.model.state_dict().items())


def test_manifest_and_header_tell_where_a_model_comes_from(tmp_path: Path) -> None:
    store = store_with(tmp_path, rounds=2)
    two = store.read(Version("r-1", 2))
    assert two is not None
    assert (two.version, two.parent, two.task) == ("r-1/2", "r-1/1", "toy")
    assert two.metrics == Metrics(0.2, 0.5)
    assert two.size == store.model_file(two.name).stat().st_size
    assert [(one.name, one.shape, one.dtype) for one in two.tensors] == [
        ("0.weight", (2, 3), "float32"),
        ("0.steps", (), "int64"),
    ]
    with safe_open(store.model_file(two.name), framework="numpy") as opened:
        header = opened.metadata()
    assert (header["run"], header["round"], header["parent"]) == ("r-1", "2", "r-1/1")
    assert float(header["accuracy"]) == 0.2
    first = store.read(Version("r-1", 1))
    assert first is not None
    assert first.parent is None


def test_a_figure_that_is_no_number_is_not_known() -> None:
    assert Metrics.measured(float("nan"), float("inf")) == NONE


def test_a_run_keeps_its_newest_and_its_best_as_it_trains(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    keeper = RunKeeper(store, "r-1", "toy", 2)
    for number, accuracy in enumerate([0.1, 0.9, 0.2, 0.3, 0.4], 1):
        keeper.keep(number, state(), Metrics(accuracy, 1.0))
    assert versions(store) == ["r-1/2", "r-1/4", "r-1/5"]
    assert keeper.latest == Version("r-1", 5)
    assert len(files(store)) == 6


def test_keeping_none_writes_nothing(tmp_path: Path) -> None:
    keeper = RunKeeper(ModelStore(tmp_path / "models"), "r-1", "toy", 0)
    keeper.keep(1, state(), NONE)
    assert keeper.latest is None
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_never_written_twice(tmp_path: Path) -> None:
    store = store_with(tmp_path, rounds=1)
    with pytest.raises(ModelError, match="model r-1/1 is there already"):
        RunKeeper(store, "r-1", "toy", 1).keep(1, state(5.0), NONE)
    assert versions(store) == ["r-1/1"]


@pytest.mark.parametrize("run", ["../x", "/x", "", ".", "..", "a/b", "a\0b", "-x", "x\n", "x" * 65])
def test_a_run_whose_name_could_be_a_path_is_refused(tmp_path: Path, run: str) -> None:
    with pytest.raises(UsageError, match="a run must be called by 1 to 64 letters"):
        RunKeeper(ModelStore(tmp_path), run, "toy", 1)


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path: Path) -> None:
    store = store_with(tmp_path, rounds=1)
    before = files(store)
    keeper = RunKeeper(store, "r-2", "toy", 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(ModelError) as raised:
            keeper.keep(1, {"big": torch.zeros(10_000)}, NONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder = tmp_path / "models"
    assert str(raised.value) == f"cannot write to the folder of models {folder}: File too large"
    assert files(store) == before
    assert versions(store) == ["r-1/1"]
    keeper.keep(1, state(), NONE)
    assert versions(store) == ["r-1/1", "r-2/1"]


KEEPS_ON = """
import sys
from pathlib import Path
import torch
from fedsight.federated.versions import Metrics, ModelStore, RunKeeper

keeper = RunKeeper(ModelStore(Path(sys.argv[1])), sys.argv[2], "toy", 2)
state = {"big": torch.zeros(400_000)}
for number in range(1, 100_000):
    state["big"] += 1
    keeper.keep(number, state, Metrics(0.5, 1.0))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_what_was_kept_is_whole(tmp_path: Path) -> None:
    chance = random.Random(7)
    store = ModelStore(tmp_path / "models")
    for turn in range(TURNS):
        run = f"r-{turn}"
        with subprocess.Popen(
            [sys.executable, "-c", KEEPS_ON, str(store.folder), run],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for _ in range(4):
                process.stdout.readline()
            try:
                process.wait(chance.random() * 0.05)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            told = [int(line) for line in process.stdout]
        acknowledged = told[-1] if told else 4
        mine = [int(name.split("/")[1]) for name in versions(store) if name.startswith(run)]
        assert max(mine) in (acknowledged, acknowledged + 1)
    RunKeeper(store, "r-next", "toy", EVERYTHING).keep(1, state(), NONE)
    assert not any("/." in name for name in files(store))
    assert {name.split("/")[0] for name in versions(store)} == {
        *(f"r-{turn}" for turn in range(TURNS)),
        "r-next",
    }
